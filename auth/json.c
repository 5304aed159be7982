/*
 * See json.h. The hooks are the process's, and so are cJSON's others users'. To them they change
 * nothing but a little time: what is allocated comes from malloc and goes to free, as before, also
 * where it was allocated before the hooks were set. That cJSON gets no realloc with hooks is
 * wanted: it then copies by itself, and frees the old text by the hook.
 *
 * malloc_usable_size may exceed what was asked for; writing there is allowed
 * (malloc_usable_size(3), NOTES: nothing else is kept in it).
 */
#include "auth/json.h"

#include <cjson/cJSON.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static void wipe_and_free(void *memory)
{
    if (memory != NULL)
        explicit_bzero(memory, malloc_usable_size(memory));
    free(memory);
}

static void set_hooks(void)
{
    cJSON_Hooks hooks = {.malloc_fn = malloc, .free_fn = wipe_and_free};
    cJSON_InitHooks(&hooks);
}

void auth_json_prepare(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_hooks);
}

bool auth_json_has_nul(const struct buffer *text)
{
    for (const char *c = text->data; *c != '\0'; c++) {
        if (c[0] == '\\' && strncmp(c + 1, "u0000", 5) == 0)
            return true;
        if (c[0] == '\\' && c[1] != '\0')
            c++;
    }
    return memchr(text->data, '\0', text->len) != NULL;
}
