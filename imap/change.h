/*
 * Commands that change mail, as bytes (RFC 3501 section 6, RFC 4315, RFC 6851, RFC 9208).
 *
 * Mailbox names are the server's own bytes, from the cache row. UID sets are text as
 * imap_uidset_text writes it; anything else, "*" included, breaks the command, since "*" is
 * whatever came last. Flags are a list separated by spaces, as FETCH gave it: each is checked
 * (imap_flag_valid), "\Recent" is left out, and one that cannot be sent breaks the command; so a
 * caller checks what a user typed first, to name the culprit.
 *
 * The verbs without arguments are imap_command_init's: NOOP, CHECK, EXPUNGE, CLOSE. EXPUNGE and
 * CLOSE remove what any client marked \Deleted, not only us: CLOSE is for after EXAMINE, which
 * removes nothing, EXPUNGE for a server without UIDPLUS once UID SEARCH DELETED named our own
 * messages and no others.
 *
 * What takes UIDs goes through imap_connection_submit_changing. Each builder takes an uninitialised
 * command, as those of imap/command.h do. Any thread.
 */
#ifndef OUTLOOKFS_IMAP_CHANGE_H
#define OUTLOOKFS_IMAP_CHANGE_H

#include "imap/command.h"
#include "imap/flags.h"

/* APPEND. `flags` NULL or "": none. `internaldate` is in seconds since 1970; NULL, or a year
 * without four digits, leaves it to the server. */
void imap_command_append(struct imap_command *c, const char *mailbox, const char *flags,
                         const int64_t *internaldate, const struct imap_literal_source *message);

void imap_command_uid_copy(struct imap_command *c, const char *set, const char *mailbox);
void imap_command_uid_move(struct imap_command *c, const char *set, const char *mailbox);

/* UID STORE. To add or remove nothing breaks the command; to set nothing takes all flags away.
 * `silent`: the server need not answer with the new flags. */
enum imap_store { IMAP_STORE_ADD, IMAP_STORE_REMOVE, IMAP_STORE_SET };
void imap_command_uid_store(struct imap_command *c, const char *set, enum imap_store how,
                            bool silent, const char *flags);

void imap_command_uid_expunge(struct imap_command *c, const char *set);

void imap_command_create(struct imap_command *c, const char *mailbox);
void imap_command_delete(struct imap_command *c, const char *mailbox);
void imap_command_rename(struct imap_command *c, const char *from, const char *to);
void imap_command_subscribe(struct imap_command *c, const char *mailbox,
                            bool subscribed); /* SUBSCRIBE or UNSUBSCRIBE */
void imap_command_quotaroot(struct imap_command *c, const char *mailbox); /* GETQUOTAROOT */

#endif
