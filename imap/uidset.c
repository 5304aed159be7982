/*
 * UID sets (RFC 3501 section 9, sequence-set): writing one from ascending UIDs, and walking one
 * that the server sent, or the two of a COPYUID.
 *
 * While a set is written its last run stays open, so that 4, 5, 6 becomes "4:6". The text in the
 * buffer holds the closed runs only, each with a comma after it; imap_uidset_text adds the open
 * one. The ceiling counts the text as it would be with the open run, so a set that was accepted can
 * always be written out.
 */
#include <inttypes.h>
#include <stdio.h>

#include "imap/command.h"

enum { RUN_TEXT = 24 }; /* "4294967295:4294967295" */

void imap_uidset_init(struct imap_uidset *set, size_t max_bytes)
{
    *set = (struct imap_uidset){0};
    buffer_init(&set->text, max_bytes);
}

void imap_uidset_free(struct imap_uidset *set)
{
    buffer_free(&set->text);
    set->first = set->last = 0;
}

static size_t run_print(char text[RUN_TEXT], uint32_t first, uint32_t last)
{
    int len = first == last ? snprintf(text, RUN_TEXT, "%" PRIu32, first)
                            : snprintf(text, RUN_TEXT, "%" PRIu32 ":%" PRIu32, first, last);
    return (size_t)len;
}

/* Whether the closed part (`closed` bytes) and this run stay under the ceiling. */
static bool run_fits(const struct imap_uidset *set, size_t closed, uint32_t first, uint32_t last)
{
    char run[RUN_TEXT];
    size_t len = run_print(run, first, last);
    return len <= set->text.max && closed <= set->text.max - len;
}

/* Writes the open run and a comma: what stands closed from now on. */
static bool run_close(struct imap_uidset *set)
{
    char run[RUN_TEXT];
    size_t len = run_print(run, set->first, set->last);
    run[len++] = ',';
    return buffer_append(&set->text, run, len);
}

bool imap_uidset_add(struct imap_uidset *set, uint32_t uid)
{
    if (uid == 0 || uid < set->last)
        return false;
    if (uid == set->last)
        return true;
    bool joins = set->first != 0 && uid == set->last + 1;
    if (joins) {
        if (!run_fits(set, set->text.len, set->first, uid))
            return false;
    } else {
        char run[RUN_TEXT];
        size_t closed = set->text.len;
        if (set->first != 0)
            closed += run_print(run, set->first, set->last) + 1;
        if (!run_fits(set, closed, uid, uid) || (set->first != 0 && !run_close(set)))
            return false;
        set->first = uid;
    }
    set->last = uid;
    return true;
}

const char *imap_uidset_text(struct imap_uidset *set)
{
    if (set->first == 0)
        return NULL;
    char run[RUN_TEXT];
    size_t closed = set->text.len;
    /* The run is written behind the closed ones and taken back: the set may still grow. */
    if (!buffer_append(&set->text, run, run_print(run, set->first, set->last)))
        return NULL;
    set->text.len = closed;
    return set->text.data;
}

/* Digits at *at, as a UID; "*" and 0 are nothing that a server may send in a set. */
static bool take_uid(struct imap_span set, size_t *at, uint32_t *uid)
{
    uint64_t value = 0;
    size_t start = *at;
    for (; *at < set.len && set.data[*at] >= '0' && set.data[*at] <= '9'; (*at)++) {
        value = value * 10 + (uint64_t)(set.data[*at] - '0');
        if (value > UINT32_MAX)
            return false;
    }
    *uid = (uint32_t)value;
    return *at > start && value > 0;
}

bool imap_uidset_next(struct imap_span set, size_t *at, uint32_t *first, uint32_t *last)
{
    size_t i = *at;
    if (set.data == NULL || i >= set.len)
        return false;
    if (i > 0 && set.data[i++] != ',')
        return false;
    uint32_t a = 0;
    if (!take_uid(set, &i, &a))
        return false;
    uint32_t b = a;
    if (i < set.len && set.data[i] == ':') {
        i++;
        if (!take_uid(set, &i, &b))
            return false;
    }
    if (i < set.len && set.data[i] != ',')
        return false;
    *first = a < b ? a : b;
    *last = a < b ? b : a;
    *at = i;
    return true;
}

/* How many UIDs a set names; more than `max` when it is no set, or names more. */
static uint64_t count_uids(struct imap_span set, size_t max)
{
    uint32_t first = 0, last = 0;
    uint64_t count = 0;
    size_t at = 0;
    while (count <= max && imap_uidset_next(set, &at, &first, &last))
        count += (uint64_t)last - first + 1;
    return at == set.len ? count : (uint64_t)max + 1;
}

bool imap_uidpairs_init(struct imap_uidpairs *pairs, struct imap_span source,
                        struct imap_span target, size_t max)
{
    *pairs = (struct imap_uidpairs){.source = source, .target = target};
    if (max > UINT32_MAX) /* there are no more UIDs than that */
        max = UINT32_MAX;
    uint64_t count = count_uids(source, max);
    if (count > max || count_uids(target, max) != count)
        return false;
    pairs->left = (size_t)count;
    return true;
}

/* Steps into the set's next run where the open one is used up (next == 0). */
static uint32_t take_next(struct imap_span set, size_t *at, uint32_t *next, uint32_t *last)
{
    if (*next == 0 && !imap_uidset_next(set, at, next, last))
        return 0;
    uint32_t uid = *next;
    *next = uid < *last ? uid + 1 : 0;
    return uid;
}

bool imap_uidpairs_next(struct imap_uidpairs *pairs, uint32_t *source, uint32_t *target)
{
    if (pairs->left == 0)
        return false;
    pairs->left--;
    *source = take_next(pairs->source, &pairs->source_at, &pairs->source_next, &pairs->source_last);
    *target = take_next(pairs->target, &pairs->target_at, &pairs->target_next, &pairs->target_last);
    return *source != 0 && *target != 0;
}
