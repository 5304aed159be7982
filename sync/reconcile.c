/*
 * What became of changes whose outcome is not known: the connection ended, or the server said OK
 * and not where the copy is.
 *
 * A worker, which has nothing else meanwhile, reads what the target mailbox holds from the UIDNEXT
 * on that was noted before sending, and, for COPY and MOVE, whether the message is still where it
 * was. A candidate is the message when its Message-Id is; without one, when date, sender, subject
 * and size are. One with these and another Message-Id or size may be it, rendered anew (OUTLOOK.md
 * section 4): where the server said OK that is enough, and for an APPEND so is the date that it was
 * given, when there is no other candidate; else nothing is decided. Each candidate counts for one
 * change, sure ones first, and what is the outcome of another change already counts for none.
 *
 *               found               not found
 *     APPEND    done                sent again
 *     COPY      done                sent again; gone, where the server said OK or the source is not
 *                                   there
 *     MOVE      done; with the      sent again, with the source there; gone, without
 *               source still there
 *               that is expunged
 *
 * Another UIDVALIDITY of the target: it cannot be decided, and is held, but for a MOVE whose
 * message still is where it was.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "imap/change.h"
#include "message/summary.h"
#include "sync/carry.h"

enum { CANDIDATES_MAX = 100000 };

#define LOOK_ITEMS                                                                                 \
    "(UID RFC822.SIZE INTERNALDATE BODY.PEEK[HEADER.FIELDS (" MESSAGE_SUMMARY_FIELDS ")])"

struct candidate {
    uint32_t uid;
    uint64_t size;
    int64_t internaldate; /* 0: not told */
    struct message_summary summary;
    bool taken;
};

struct reconcile {
    struct candidate *items;
    size_t count, room;
    uint32_t uidvalidity; /* of the target */
    uint32_t from;        /* the lowest UIDNEXT noted */
    bool reading;         /* what FETCH brings are candidates */
    bool at_source;       /* what it brings are messages that are still there */
    bool failed;
};

void reconcile_free(struct batch *batch)
{
    struct reconcile *r = batch->reconcile;
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->count; i++)
        message_summary_free(&r->items[i].summary);
    free(r->items);
    free(r);
    batch->reconcile = NULL;
}

/* ---- what came ---- */

static bool add_candidate(struct reconcile *r, const struct imap_fetch *fetch)
{
    if (r->count == CANDIDATES_MAX)
        return false;
    if (r->count == r->room) {
        size_t room = r->room == 0 ? 64 : r->room * 2;
        struct candidate *items = realloc(r->items, room * sizeof *items);
        if (items == NULL)
            return false;
        r->items = items;
        r->room = room;
    }
    struct candidate *c = &r->items[r->count];
    *c = (struct candidate){
        .uid = fetch->uid, .size = fetch->size, .internaldate = fetch->internaldate};
    const char *header = fetch->header.data != NULL ? fetch->header.data : "";
    if (!message_summary_parse(header, fetch->header.len, &c->summary))
        return false;
    r->count++;
    return true;
}

void reconcile_fetch(struct batch *batch, const struct imap_fetch *fetch)
{
    struct reconcile *r = batch->reconcile;
    if (r == NULL)
        return;
    if (r->at_source) {
        for (struct change *change = batch->changes; change != NULL; change = change->next)
            change->present |= change->row.intent.uid == fetch->uid;
    } else if (r->reading && fetch->uid >= r->from && fetch->present & IMAP_FETCH_HEADER) {
        r->failed |= !add_candidate(r, fetch);
    }
}

/* ---- matching ---- */

static bool same(const char *a, const char *b)
{
    return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

enum match { MATCH_NO, MATCH_MAYBE, MATCH_YES };

/* As far apart as another rendering takes them. */
static bool size_near(uint64_t a, uint64_t b)
{
    uint64_t apart = a > b ? a - b : b - a;
    return apart <= 4096 || apart <= (a > b ? a : b) / 2;
}

static enum match match(const struct change *change, const struct candidate *c)
{
    const struct journal_intent *intent = &change->row.intent;
    const struct message_summary *s = &c->summary;
    bool named = intent->message_id != NULL && intent->message_id[0] != '\0';
    bool both = named && s->message_id[0] != '\0';
    if (both && same(intent->message_id, s->message_id))
        return MATCH_YES;
    if (!same(intent->date, s->date) || !same(intent->from, s->from) ||
        !same(intent->subject, s->subject))
        return MATCH_NO;
    if (both) /* a server that gives a new one keeps the rest; others write two such messages */
        return s->date[0] != '\0' && size_near(intent->size, c->size) ? MATCH_MAYBE : MATCH_NO;
    return !named && intent->size == c->size ? MATCH_YES : MATCH_MAYBE;
}

/* Whether it is the outcome of another APPEND already: of this process, or of one before it. */
static bool claimed(const struct change *change, uint32_t uidvalidity, uint32_t uid)
{
    struct sync *sync = change->sync;
    struct cache_inode inode;
    bool is = false;
    if (claim_taken(sync, change->target, uidvalidity, uid))
        return true;
    if (change->kind != JOURNAL_APPEND ||
        cache_message_find(sync->cache, change->target, uid, &inode) != CACHE_OK)
        return false;
    return cache_message_same(sync->cache, inode.message, change->row.sha256,
                              change->row.spool_bytes, &is) == CACHE_OK &&
           is;
}

/* The first candidate that matches as well as `least`. */
static struct candidate *find(struct reconcile *r, const struct change *change, enum match least)
{
    struct candidate *best = NULL;
    for (size_t i = 0; i < r->count; i++) {
        struct candidate *c = &r->items[i];
        if (c->taken || c->uid < change->row.intent.target_uidnext ||
            (best != NULL && best->uid < c->uid) || match(change, c) < least ||
            claimed(change, r->uidvalidity, c->uid))
            continue;
        best = c;
    }
    return best;
}

/* The only new message there is, with the date that the APPEND gave it. */
static struct candidate *find_lone(struct reconcile *r, const struct change *change)
{
    struct candidate *lone = find(r, change, MATCH_NO);
    if (lone == NULL || change->kind != JOURNAL_APPEND ||
        lone->internaldate != change->row.intent.internaldate)
        return NULL;
    lone->taken = true;
    bool other = find(r, change, MATCH_NO) != NULL;
    lone->taken = false;
    return other ? NULL : lone;
}

/* What the server said it did is there, if not as it was sent. A MOVE whose message is still where
 * it was would be ended by an EXPUNGE: that one takes certainty. */
static struct candidate *find_rendered(struct reconcile *r, const struct change *change)
{
    if (!change->said_ok || (change->kind == JOURNAL_MOVE && change->present))
        return NULL;
    struct candidate *c = find(r, change, MATCH_MAYBE);
    return c != NULL ? c : find_lone(r, change);
}

static void found(struct reconcile *r, struct change *change, struct candidate *c)
{
    c->taken = true;
    change->uid = c->uid;
    change->uidvalidity = r->uidvalidity;
    if (change->kind == JOURNAL_MOVE && change->present) {
        change->copied = change->singly = true; /* the second half is missing */
        change_fate(change, FATE_UNDONE, SYNC_ERR_UNREACHABLE, "");
    } else {
        change_fate(change, FATE_DONE, SYNC_OK, "");
    }
}

static void not_found(struct change *change)
{
    change->uid = 0;
    change->copied = false;
    if (change->kind == JOURNAL_APPEND && change->said_ok)
        change_fate(change, FATE_LOST, SYNC_ERR_UNCONFIRMED,
                    "the server said OK, and the message is not found in the mailbox");
    else if (change->kind != JOURNAL_APPEND && !change->present)
        change_fate(change, FATE_REFUSED, SYNC_ERR_GONE, "the message is not there any more");
    else if (change->said_ok && change->idle++ > 0)
        change_fate(change, FATE_REFUSED, SYNC_ERR_REFUSED, "the server said OK and did nothing");
    else
        change_fate(change, FATE_UNDONE, SYNC_ERR_UNREACHABLE, "");
}

static void decide_unsure(struct reconcile *r, struct change *change)
{
    bool other = r->uidvalidity != change->row.intent.target_uidvalidity;
    struct candidate *c = other ? NULL : find_rendered(r, change);
    bool doubt = !other && c == NULL && find(r, change, MATCH_MAYBE) != NULL;
    if (c != NULL)
        found(r, change, c);
    else if (doubt || (other && !(change->kind == JOURNAL_MOVE && change->present)))
        change_fate(change, FATE_LOST, SYNC_ERR_UNCONFIRMED,
                    other ? "the mailbox is another one by now (UIDVALIDITY)"
                          : "a message like it is there, which may be it or not");
    else
        not_found(change);
}

static void decide(struct batch *batch)
{
    struct reconcile *r = batch->reconcile;
    for (struct change *change = batch->changes; change != NULL; change = change->next) {
        bool other = r->uidvalidity != change->row.intent.target_uidvalidity;
        struct candidate *c = other ? NULL : find(r, change, MATCH_YES);
        change->settled = c != NULL;
        if (c != NULL)
            found(r, change, c);
    }
    for (struct change *change = batch->changes; change != NULL; change = change->next) {
        if (!change->settled)
            decide_unsure(r, change);
    }
}

/* ---- the dialogue ---- */

static void over(struct batch *batch)
{
    if (--batch->pending == 0)
        carry_end(batch);
}

static void source_read(void *ctx, const struct imap_completion *completion)
{
    struct batch *batch = ctx;
    worker_note(batch->worker, completion);
    batch->reconcile->at_source = false;
    if (completion->error == IMAP_OK)
        decide(batch);
    over(batch);
}

static char *all_uids(struct batch *batch)
{
    struct imap_uidset set;
    imap_uidset_init(&set, SET_BYTES);
    bool good = true;
    for (struct change *change = batch->changes; change != NULL && good; change = change->next) {
        change->present = false;
        good = imap_uidset_add(&set, change->row.intent.uid);
    }
    const char *text = good ? imap_uidset_text(&set) : NULL;
    char *copy = text != NULL ? strdup(text) : NULL;
    imap_uidset_free(&set);
    return copy;
}

static void source_opened(void *ctx, const struct imap_completion *completion)
{
    struct batch *batch = ctx;
    struct worker *w = batch->worker;
    enum sync_error why = worker_examined(w, batch->changes->mailbox, completion);
    bool gone = why == SYNC_ERR_GONE ||
                (why == SYNC_OK && w->uidvalidity != batch->changes->row.intent.uidvalidity);
    char *set = !gone && why == SYNC_OK ? all_uids(batch) : NULL;
    if (gone) {
        decide(batch); /* nothing is where it was */
    } else if (set != NULL) {
        struct imap_command command;
        imap_command_uid_fetch(&command, set, "(UID)");
        batch->reconcile->at_source = true;
        if (imap_connection_submit(w->connection, &command, source_read, batch) == IMAP_OK)
            batch->pending++;
    }
    free(set);
    over(batch);
}

static void target_read(void *ctx, const struct imap_completion *completion)
{
    struct batch *batch = ctx;
    struct reconcile *r = batch->reconcile;
    worker_note(batch->worker, completion);
    r->reading = false;
    if (completion->error != IMAP_OK || r->failed) {
        over(batch);
        return;
    }
    if (batch->changes->kind == JOURNAL_APPEND)
        decide(batch);
    else if (worker_examine(batch->worker, batch->changes->mailbox, source_opened, batch) ==
             IMAP_OK)
        batch->pending++;
    over(batch);
}

static void target_opened(void *ctx, const struct imap_completion *completion)
{
    struct batch *batch = ctx;
    struct worker *w = batch->worker;
    struct reconcile *r = batch->reconcile;
    enum sync_error why = worker_examined(w, batch->target, completion);
    char set[32];
    struct imap_command command;
    if (why == SYNC_ERR_GONE) { /* with all that was in it */
        r->uidvalidity = 0;
        if (batch->changes->kind == JOURNAL_APPEND)
            decide(batch);
        else if (worker_examine(w, batch->changes->mailbox, source_opened, batch) == IMAP_OK)
            batch->pending++;
    } else if (why == SYNC_OK) {
        r->uidvalidity = w->uidvalidity;
        snprintf(set, sizeof set, "%u:*", r->from);
        imap_command_uid_fetch(&command, set, LOOK_ITEMS);
        r->reading = true;
        if (imap_connection_submit(w->connection, &command, target_read, batch) == IMAP_OK)
            batch->pending++;
    }
    over(batch);
}

void reconcile_start(struct batch *batch)
{
    struct reconcile *r = batch->reconcile;
    if (r == NULL)
        r = batch->reconcile = calloc(1, sizeof *r);
    if (r == NULL)
        return;
    r->from = UINT32_MAX;
    for (struct change *change = batch->changes; change != NULL; change = change->next) {
        uint32_t from = change->row.intent.target_uidnext;
        change_fate(change, FATE_UNKNOWN, SYNC_ERR_UNREACHABLE, change->reason);
        if (from < r->from)
            r->from = from > 0 ? from : 1;
    }
    if (worker_examine(batch->worker, batch->target, target_opened, batch) == IMAP_OK)
        batch->pending++;
}
