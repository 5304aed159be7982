/* How `login` and `mount` speak to the person at the terminal: what auth/login.h asks for, a
 * password, and Ctrl-C as a descriptor. For processes without threads. */
#ifndef OUTLOOKFS_CLI_DIALOG_H
#define OUTLOOKFS_CLI_DIALOG_H

#include <stdbool.h>

#include "auth/login.h"
#include "base/buffer.h"

struct dialog {
    const char *account;
    int cancel_fd; /* readable once the person had enough; -1: such signals end the process */
};

/* From here on SIGINT, SIGTERM, SIGHUP and SIGQUIT are told by cancel_fd and end nothing by
 * themselves. */
void dialog_open(struct dialog *dialog, const char *account);
void dialog_close(struct dialog *dialog);

/* The functions that auth_sign_in calls, with `dialog` as their context. */
struct auth_dialog dialog_for_auth(struct dialog *dialog);

/* Whether there is a person to ask: standard input and error are a terminal. */
bool dialog_person_there(void);

/* Asks for a password, without showing it, also through a stop by Ctrl-Z; appends it to `password`
 * (the caller wipes it). False when none was given. */
bool dialog_ask_password(const char *username, const char *host, struct buffer *password);

#endif
