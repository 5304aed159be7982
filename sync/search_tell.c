/*
 * What a search tells beside its matches: explain, and a note of the last few for status, by which
 * a program that only sees links learns that an answer was partial. Any thread.
 */
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/clock.h"
#include "sync/search_internal.h"
#include "sync/status.h"

/* ---- explain ---- */

static void add_sent(cJSON *array, const struct search_ask *ask)
{
    for (unsigned i = 0; i < ASKS; i++) {
        struct buffer line;
        if (ask->criteria[i] == NULL)
            continue;
        buffer_init(&line, CRITERIA_MAX + 64);
        if (buffer_printf(&line, "UID SEARCH %s", ask->criteria[i])) {
            cJSON *item = cJSON_CreateObject();
            cJSON_AddStringToObject(item, "command", line.data);
            cJSON_AddBoolToObject(item, "text_away_only", i == ASK_TEXT);
            cJSON_AddItemToArray(array, item);
        }
        buffer_free(&line);
    }
}

static bool add_legs(cJSON *root, struct sync_search *search)
{
    cJSON *array = cJSON_AddArrayToObject(root, "mailboxes");
    struct search_ask *ask = ask_new(&search->query, true);
    for (size_t i = 0; i < search->leg_count && ask != NULL; i++) {
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "mailbox", search->legs[i].path);
        add_sent(cJSON_AddArrayToObject(item, "sent"), ask);
        cJSON_AddItemToArray(array, item);
    }
    bool good = ask != NULL;
    pthread_mutex_lock(&search->sync->lock);
    ask_drop_locked(&ask);
    pthread_mutex_unlock(&search->sync->lock);
    return good;
}

/* How a term is decided here; NULL: it is not. */
static const char *decided_by(const struct message_query_term *term)
{
    if (term->key == MESSAGE_QUERY_IN || ask_is_sure(term))
        return NULL;
    if (ask_is_row(term))
        return "listing";
    bool asked = ask_is_text(term) && ask_is_ascii(term->value);
    return asked ? "text" : "text_only";
}

static bool add_here(cJSON *root, const struct message_query *query)
{
    cJSON *array = cJSON_AddArrayToObject(root, "here");
    bool good = true;
    for (size_t i = 0; i < query->count && good; i++) {
        const char *by = decided_by(&query->terms[i]);
        struct buffer form;
        if (by == NULL)
            continue;
        buffer_init(&form, (size_t)8 * MESSAGE_QUERY_MAX);
        good = message_query_print_term(&query->terms[i], &form);
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "term", good ? form.data : "");
        cJSON_AddStringToObject(item, "by", by);
        cJSON_AddItemToArray(array, item);
        buffer_free(&form);
    }
    return good;
}

enum sync_error sync_search_explain(struct sync_search *search, struct buffer *out, char *why)
{
    enum sync_error error = search_scope(search, why);
    if (error != SYNC_OK)
        return error;
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "query", search->form.data);
    bool good = add_legs(root, search) && add_here(root, &search->query);
    char *text = cJSON_PrintUnformatted(root);
    good = good && text != NULL && buffer_append_text(out, text);
    cJSON_free(text);
    cJSON_Delete(root);
    return good ? SYNC_OK : SYNC_ERR_MEMORY;
}

/* ---- for status ---- */

struct search_notes {
    struct search_noted last[SEARCH_NOTES]; /* newest first; query NULL: none */
};

void search_note(struct sync_search *search, const struct sync_search_end *end)
{
    struct sync *sync = search->sync;
    struct search_noted noted = {.query = strdup(search->form.data),
                                 .note = strdup(end->note),
                                 .found = end->found,
                                 .looked = search->looked,
                                 .partial = end->partial,
                                 .at = clock_wall()};
    struct search_noted old = {0};
    pthread_mutex_lock(&sync->lock);
    if (sync->search_notes == NULL)
        sync->search_notes = calloc(1, sizeof *sync->search_notes);
    struct search_notes *notes = sync->search_notes;
    size_t place = 0; /* that of the same query, else the oldest */
    while (notes != NULL && noted.query != NULL && place < SEARCH_NOTES - 1 &&
           notes->last[place].query != NULL && strcmp(notes->last[place].query, noted.query) != 0)
        place++;
    if (notes != NULL && noted.query != NULL && noted.note != NULL) {
        old = notes->last[place];
        memmove(&notes->last[1], &notes->last[0], place * sizeof old);
        notes->last[0] = noted;
        noted = old;
    }
    pthread_mutex_unlock(&sync->lock);
    free(noted.query);
    free(noted.note);
}

size_t search_notes_copy(struct sync *sync, struct search_noted notes[SEARCH_NOTES])
{
    size_t count = 0;
    pthread_mutex_lock(&sync->lock);
    for (size_t i = 0; sync->search_notes != NULL && i < SEARCH_NOTES; i++) {
        const struct search_noted *noted = &sync->search_notes->last[i];
        if (noted->query == NULL)
            continue;
        struct search_noted *copy = &notes[count];
        *copy = *noted;
        copy->query = strdup(noted->query);
        copy->note = strdup(noted->note);
        if (copy->query != NULL && copy->note != NULL) {
            count++;
            continue;
        }
        free(copy->query);
        free(copy->note);
    }
    pthread_mutex_unlock(&sync->lock);
    return count;
}

void search_notes_free(struct sync *sync)
{
    for (size_t i = 0; sync->search_notes != NULL && i < SEARCH_NOTES; i++) {
        free(sync->search_notes->last[i].query);
        free(sync->search_notes->last[i].note);
    }
    free(sync->search_notes);
    sync->search_notes = NULL;
}
