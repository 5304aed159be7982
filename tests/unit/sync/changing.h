/* A rig whose server is the store of store.h: changes, each waited for. Message numbers are UIDs of
 * INBOX at the start. */
#ifndef OUTLOOKFS_TESTS_UNIT_SYNC_CHANGING_H
#define OUTLOOKFS_TESTS_UNIT_SYNC_CHANGING_H

#include "tests/unit/sync/rig.h"
#include "tests/unit/sync/store.h"

void changing_init(struct rig *rig, unsigned messages); /* in INBOX, numbered from 1 */
void changing_start(struct rig *rig);                   /* and lists all mailboxes */
void changing_end(struct rig *rig);

enum sync_error changing_move(struct rig *rig, const char *from, uint32_t uid, const char *to);
enum sync_error changing_copy(struct rig *rig, const char *from, uint32_t uid, const char *to);
enum sync_error changing_remove(struct rig *rig, const char *mailbox, uint32_t uid);
enum sync_error changing_store(struct rig *rig, const char *mailbox, uint32_t uid,
                               const char *flags);
enum sync_error changing_bytes(struct rig *rig, const char *mailbox, const char *bytes, size_t len,
                               const char *name, int64_t replaces);
/* The message `number` of the store. */
enum sync_error changing_publish(struct rig *rig, const char *mailbox, unsigned number,
                                 int64_t replaces);
enum sync_error changing_settle(struct rig *rig);
/* Rows of the journal, and the state of the first one. */
size_t changing_rows(struct rig *rig);
enum journal_state changing_state(struct rig *rig);

#endif
