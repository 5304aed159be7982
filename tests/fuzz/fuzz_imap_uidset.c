/*
 * Two halves: a set from the server is walked without harm, and each run is in order; UIDs that are
 * added under a ceiling come back from the text, which never passes the ceiling.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "imap/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(const char *text, size_t len)
{
    struct imap_span set = {text, len};
    uint32_t first = 0, last = 0;
    size_t before = 0;
    for (size_t at = 0; imap_uidset_next(set, &at, &first, &last); before = at) {
        if (first == 0 || first > last || at <= before || at > len)
            abort();
    }
}

/* Walks the text beside the steps that made it. */
static void must_hold(const char *text, const uint8_t *steps, size_t count, size_t max)
{
    struct imap_span set = {text, strlen(text)};
    uint32_t first = 0, last = 0, uid = 0;
    size_t at = 0;
    if (set.len > max)
        abort();
    for (size_t i = 0; i < count; i++) {
        uid += steps[i] == 255 ? 70000 : steps[i];
        if (uid > last && (!imap_uidset_next(set, &at, &first, &last) || uid != first))
            abort();
    }
    if (uid != last || imap_uidset_next(set, &at, &first, &last))
        abort();
}

static void build(const uint8_t *steps, size_t count, size_t max)
{
    struct imap_uidset set;
    uint32_t uid = 0;
    size_t added = 0;
    imap_uidset_init(&set, max);
    for (; added < count; added++) {
        uid += steps[added] == 255 ? 70000 : steps[added];
        if (!imap_uidset_add(&set, uid))
            break;
    }
    const char *text = imap_uidset_text(&set);
    if ((text == NULL) != (added == 0))
        abort();
    if (text != NULL)
        must_hold(text, steps, added, max);
    imap_uidset_free(&set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    walk((const char *)data, size);
    if (size > 1)
        build(data + 1, size - 1, data[0] * 4U);
    return 0;
}
