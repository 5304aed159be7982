/* A message to append that lives in memory, notes how it is used, and fails where it is told to. */
#ifndef OUTLOOKFS_TESTS_UNIT_IMAP_MESSAGE_H
#define OUTLOOKFS_TESTS_UNIT_IMAP_MESSAGE_H

#include "imap/change.h"

struct message {
    const char *bytes;
    uint64_t size;
    int open_error;   /* an errno: `open` fails with it */
    uint64_t fail_at; /* with `read_error`: where reading fails */
    int read_error;   /* an errno; 0: the bytes end at fail_at, if that is not 0 */
    size_t piece;     /* reads give at most that many bytes; 0: all */

    int opens, closes;
    uint64_t taken; /* bytes read */
};

extern int messages_open, messages_open_most; /* now, and at most since last set to 0 */

struct imap_literal_source message_source(struct message *message);

/* A message of this text; an APPEND of it to `mailbox`, built. */
struct message message_of(const char *text);
void message_append(struct imap_command *command, const char *mailbox, struct message *message);

#endif
