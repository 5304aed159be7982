/*
 * What a search asks of the server: for each mailbox up to two UID SEARCHes, the first in one go
 * with its EXAMINE. That one has what the server decides, the other also the text in ASCII, for
 * messages whose text is not here.
 *
 * Criteria are a flat list, since Outlook.com refuses groups; NOT takes one key and needs none. A
 * SEARCH response says not whose it is, and Dovecot sends those of two that are on their way
 * together before the tagged reply of the first. So the job has its connection for itself, and the
 * second goes out when the first is answered. A response that never came is no empty answer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
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

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

bool ask_has(const struct search_ask *ask, unsigned which, uint32_t uid)
{
    return ask->counts[which] > 0 &&
           bsearch(&uid, ask->uids[which], ask->counts[which], sizeof uid, by_number) != NULL;
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
    job->alone = true;
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

void search_response(struct job *job, const struct imap_search *found)
{
    struct search_ask *ask = job->ask;
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

static void conclude(struct worker *w, struct job *job)
{
    struct search_ask *ask = job->ask;
    for (unsigned i = 0; i < ASKS; i++) {
        if (ask->answered[i])
            qsort(ask->uids[i], ask->counts[i], sizeof *ask->uids[i], by_number);
    }
    job_end(w->sync, job, SYNC_OK);
}

static void searched(void *ctx, const struct imap_completion *completion);

/* Submits the next one that is to be asked; false: there is none, or the job is over already. */
static bool go_on(struct worker *w, struct job *job)
{
    struct search_ask *ask = job->ask;
    while (ask->which < ASKS && ask->criteria[ask->which] == NULL)
        ask->which++;
    if (ask->which == ASKS) {
        conclude(w, job);
        return false;
    }
    struct imap_command command;
    imap_command_uid_search(&command, ask->criteria[ask->which]);
    enum imap_error error = imap_connection_submit(w->connection, &command, searched, job);
    if (error != IMAP_OK)
        job_retry(w->sync, job, error);
    return error == IMAP_OK;
}

static void searched(void *ctx, const struct imap_completion *completion)
{
    struct job *job = ctx;
    struct search_ask *ask = job->ask;
    struct worker *w = job->worker;
    enum imap_error error = completion->error;
    worker_note(w, completion);
    if (w->examined != job->mailbox) {
        if (w->examine_error == IMAP_ERR_NO)
            job_end(w->sync, job, SYNC_ERR_GONE);
        else
            job_retry(w->sync, job, w->examine_error);
        return;
    }
    if (error != IMAP_OK && error != IMAP_ERR_NO && error != IMAP_ERR_BAD) {
        job_retry(w->sync, job, error);
        return;
    }
    ask->answered[ask->which] = error == IMAP_OK && ask->came[ask->which];
    if (error != IMAP_OK)
        snprintf(ask->refusal, sizeof ask->refusal, "%.190s", completion->failure->text);
    ask->which++;
    (void)go_on(w, job);
}

static void examined(void *ctx, const struct imap_completion *completion)
{
    struct worker *w = ctx;
    (void)worker_examined(w, w->examined, completion); /* searched looks at what it left */
}

void search_start(struct worker *w, struct job *job)
{
    struct search_ask *ask = job->ask;
    enum imap_error error = IMAP_OK;
    ask->which = 0;
    for (unsigned i = 0; i < ASKS; i++) {
        ask->counts[i] = 0;
        ask->came[i] = ask->answered[i] = false;
    }
    if (w->examined != job->mailbox)
        error = worker_examine(w, job->mailbox, examined, w);
    if (error != IMAP_OK)
        job_retry(w->sync, job, error);
    else
        (void)go_on(w, job);
}
