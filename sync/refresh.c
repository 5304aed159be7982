/*
 * The second half of a refresh: messages that went, and flags that changed.
 *
 * With QRESYNC (RFC 7162) EXAMINE has told both (resync.c). With CONDSTORE flags are asked for by
 * CHANGEDSINCE, where HIGHESTMODSEQ says that some changed. Without it a server has no word for
 * them, so they are read off UID FETCH (FLAGS) over what is known, when a poll found that UNSEEN is
 * another, or a program reads the mailbox and the last look is older than FLAGS_FRESH_MS. Messages
 * are compared only when the counts differ: where the cache, with all new UIDs in it, has as many
 * as EXISTS says, none went. Else UID SEARCH names those that are left, in fewer bytes than FETCH
 * (which is taken all the same where the mailbox is small and there is no CONDSTORE: it tells
 * flags). A refresh in which nothing changed costs EXAMINE and one empty FETCH, whatever the size
 * of the mailbox.
 *
 * Both go over the mailbox in windows of CHECK_MESSAGES messages that the cache has, so that
 * neither a window nor what comes for it grows with the mailbox; WINDOWS_AHEAD of them are on their
 * way at a time. A message counts as gone only when all windows were answered and the server named
 * as many messages as it says there are: one that answers OK and keeps some to itself (OUTLOOK.md
 * section 3) must not make mail disappear here.
 *
 * All of it runs in the thread of the worker that has the listing, which lives until the last
 * window was answered, whatever failed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/order.h"
#include "sync/listing.h"
#include "sync/regard.h"

/* Messages whose flags one poll looks at (CONTRACT.md section 4). */
enum { WINDOW_MESSAGES = 1000 };

/* Messages of the cache a window; how many windows are on their way; and how many messages the
 * server may name in those, some of them new to us. */
enum { CHECK_MESSAGES = 5000, WINDOWS_AHEAD = 10, ROWS_MAX = 4 * CHECK_MESSAGES * WINDOWS_AHEAD };

/* A question that is on its way: about UIDs `from` to `to`. */
struct check {
    struct check *next;
    struct listing *listing;
    uint32_t from, to;
    int64_t asked;         /* clock_ms */
    bool since;            /* what changed; else what is there */
    bool search;           /* by SEARCH */
    uint32_t *known;       /* what the cache had in it */
    size_t known_count;    /* at most CHECK_MESSAGES */
    struct flag_rows rows; /* what the server named so far */
};

struct refresh {
    struct check *checks; /* on their way */
    unsigned pending;
    uint32_t next;  /* the first UID that is not asked about yet; 0: all of them are */
    bool search;    /* what is there is asked for by SEARCH: flags are not due */
    bool searched;  /* so nothing was told of the flags of some messages */
    uint32_t *gone; /* of all windows so far */
    size_t gone_count;
    size_t held;    /* rows of the windows on their way */
    uint64_t named; /* messages that the server named, of the windows answered so far */
};

static void check_free(struct check *check)
{
    if (check == NULL)
        return;
    flag_rows_free(&check->rows);
    free(check->known);
    free(check);
}

void refresh_free(struct refresh **refresh)
{
    if (*refresh != NULL)
        free((*refresh)->gone);
    free(*refresh);
    *refresh = NULL;
}

/* ---- whether ---- */

bool refresh_due(struct listing *listing)
{
    struct sync *sync = listing->worker->sync;
    uint64_t directories, messages;
    bool told = listing->was_listed && resync_apply(listing);
    if (listing->failed ||
        cache_inode_count(sync->cache, listing->ino, &directories, &messages) != CACHE_OK)
        return false;
    if (!listing->was_listed) {
        regard_flags_read(sync, listing->job->mailbox);
        if (messages < listing->exists && !listing->worker->stirred)
            log_warn("the server has %u messages in a mailbox and named %llu of them",
                     listing->exists, (unsigned long long)messages);
        return false;
    }
    if (listing->known == 0)
        return false;
    bool condstore = listing->modseq != 0 && listing->flags_modseq != 0;
    bool asked = listing->job->flags_due ||
                 (listing->job->reading && regard_flags_old(sync, listing->job->mailbox));
    listing->missing = messages != listing->exists;
    listing->since = condstore && !told && listing->modseq > listing->flags_modseq;
    listing->in_step = condstore && !listing->since;
    listing->by_flags = !condstore && asked;
    listing->window = listing->job->window && !condstore && !listing->missing && !asked;
    return listing->missing || listing->since || listing->by_flags || listing->window;
}

/* ---- what the answers come to ---- */

static void refresh_failed(struct listing *listing, enum cache_error error)
{
    if (error != CACHE_OK)
        listing_fail(listing, IMAP_OK, sync_error_of_cache(error));
}

/* Notes, of the messages known in the window, those that the server did not name. */
static enum cache_error find_gone(struct refresh *refresh, const struct check *check)
{
    size_t count = refresh->gone_count + check->known_count + 1;
    uint32_t *gone = realloc(refresh->gone, count * sizeof *gone);
    if (gone == NULL)
        return CACHE_ERR_MEMORY;
    refresh->gone = gone;
    for (size_t i = 0; i < check->known_count; i++) {
        if (!flag_rows_has(&check->rows, check->known[i]))
            gone[refresh->gone_count++] = check->known[i];
    }
    return CACHE_OK;
}

/* All windows were answered. */
static enum cache_error store_gone(struct listing *listing)
{
    struct worker *w = listing->worker;
    struct refresh *refresh = listing->refresh;
    if (refresh->gone_count == 0)
        return CACHE_OK;
    if (refresh->named < imap_connection_selected(w->connection)->exists) {
        log_warn("the server named fewer messages than it has; none is taken for removed");
        return CACHE_OK;
    }
    qsort(refresh->gone, refresh->gone_count, sizeof *refresh->gone, order_u32);
    refresh->gone_count = leaving_spare(w->sync, listing->job->mailbox, listing->uidvalidity,
                                        refresh->gone, refresh->gone_count);
    return listing_gone(listing, refresh->gone, refresh->gone_count);
}

uint64_t refresh_named(const struct listing *listing)
{
    const struct refresh *refresh = listing->refresh;
    return refresh != NULL ? refresh->named + refresh->held : 0;
}

/* Every question was answered. */
static void refresh_end(struct listing *listing)
{
    struct sync *sync = listing->worker->sync;
    struct refresh *refresh = listing->refresh;
    if (!listing->failed && listing->window) {
        regard_flags_reached(sync, listing->job->mailbox,
                             listing->check_end >= listing->known ? 0 : listing->check_end);
    } else if (!listing->failed && (listing->missing || listing->by_flags)) {
        enum cache_error error = store_gone(listing);
        refresh_failed(listing, error);
        if (!refresh->searched) {
            regard_flags_read(sync, listing->job->mailbox);
            listing->in_step = error == CACHE_OK;
        }
    }
    listing_end(listing->job, IMAP_OK);
}

/* ---- questions ---- */

static void ask_on(struct listing *listing);
static enum imap_error ask(struct check *check);

static void take_out(struct refresh *refresh, struct check *check)
{
    struct check **at = &refresh->checks;
    while (*at != check)
        at = &(*at)->next;
    *at = check->next;
    refresh->pending--;
    refresh->held -= check->rows.count;
}

/* A server that has no SEARCH of this kind is asked by FETCH. */
static bool asked_otherwise(struct check *check, enum imap_error error)
{
    struct listing *listing = check->listing;
    if (!check->search || listing->failed || (error != IMAP_ERR_NO && error != IMAP_ERR_BAD))
        return false;
    listing->refresh->search = check->search = false;
    flag_rows_clear(&check->rows);
    error = ask(check);
    if (error != IMAP_OK)
        listing_fail(listing, error, sync_error_of_imap(error));
    return error == IMAP_OK;
}

static void since_told(struct listing *listing, struct check *check)
{
    enum cache_error error = flag_rows_store(listing, &check->rows, check->asked);
    refresh_failed(listing, error);
    listing->since = false;
    listing->in_step = error == CACHE_OK;
    if (listing->in_step)
        regard_flags_read(listing->worker->sync, listing->job->mailbox);
    listing->refresh->next = listing->missing ? 1 : 0;
}

static void window_told(struct listing *listing, struct check *check)
{
    struct refresh *refresh = listing->refresh;
    refresh->named += check->rows.count;
    refresh->searched |= check->search;
    enum cache_error error = find_gone(refresh, check);
    if (error == CACHE_OK)
        error = flag_rows_store(listing, &check->rows, check->asked);
    refresh_failed(listing, error);
    job_landed(listing->worker->sync, listing->job, 0);
}

static void told(void *ctx, const struct imap_completion *completion)
{
    struct check *check = ctx;
    struct listing *listing = check->listing;
    worker_note(listing->worker, completion);
    take_out(listing->refresh, check);
    if (completion->error != IMAP_OK) {
        if (asked_otherwise(check, completion->error))
            return;
        listing_fail(listing, completion->error, sync_error_of_imap(completion->error));
    }
    flag_rows_unique(&check->rows);
    if (!listing->failed && check->since)
        since_told(listing, check);
    else if (!listing->failed)
        window_told(listing, check);
    check_free(check);
    ask_on(listing);
}

static void write_command(const struct check *check, struct imap_command *command)
{
    const struct listing *listing = check->listing;
    char set[80], items[80];
    unsigned capabilities = imap_connection_capabilities(listing->worker->connection);
    bool extended = (capabilities & IMAP_CAP_ESEARCH) != 0;
    if (check->search) {
        snprintf(set, sizeof set, "%sUID %u:%u", extended ? "RETURN (ALL) " : "", check->from,
                 check->to);
        imap_command_uid_search(command, set);
        return;
    }
    snprintf(set, sizeof set, "%u:%u", check->from, check->to);
    snprintf(items, sizeof items, "(UID FLAGS)");
    if (check->since)
        snprintf(items, sizeof items, "(UID FLAGS) (CHANGEDSINCE %" PRIu64 ")",
                 listing->flags_modseq);
    imap_command_uid_fetch(command, set, items);
}

/* Sends it; the caller keeps a check that was not sent. */
static enum imap_error ask(struct check *check)
{
    struct refresh *refresh = check->listing->refresh;
    struct imap_command command;
    write_command(check, &command);
    check->asked = clock_ms();
    enum imap_error error =
        imap_connection_submit(check->listing->worker->connection, &command, told, check);
    if (error != IMAP_OK)
        return error;
    check->next = refresh->checks;
    refresh->checks = check;
    refresh->pending++;
    return IMAP_OK;
}

/* The next window holds so many messages that the cache has. */
static enum cache_error set_window(struct check *check)
{
    struct listing *listing = check->listing;
    size_t most = listing->window ? WINDOW_MESSAGES : CHECK_MESSAGES;
    check->known = malloc(most * sizeof *check->known);
    if (check->known == NULL)
        return CACHE_ERR_MEMORY;
    enum cache_error error =
        cache_message_uids(listing->worker->sync->cache, listing->job->mailbox, check->from - 1,
                           check->known, most, &check->known_count);
    bool last = check->known_count < most;
    while (check->known_count > 0 && check->known[check->known_count - 1] > listing->known) {
        check->known_count--; /* mail that came behind what this refresh is about */
        last = true;
    }
    check->to = last ? listing->known : check->known[check->known_count - 1];
    return error;
}

static enum imap_error ask_window(struct listing *listing)
{
    struct refresh *refresh = listing->refresh;
    struct check *check = calloc(1, sizeof *check);
    enum imap_error error = IMAP_ERR_MEMORY;
    if (check != NULL) {
        *check = (struct check){.listing = listing, .from = refresh->next, .since = listing->since};
        check->search = refresh->search && !check->since;
        check->to = listing->known;
        enum cache_error window = check->since ? CACHE_OK : set_window(check);
        refresh_failed(listing, window);
        error = window == CACHE_OK ? ask(check) : IMAP_OK;
        if (error == IMAP_OK && window == CACHE_OK) {
            listing->check_end = check->to;
            refresh->next = check->to < listing->known ? check->to + 1 : 0;
            return IMAP_OK;
        }
    }
    check_free(check);
    return error;
}

/* Sends as many questions as may be on their way, or comes to the end. What changed is asked for by
 * itself, before what is there. */
static void ask_on(struct listing *listing)
{
    struct refresh *refresh = listing->refresh;
    while (!listing->failed && refresh->next != 0 && refresh->pending < WINDOWS_AHEAD) {
        enum imap_error error = IMAP_ERR_THROTTLED;
        if (!limiter_holds(listing->worker->sync))
            error = ask_window(listing);
        if (error != IMAP_OK)
            listing_fail(listing, error, sync_error_of_imap(error));
        if (listing->window)
            refresh->next = 0; /* one of them is enough */
    }
    if (refresh->pending == 0)
        refresh_end(listing);
}

void refresh_start(struct listing *listing)
{
    struct refresh *refresh = listing->refresh = calloc(1, sizeof *refresh);
    if (refresh == NULL) {
        listing_end(listing->job, IMAP_ERR_MEMORY);
        return;
    }
    uint32_t from = regard_flags_uid(listing->worker->sync, listing->job->mailbox);
    unsigned capabilities = imap_connection_capabilities(listing->worker->connection);
    refresh->next = listing->window && from < listing->known ? from + 1 : 1;
    /* FETCH tells flags by the way, which is worth its bytes where the mailbox is small and nothing
     * else tells them. Without UIDPLUS a change of ours may be searching here, too (carry_uid.c).
     */
    bool flags_wanted = listing->modseq == 0 && listing->exists <= WINDOW_MESSAGES;
    refresh->search = !listing->by_flags && !listing->window && !flags_wanted &&
                      (capabilities & IMAP_CAP_UIDPLUS) != 0;
    ask_on(listing);
}

/* ---- answers ---- */

/* Changed flags may be those of all messages: they go to the cache as they come. */
static void store_some(struct listing *listing, struct check *check)
{
    flag_rows_unique(&check->rows);
    refresh_failed(listing, flag_rows_store(listing, &check->rows, check->asked));
    listing->refresh->held -= check->rows.count;
    flag_rows_clear(&check->rows);
}

/* Who asked about this UID. */
static struct check *asked_about(const struct refresh *refresh, uint32_t uid)
{
    struct check *check = refresh->checks;
    while (check != NULL && (uid < check->from || uid > check->to))
        check = check->next;
    return check;
}

static struct flag_row *row_new(struct listing *listing, struct check *check, uint32_t uid)
{
    struct refresh *refresh = listing->refresh;
    if (refresh->held == ROWS_MAX) {
        log_warn("the server does not come to the end of a list of flags");
        listing_fail(listing, IMAP_ERR_TOO_LARGE, sync_error_of_imap(IMAP_ERR_TOO_LARGE));
        return NULL;
    }
    struct flag_row *row = flag_rows_add(&check->rows, uid);
    if (row == NULL)
        listing_fail(listing, IMAP_OK, SYNC_ERR_MEMORY);
    else
        refresh->held++;
    return row;
}

void refresh_fetch(struct listing *listing, const struct imap_fetch *fetch)
{
    struct check *check = asked_about(listing->refresh, fetch->uid);
    if ((fetch->present & IMAP_FETCH_UID) == 0 || check == NULL || check->search)
        return;
    if (check->since && check->rows.count >= CHECK_MESSAGES)
        store_some(listing, check);
    struct flag_row *row = row_new(listing, check, fetch->uid);
    if (row != NULL)
        flag_row_note(row, fetch);
}

/* What lies outside of the windows is passed over at once, however much it is. */
static void searched(struct listing *listing, uint32_t first, uint32_t last)
{
    for (struct check *check = listing->refresh->checks; check != NULL; check = check->next) {
        if (!check->search || last < check->from || first > check->to)
            continue;
        uint32_t end = last < check->to ? last : check->to;
        for (uint32_t uid = first > check->from ? first : check->from; uid <= end; uid++) {
            if (row_new(listing, check, uid) == NULL)
                return;
        }
    }
}

void refresh_search(struct listing *listing, const struct imap_search *found)
{
    uint32_t first, last;
    for (size_t i = 0; i < found->count && !listing->failed; i++)
        searched(listing, found->numbers[i], found->numbers[i]);
    for (size_t at = 0;
         found->extended && !listing->failed && imap_uidset_next(found->all, &at, &first, &last);)
        searched(listing, first, last);
}
