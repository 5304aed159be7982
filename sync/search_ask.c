/*
 * What a search asks of the server: for each mailbox up to two UID SEARCHes. One has what the
 * server decides, the other also the text in ASCII, for messages whose text is not here.
 *
 * Criteria are a flat list, since Outlook.com refuses groups; NOT takes one key and needs none. The
 * mailboxes of a search are asked for in a pipeline, over several connections (dispatch.c). A
 * SEARCH response says not whose it is, and Dovecot sends those of two that are on their way
 * together before the tagged reply of the first. So an EXAMINE parts any two, which has to wait for
 * what is before it, and the connection carries searches alone; then the answers come in the order
 * of the questions. A response that never came is no empty answer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/order.h"
#include "sync/search_internal.h"

enum { UIDS_MAX = 10000000 };

/* ---- criteria ---- */

static const struct {
    const char *word;
    enum { SURE_FLAG, SURE_DATE, SURE_SIZE, ROW_TEXT, FULL_TEXT, FULL_HEADER, HERE } kind;
} table[MESSAGE_QUERY_KEYS] = {
    [MESSAGE_QUERY_FROM] = {"FROM",     ROW_TEXT   },
    [MESSAGE_QUERY_TO] = {"TO",       ROW_TEXT   },
    [MESSAGE_QUERY_CC] = {"CC",       FULL_TEXT  },
    [MESSAGE_QUERY_SUBJECT] = {"SUBJECT",  ROW_TEXT   },
    [MESSAGE_QUERY_BODY] = {"BODY",     FULL_TEXT  },
    [MESSAGE_QUERY_TEXT] = {"TEXT",     FULL_TEXT  },
    [MESSAGE_QUERY_HEADER] = {"HEADER",   FULL_HEADER},
    [MESSAGE_QUERY_SINCE] = {"SINCE",    SURE_DATE  },
    [MESSAGE_QUERY_BEFORE] = {"BEFORE",   SURE_DATE  },
    [MESSAGE_QUERY_ON] = {"ON",       SURE_DATE  },
    [MESSAGE_QUERY_LARGER] = {"LARGER",   SURE_SIZE  },
    [MESSAGE_QUERY_SMALLER] = {"SMALLER",  SURE_SIZE  },
    [MESSAGE_QUERY_IN] = {"",         HERE       },
    [MESSAGE_QUERY_UNREAD] = {"UNSEEN",   SURE_FLAG  },
    [MESSAGE_QUERY_READ] = {"SEEN",     SURE_FLAG  },
    [MESSAGE_QUERY_FLAGGED] = {"FLAGGED",  SURE_FLAG  },
    [MESSAGE_QUERY_ANSWERED] = {"ANSWERED", SURE_FLAG  },
    [MESSAGE_QUERY_DRAFT] = {"DRAFT",    SURE_FLAG  },
    [MESSAGE_QUERY_ATTACHMENT] = {"",         HERE       },
};

bool ask_is_ascii(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text >= 0x80)
            return false;
    }
    return true;
}

bool ask_is_sure(const struct message_query_term *term)
{
    return table[term->key].kind <= SURE_SIZE;
}

bool ask_is_row(const struct message_query_term *term)
{
    return table[term->key].kind == ROW_TEXT;
}

bool ask_is_text(const struct message_query_term *term)
{
    return table[term->key].kind == FULL_TEXT || table[term->key].kind == FULL_HEADER;
}

static bool put_quoted(struct buffer *out, const char *text)
{
    bool good = buffer_append_text(out, " \"");
    for (; good && *text != '\0'; text++)
        good = ((*text != '"' && *text != '\\') || buffer_append_byte(out, '\\')) &&
               buffer_append_byte(out, *text);
    return good && buffer_append_byte(out, '"');
}

/* RFC 3501 section 9, date. */
static bool put_date(struct buffer *out, int64_t days)
{
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    int year, month, day;
    message_query_date(days, &year, &month, &day);
    return buffer_printf(out, " %d-%s-%04d", day, months[month - 1], year);
}

static bool put_term(struct buffer *out, const struct message_query_term *term)
{
    if ((out->len > 0 && !buffer_append_byte(out, ' ')) ||
        (term->negated && !buffer_append_text(out, "NOT ")) ||
        !buffer_append_text(out, table[term->key].word))
        return false;
    switch (table[term->key].kind) {
    case SURE_DATE:
        return put_date(out, term->number);
    case SURE_SIZE:
        return buffer_printf(out, " %lld", (long long)term->number);
    case FULL_HEADER:
        return put_quoted(out, term->name) && put_quoted(out, term->value);
    case FULL_TEXT:
        return put_quoted(out, term->value);
    default:
        return true;
    }
}

bool ask_criteria(const struct message_query *query, unsigned which, struct buffer *out)
{
    bool text = false, good = true;
    for (size_t i = 0; i < query->count && good; i++) {
        const struct message_query_term *term = &query->terms[i];
        bool goes = ask_is_text(term) && ask_is_ascii(term->value) && which == ASK_TEXT;
        text |= goes;
        if (goes || ask_is_sure(term))
            good = put_term(out, term);
    }
    if (which == ASK_TEXT && !text)
        buffer_clear(out);
    return good;
}

/* ---- the ask ---- */

void ask_drop_locked(struct search_ask **askp)
{
    struct search_ask *ask = *askp;
    *askp = NULL;
    if (ask == NULL || --ask->references > 0)
        return;
    for (unsigned i = 0; i < ASKS; i++) {
        free(ask->criteria[i]);
        free(ask->uids[i]);
    }
    free(ask);
}

struct search_ask *ask_new(const struct message_query *query, bool text)
{
    struct search_ask *ask = calloc(1, sizeof *ask);
    bool good = ask != NULL;
    for (unsigned i = 0; i < ASKS && good; i++) {
        struct buffer out;
        buffer_init(&out, CRITERIA_MAX);
        good = ask_criteria(query, i, &out);
        if (good && out.len > 0 && (i != ASK_TEXT || text))
            good = (ask->criteria[i] = strdup(out.data)) != NULL;
        buffer_free(&out);
    }
    if (ask != NULL)
        ask->references = 1;
    if (!good)
        ask_drop_locked(&ask);
    return ask;
}

bool ask_has(const struct search_ask *ask, unsigned which, uint32_t uid)
{
    return ask->counts[which] > 0 &&
           bsearch(&uid, ask->uids[which], ask->counts[which], sizeof uid, order_u32) != NULL;
}

/* Called with the lock; a job that nobody will do tells its waiter later, in *told. */
static bool start_locked(struct search_leg *leg, struct waiter **told, enum sync_error *why)
{
    struct sync *sync = leg->search->sync;
    const struct waiter like = {.done = search_told,
                                .ctx = leg,
                                .bound_ms = sync->timeout_ms,
                                .at_bound = SYNC_ERR_UNREACHABLE};
    struct job *job = job_new_locked(sync, JOB_SEARCH, leg->mailbox, 0);
    if (job == NULL)
        return false;
    job->ask = leg->ask;
    leg->ask->references++;
    leg->ticket = waiter_add_locked(sync, job, &like);
    if (leg->ticket == 0) {
        job_free_locked(sync, job);
        return false;
    }
    leg->waiting = true;
    *told = job_dispatch_locked(sync, job, why);
    return true;
}

void ask_start(struct search_leg *leg)
{
    struct sync *sync = leg->search->sync;
    struct waiter *told = NULL;
    enum sync_error why = SYNC_OK;
    pthread_mutex_lock(&sync->lock);
    if (!start_locked(leg, &told, &why))
        leg->error = SYNC_ERR_MEMORY;
    pthread_mutex_unlock(&sync->lock);
    waiters_tell(told, why);
}

/* ---- on the worker ---- */

void search_response(struct worker *w, const struct imap_search *found)
{
    struct search_ask *ask = w->searches->ask;
    unsigned which = ask->which;
    size_t count = which < ASKS ? ask->counts[which] + found->count : 0;
    if (which >= ASKS || found->extended || count > UIDS_MAX)
        return; /* it did not come */
    uint32_t *uids = realloc(ask->uids[which], (count + 1) * sizeof *uids);
    if (uids == NULL)
        return;
    if (found->count > 0)
        memcpy(uids + ask->counts[which], found->numbers, found->count * sizeof *uids);
    ask->uids[which] = uids;
    ask->counts[which] = count;
    ask->came[which] = true;
}

/* ---- the line of those that are on their way ---- */

static void line_up(struct worker *w, struct job *job)
{
    job->search_next = NULL;
    *(w->searches != NULL ? &w->searches_last->search_next : &w->searches) = job;
    w->searches_last = job;
}

static void leave_line(struct worker *w, struct job *job)
{
    struct job **at = &w->searches, *before = NULL;
    for (; *at != job; at = &(*at)->search_next)
        before = *at;
    *at = job->search_next;
    if (w->searches_last == job)
        w->searches_last = before;
}

static void conclude(struct worker *w, struct job *job)
{
    struct search_ask *ask = job->ask;
    leave_line(w, job);
    if (!ask->opened && ask->error == IMAP_ERR_NO) {
        job_end(w->sync, job, SYNC_ERR_GONE);
        return;
    }
    if (ask->error != IMAP_OK) {
        job_retry(w->sync, job, ask->error);
        return;
    }
    for (unsigned i = 0; i < ASKS; i++) {
        if (ask->answered[i])
            qsort(ask->uids[i], ask->counts[i], sizeof *ask->uids[i], order_u32);
    }
    job_end(w->sync, job, SYNC_OK);
}

/* One of the job's commands is over. A command that was completed is progress for all that wait
 * behind it. */
static void command_over(struct worker *w, struct job *job,
                         const struct imap_completion *completion)
{
    if (completion->error == IMAP_OK)
        jobs_progress(w);
    if (--job->ask->left == 0)
        conclude(w, job);
}

static void next_asked(struct search_ask *ask)
{
    while (ask->which < ASKS && ask->criteria[ask->which] == NULL)
        ask->which++;
}

static void searched(void *ctx, const struct imap_completion *completion)
{
    struct job *job = ctx;
    struct search_ask *ask = job->ask;
    enum imap_error error = completion->error;
    worker_note(job->worker, completion);
    if (ask->opened && error != IMAP_OK && error != IMAP_ERR_NO && error != IMAP_ERR_BAD)
        ask->error = error;
    ask->answered[ask->which] = ask->opened && error == IMAP_OK && ask->came[ask->which];
    if (ask->opened && (error == IMAP_ERR_NO || error == IMAP_ERR_BAD))
        snprintf(ask->refusal, sizeof ask->refusal, "%.190s", completion->failure->text);
    ask->which++;
    next_asked(ask);
    command_over(job->worker, job, completion);
}

static void examined(void *ctx, const struct imap_completion *completion)
{
    struct job *job = ctx;
    (void)worker_examined(job->worker, job->mailbox, completion);
    job->ask->opened = completion->error == IMAP_OK;
    if (completion->error != IMAP_OK)
        job->ask->error = completion->error;
    command_over(job->worker, job, completion);
}

/* ---- sending ---- */

static enum imap_error send_examine(struct worker *w, struct job *job)
{
    enum imap_error error = worker_examine(w, job->mailbox, examined, job);
    job->ask->left += error == IMAP_OK;
    return error;
}

static enum imap_error send_search(struct worker *w, struct job *job, const char *criteria)
{
    struct imap_command command;
    imap_command_uid_search(&command, criteria);
    enum imap_error error = imap_connection_submit(w->connection, &command, searched, job);
    job->ask->left += error == IMAP_OK;
    return error;
}

static void begin(struct search_ask *ask)
{
    ask->which = ask->left = 0;
    ask->opened = false;
    ask->error = IMAP_OK;
    for (unsigned i = 0; i < ASKS; i++) {
        ask->counts[i] = 0;
        ask->came[i] = ask->answered[i] = false;
    }
    next_asked(ask);
}

/* An EXAMINE stands before each, but for the first where the mailbox is open and nothing else is on
 * its way. */
void search_start(struct worker *w, struct job *job)
{
    struct search_ask *ask = job->ask;
    begin(ask);
    ask->opened = w->searches == NULL && w->opening == 0 && w->examined == job->mailbox;
    bool open = ask->opened;
    line_up(w, job);
    for (unsigned i = 0; i < ASKS && ask->error == IMAP_OK; i++) {
        if (ask->criteria[i] == NULL)
            continue;
        if (!open)
            ask->error = send_examine(w, job);
        if (ask->error == IMAP_OK)
            ask->error = send_search(w, job, ask->criteria[i]);
        open = false;
    }
    if (ask->left == 0) /* nothing went out */
        conclude(w, job);
}
