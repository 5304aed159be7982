/* See failed.h. A row that is tried again is not refused meanwhile; if it is afterwards, that is
 * news. So what was told is no more than the rows of the last look. */
#include "cli/failed.h"

#include <stdlib.h>

#include "cache/journal.h"

enum { BATCH = 64 };

struct ids {
    int64_t *at;
    size_t count, room;
};

void failed_init(struct failed *failed)
{
    *failed = (struct failed){0};
    pthread_mutex_init(&failed->lock, NULL);
}

void failed_destroy(struct failed *failed)
{
    free(failed->told);
    pthread_mutex_destroy(&failed->lock);
}

static bool add(struct ids *ids, int64_t id)
{
    if (ids->count == ids->room) {
        size_t room = ids->room != 0 ? ids->room * 2 : BATCH;
        int64_t *at = realloc(ids->at, room * sizeof *at);
        if (at == NULL)
            return false;
        ids->at = at;
        ids->room = room;
    }
    ids->at[ids->count++] = id;
    return true;
}

static bool add_state(struct ids *ids, struct journal *journal, enum journal_state state)
{
    struct journal_row rows[BATCH];
    int64_t after = 0;
    size_t count;
    bool good = true;
    do {
        if (journal_list(journal, state, after, rows, BATCH, &count) != CACHE_OK)
            return false;
        for (size_t i = 0; i < count; i++) {
            after = rows[i].id;
            good = good && add(ids, after);
            journal_row_free(&rows[i]);
        }
    } while (count > 0 && good);
    return good;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

bool failed_look(struct failed *failed, struct journal *journal, size_t *count, int64_t *first)
{
    struct ids now = {0};
    *count = 0;
    *first = 0;
    if (!add_state(&now, journal, JOURNAL_REFUSED) || !add_state(&now, journal, JOURNAL_HELD)) {
        free(now.at);
        return false;
    }
    if (now.count > 0)
        qsort(now.at, now.count, sizeof *now.at, compare);
    pthread_mutex_lock(&failed->lock);
    for (size_t i = 0; i < now.count; i++) {
        if (failed->count > 0 &&
            bsearch(&now.at[i], failed->told, failed->count, sizeof *now.at, compare) != NULL)
            continue;
        *first = *count == 0 ? now.at[i] : *first;
        ++*count;
    }
    free(failed->told);
    failed->told = now.at;
    failed->count = now.count;
    pthread_mutex_unlock(&failed->lock);
    return true;
}
