/*
 * A server that can be changed: mailboxes with messages of their own, behind the hook of server.h.
 * What it holds is what a test counts in the end.
 *
 * Two cuts, each once, counted from when it is set: the connection ends after so many bytes of its
 * answers, or when so many bytes of commands (and literals) were read, before that command is
 * carried out.
 */
#ifndef OUTLOOKFS_TESTS_UNIT_SYNC_STORE_H
#define OUTLOOKFS_TESTS_UNIT_SYNC_STORE_H

#include "tests/unit/sync/server.h"

enum { STORE_MAILBOXES = 12, STORE_MESSAGES = 3000, STORE_NAME = 64 };

struct stored {
    uint32_t uid;
    char *body;
    size_t len;
    char flags[128];
    bool deleted;
    char date[64];
};

struct store_mailbox {
    char name[STORE_NAME];
    bool used, subscribed;
    uint32_t uidvalidity, uidnext;
    struct stored messages[STORE_MESSAGES];
    size_t count;
};

struct store;
typedef void store_fn(struct store *store, const char *command);

struct store {
    pthread_mutex_t lock;
    struct store_mailbox boxes[STORE_MAILBOXES]; /* protected by lock */
    /* Set while no command is under way. */
    bool no_move, no_uidplus, no_literal_plus, mute_copyuid, bare_copyuid, rewrite, quota;
    const char *permanent;   /* PERMANENTFLAGS; NULL: not sent */
    const char *refuse_verb; /* answered with refuse_reply */
    const char *refuse_reply;
    atomic_int refuse_times;
    atomic_int expunge_fails;
    atomic_int deaf_stores; /* so many STOREs are OK, and do nothing */
    bool deaf;              /* so is each command about what came since SELECT, until NOOP */
    unsigned delay_ms;
    /* Counted. */
    atomic_uint commands, appends, copies, moves, stores, expunges, selects, quotas;
    atomic_ulong bytes_in;
    atomic_uint longest_line;
    /* Cuts. */
    atomic_long cut_out, cut_in; /* -1: none */
    atomic_bool was_cut;
    atomic_bool down; /* every connection ends at once */
    /* Called with the lock before and after a command (its line) is carried out; NULL: not. */
    store_fn *before, *after; /* protected by lock */
};

extern struct store store;

/* INBOX, Trash (with its role) and Archive, all empty. */
void store_init(void);
void store_free(void);
struct store_mailbox *store_box(const char *name); /* NULL: none */
void store_before(store_fn *before);
void store_after(store_fn *after);
/* Adds a message with this Message-Id number; the UID. */
uint32_t store_add(const char *mailbox, unsigned number);
char *store_message(unsigned number, size_t *len); /* malloc */
/* How many copies of the message are there, in `mailbox` (NULL: in all). Takes the lock. */
unsigned store_count(const char *mailbox, unsigned number);
/* The UID of the first one; 0: none. */
uint32_t store_uid(const char *mailbox, unsigned number);
bool store_flagged(const char *mailbox, uint32_t uid, const char *flag);
/* Only the first `count` messages stay. */
void store_keep(const char *mailbox, size_t count);
size_t store_total(const char *mailbox);

bool store_answer(struct session *s, const char *tag, const char *command); /* the hook */

#endif
