/* What a search found, as an object that several have: see searches.h. Knows nothing of sync. */
#include <pthread.h>
#include <stdlib.h>

#include "fs/searches.h"

static pthread_mutex_t found_lock = PTHREAD_MUTEX_INITIALIZER;

struct found *found_new(void)
{
    struct found *found = calloc(1, sizeof(*found));

    if (found != NULL)
        found->references = 1;
    return found;
}

struct found *found_keep(struct found *found)
{
    pthread_mutex_lock(&found_lock);
    found->references++;
    pthread_mutex_unlock(&found_lock);
    return found;
}

void found_drop(struct found **foundp)
{
    struct found *found = *foundp;
    bool last;

    *foundp = NULL;
    if (found == NULL)
        return;
    pthread_mutex_lock(&found_lock);
    last = --found->references == 0;
    pthread_mutex_unlock(&found_lock);
    if (!last)
        return;
    free(found->entries);
    free(found->order);
    free(found);
}
