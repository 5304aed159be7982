/*
 * Three parts: a set from the server is walked without harm, and each run is in order; two sets are
 * walked in step, as many steps as were promised; UIDs that are added under a ceiling come back
 * from the text, which never passes the ceiling.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "imap/command.h"
#include "tests/fuzz/fuzz.h"

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

/* The input, parted at its first blank, as the two sets of a COPYUID. */
static void walk_pairs(const char *text, size_t len)
{
    const char *blank = memchr(text, ' ', len);
    if (blank == NULL)
        return;
    struct imap_span source = {text, (size_t)(blank - text)};
    struct imap_span target = {blank + 1, len - source.len - 1};
    struct imap_uidpairs pairs;
    uint32_t from = 0, to = 0;
    size_t steps = 0;
    if (!imap_uidpairs_init(&pairs, source, target, 5000))
        return;
    size_t promised = pairs.left;
    for (; imap_uidpairs_next(&pairs, &from, &to); steps++) {
        if (from == 0 || to == 0)
            abort();
    }
    if (steps != promised || steps > 5000)
        abort();
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
    if (size > 0)
        walk_pairs((const char *)data, size);
    if (size > 1)
        build(data + 1, size - 1, data[0] * 4U);
    return 0;
}
