/*
 * The mount options (CONTRACT.md section 5): one table says name, type, default and help, so that
 * the parser, the configuration file and `mount --help` cannot diverge.
 *
 * Options are set first from the configuration, then from -o; the last one counts. Then
 * options_finish fills in defaults and checks what belongs together. One thread.
 */
#ifndef OUTLOOKFS_CLI_OPTIONS_H
#define OUTLOOKFS_CLI_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buffer.h"
#include "sync/sync.h"

/* A command whose first line of output is a secret: a list runs without a shell. */
struct secret_command {
    char **argv; /* NULL-terminated, or NULL */
    char *shell; /* a line for /bin/sh, or NULL */
};

struct mount_options {
    char *host;
    unsigned port; /* 0: not given */
    int tls;       /* enum sync_tls */
    char *cafile;
    int compress; /* 0 yes, 1 no */
    int auth;     /* enum sync_auth */
    char *username;
    int provider; /* index of options_provider_name; what login set down, as are the next three */
    char *client_id, *tenant, *authority;
    struct secret_command token_command, password_command;
    char *cache_dir;
    uint64_t cache_size; /* bytes */
    unsigned connections, poll;
    unsigned timeout; /* seconds */
    bool subscribed;
    int names;    /* 0 friendly, 1 uid */
    char *fsname; /* NULL: the account */
    char *log;
    bool debug;
    bool read_only;  /* the four below are then without effect */
    int delete_mode; /* 0 trash, 1 expunge */
    char *trash;     /* NULL: the mailbox with that role */
    int commit;      /* enum sync_commit */
    bool mark_seen;
    struct sync_prefetch prefetch;
    struct buffer fuse; /* what libfuse is to have, comma-separated, escaped again */
    uint64_t given;     /* bit n: row n of the table was set */
};

void options_init(struct mount_options *options);
void options_free(struct mount_options *options);

/* Sets one option; `value` is NULL for a bare word. False with the cause in `why` (CLI_TEXT_MAX):
 * it names the option. Strings are copied. */
bool options_set(struct mount_options *options, const char *name, const char *value, char *why)
    __attribute__((warn_unused_result));

/* As options_set, for token_command and password_command given as a list of `count` words. */
bool options_set_list(struct mount_options *options, const char *name, const char *const *words,
                      size_t count, char *why) __attribute__((warn_unused_result));

/* Sets what one -o argument holds: "a,b=c,d=e\,f". "\," is a comma and "\\" a backslash within a
 * value; any other backslash stands for itself. */
bool options_set_string(struct mount_options *options, const char *text, char *why)
    __attribute__((warn_unused_result));

/* Takes the first option off such an argument: copies its name to `one` (room for the whole text)
 * and points *value behind it (NULL: a bare word). Returns the rest; NULL: there was none. */
const char *options_next(const char *text, char *one, char **value);

/* "microsoft", "live" or "generic". */
const char *options_provider_name(const struct mount_options *options);

bool options_command_given(const struct secret_command *command);

/* `value` as it means the same from any directory; malloc, NULL without memory. */
char *options_settled_value(const char *name, const char *value);

/* Fills in defaults for `account` and checks the whole. */
bool options_finish(struct mount_options *options, const char *account, char *why)
    __attribute__((warn_unused_result));

/* Writes the table as help text. */
void options_help(FILE *out);

#endif
