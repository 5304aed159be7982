/* See indexing.h. */
#include "sync/indexing.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/condition.h"
#include "base/log.h"
#include "cache/envelope_index.h"
#include "cache/text_index.h"
#include "message/folded.h"
#include "message/match.h"
#include "sync/body_source.h"

enum {
    QUIET_MS = 2000,     /* for so long nobody wanted anything */
    SET = 16,            /* texts between two looks whether that is still so */
    ENVELOPES = 256,     /* the same of envelopes */
    WORDS_MAX = 1 << 20, /* bytes of the words of so many */
    TEXT_MAX = 1 << 20,  /* bytes of a text; one that is longer is looked into by each search */
    PRIORITY = 19,       /* of the thread */
};

struct indexing {
    struct sync *sync;
    pthread_t thread;
    bool running;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    /* Protected by lock: */
    bool ending, stirred;
    int64_t wanted; /* clock_ms when a job ended that somebody waited for */
};

/* ---- when ---- */

static bool ending(struct indexing *indexing)
{
    pthread_mutex_lock(&indexing->lock);
    bool end = indexing->ending;
    pthread_mutex_unlock(&indexing->lock);
    return end;
}

static bool any_job(struct sync *sync)
{
    bool any = false;
    pthread_mutex_lock(&sync->lock);
    for (const struct job *job = sync->jobs; job != NULL && !any; job = job->next)
        any = !job->stock;
    pthread_mutex_unlock(&sync->lock);
    return any;
}

/* When it may go on, by the clock: as long as the past is all that speaks against it. */
static int64_t quiet_at(struct indexing *indexing)
{
    int64_t now = clock_ms(), opened = cache_opened_ms(indexing->sync->cache);
    pthread_mutex_lock(&indexing->lock);
    int64_t last = indexing->wanted > opened ? indexing->wanted : opened;
    pthread_mutex_unlock(&indexing->lock);
    return any_job(indexing->sync) ? now + QUIET_MS : last + QUIET_MS;
}

/* Waits until nothing else goes on. False: the end. */
static bool wait_for_quiet(struct indexing *indexing)
{
    for (int64_t at; (at = quiet_at(indexing)) > clock_ms();) {
        pthread_mutex_lock(&indexing->lock);
        while (!indexing->ending && clock_ms() < at)
            condition_wait(&indexing->wake, &indexing->lock, at);
        pthread_mutex_unlock(&indexing->lock);
        if (ending(indexing))
            return false;
    }
    return !ending(indexing);
}

/* ---- what ---- */

/* The body is held. */
static enum message_result fold(struct cache *cache, int64_t message, uint64_t size,
                                struct buffer *text)
{
    struct body_source body;
    enum message_result result = MESSAGE_UNREADABLE;
    if (body_source_open(&body, cache, message, size))
        result = message_folded_view(&body.source, text);
    body_source_close(&body);
    return result;
}

static void take(struct cache *cache, const struct text_index_body *body, struct buffer *text,
                 struct text_index_entry *entry)
{
    uint64_t size = 0;
    *entry = (struct text_index_entry){.body = body->body, .state = TEXT_INDEX_GONE};
    enum cache_error error = cache_body_hold(cache, body->message, body->body, &size);
    if (error == CACHE_OK) {
        entry->state = fold(cache, body->message, size, text) == MESSAGE_OK ? TEXT_INDEX_TEXT
                                                                            : TEXT_INDEX_UNREAD;
        cache_body_unpin(cache, body->message);
    } else if (error != CACHE_ERR_ABSENT) {
        entry->state = TEXT_INDEX_UNREAD;
    }
    entry->text = text->data;
    entry->len = text->len;
}

/* Takes the next few texts; *more: there were some. */
static enum cache_error take_texts(struct cache *cache, bool *more)
{
    struct text_index_body bodies[SET];
    struct text_index_entry entries[SET];
    struct buffer texts[SET];
    size_t count = 0;
    enum cache_error error = text_index_next(cache, bodies, SET, &count);
    for (size_t i = 0; i < count; i++) {
        buffer_init(&texts[i], TEXT_MAX);
        take(cache, &bodies[i], &texts[i], &entries[i]);
    }
    if (error == CACHE_OK && count > 0)
        error = text_index_add(cache, entries, count);
    for (size_t i = 0; i < count; i++)
        buffer_free(&texts[i]);
    *more = error == CACHE_OK && count > 0;
    return error;
}

/* Envelopes on their way into the index: their words stand in a row in one buffer. */
struct envelopes {
    struct envelope_index_entry entries[ENVELOPES];
    size_t count;
    struct buffer words;
    bool good;
};

/* Adds the words of one envelope. */
static bool add_words(struct buffer *words, const struct cache_row *row)
{
    const char *const fields[] = {row->from, row->to, row->subject};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (!message_fold_append(words, fields[i], strlen(fields[i])) ||
            !buffer_append_byte(words, '\n'))
            return false;
    }
    return true;
}

static bool visit_envelope(void *ctx, const struct cache_row *row)
{
    struct envelopes *set = ctx;
    size_t at = set->words.len;
    if (!add_words(&set->words, row)) {
        set->words.len = at;
        set->good = set->count > 0; /* those before it go in first */
        return false;
    }
    set->entries[set->count++] =
        (struct envelope_index_entry){.message = row->id, .len = set->words.len - at};
    return true;
}

/* Takes the next few envelopes; *more: there were some. */
static enum cache_error take_envelopes(struct cache *cache, bool *more)
{
    struct envelopes set = {.good = true};
    size_t at = 0;
    buffer_init(&set.words, WORDS_MAX);
    enum cache_error error = envelope_index_next(cache, ENVELOPES, visit_envelope, &set);
    for (size_t i = 0; i < set.count; i++) {
        set.entries[i].words = set.words.data + at;
        at += set.entries[i].len;
    }
    if (error == CACHE_OK && !set.good)
        error = CACHE_ERR_MEMORY;
    if (error == CACHE_OK && set.count > 0)
        error = envelope_index_add(cache, set.entries, set.count);
    buffer_free(&set.words);
    *more = error == CACHE_OK && set.count > 0;
    return error;
}

/* A kind of what is indexed. */
struct kind {
    enum cache_error (*take)(struct cache *cache, bool *more);
    enum cache_error (*tidy)(struct cache *cache, bool *again);
};

/* All there is of it. False: the end. */
static bool go_over(struct indexing *indexing, const struct kind *kind)
{
    struct cache *cache = indexing->sync->cache;
    for (bool more = true; more;) {
        if (!wait_for_quiet(indexing))
            return false;
        enum cache_error error = kind->take(cache, &more);
        if (error == CACHE_OK || error == CACHE_ERR_LIMIT) {
            bool again = false;
            if (!more && kind->tidy(cache, &again) == CACHE_OK)
                more = again;
        }
    }
    return true;
}

static bool go_over_all(struct indexing *indexing)
{
    static const struct kind envelopes = {take_envelopes, envelope_index_tidy},
                             texts = {take_texts, text_index_tidy};
    return go_over(indexing, &envelopes) && go_over(indexing, &texts);
}

/* ---- the thread ---- */

static bool sleep_until_stirred(struct indexing *indexing)
{
    pthread_mutex_lock(&indexing->lock);
    while (!indexing->stirred && !indexing->ending)
        pthread_cond_wait(&indexing->wake, &indexing->lock);
    indexing->stirred = false;
    bool on = !indexing->ending;
    pthread_mutex_unlock(&indexing->lock);
    return on;
}

static void *indexing_main(void *ctx)
{
    struct indexing *indexing = ctx;
    /* Linux takes a thread for a process here, which is what is wanted. */
    if (setpriority(PRIO_PROCESS, (id_t)gettid(), PRIORITY) != 0)
        log_debug("indexing runs at the usual priority");
    while (sleep_until_stirred(indexing) && go_over_all(indexing))
        continue;
    return NULL;
}

void indexing_stir(struct indexing *indexing, bool waited)
{
    if (indexing == NULL)
        return;
    pthread_mutex_lock(&indexing->lock);
    if (waited)
        indexing->wanted = clock_ms();
    if (!indexing->stirred) {
        indexing->stirred = true;
        pthread_cond_signal(&indexing->wake);
    }
    pthread_mutex_unlock(&indexing->lock);
}

/* ---- beginning and end ---- */

struct indexing *indexing_new(struct sync *sync)
{
    struct indexing *indexing = calloc(1, sizeof *indexing);
    if (indexing == NULL)
        return NULL;
    pthread_mutex_init(&indexing->lock, NULL);
    condition_init(&indexing->wake);
    indexing->sync = sync;
    indexing->stirred = true; /* what was not done the last time */
    return indexing;
}

bool indexing_begin(struct indexing *indexing)
{
    if (text_index_open(indexing->sync->cache, message_folded_version()) != CACHE_OK)
        return true; /* the log has it */
    indexing->wanted = clock_ms();
    indexing->running = pthread_create(&indexing->thread, NULL, indexing_main, indexing) == 0;
    return indexing->running;
}

void indexing_end(struct indexing *indexing)
{
    if (indexing == NULL)
        return;
    pthread_mutex_lock(&indexing->lock);
    indexing->ending = true;
    pthread_cond_signal(&indexing->wake);
    pthread_mutex_unlock(&indexing->lock);
}

void indexing_join(struct indexing *indexing)
{
    if (indexing != NULL && indexing->running)
        pthread_join(indexing->thread, NULL);
}

void indexing_free(struct indexing **indexing)
{
    if (*indexing == NULL)
        return;
    pthread_mutex_destroy(&(*indexing)->lock);
    pthread_cond_destroy(&(*indexing)->wake);
    free(*indexing);
    *indexing = NULL;
}
