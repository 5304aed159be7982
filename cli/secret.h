/* Where the secret of a mount comes from (CONTRACT.md section 5), decided before anything starts.
 */
#ifndef OUTLOOKFS_CLI_SECRET_H
#define OUTLOOKFS_CLI_SECRET_H

#include "cli/options.h"
#include "cli/report.h"

struct secret_choice {
    const struct secret_command *command; /* one of the options' own, or NULL */
    char *login_dir;                      /* where the login is kept, or NULL */
    struct buffer password;               /* that the person gave; empty: none */
};

/*
 * Chooses, in this order: the command that was given; for OAuth the login that `login` left; for a
 * password the person at the terminal, who is asked. CLI_SIGN_IN, with a report of the next step,
 * where there is nothing. `options` were finished and outlive the choice.
 */
enum cli_exit secret_choose(struct secret_choice *choice, const struct mount_options *options,
                            const char *account);
void secret_choice_free(struct secret_choice *choice);

/* In a few words for a person, without asking or reporting: what secret_choose would choose. */
const char *secret_in_words(const struct mount_options *options, const char *account);

/* Whether a login of the account is kept. */
bool secret_login_kept(const char *account);

#endif
