/* See readers.h. */
#include "sync/readers.h"

#include <stddef.h>
#include <string.h>

static struct reader_entry *entry_at(struct reader *reader, size_t index)
{
    return &reader->entries[(reader->first + index) % READER_ENTRIES];
}

static void entry_over(struct reader *reader, struct reader_entry *entry)
{
    if (entry->state == ENTRY_READ)
        return;
    if (entry->state == ENTRY_WANTED)
        reader->wanted -= entry->size;
    reader->ahead -= entry->size;
    entry->state = ENTRY_READ;
}

/* Lets go of what was read, and of what was left out long ago. */
static void move_on(struct reader *reader, size_t index)
{
    size_t left_out = index > READER_LAG ? index - READER_LAG : 0;
    while (reader->count > 0 && (left_out > 0 || entry_at(reader, 0)->state == ENTRY_READ)) {
        entry_over(reader, entry_at(reader, 0));
        reader->first = (reader->first + 1) % READER_ENTRIES;
        reader->count--;
        left_out -= left_out > 0;
    }
}

static bool reader_takes(struct reader *reader, int64_t message)
{
    for (size_t i = 0; i < reader->count; i++) {
        struct reader_entry *entry = entry_at(reader, i);
        if (entry->message != message)
            continue;
        entry_over(reader, entry);
        move_on(reader, i);
        return true;
    }
    return false;
}

struct reader *readers_open(struct readers *readers, int64_t message, int64_t now)
{
    for (unsigned i = 0; i < READERS_MAX; i++) {
        struct reader *reader = &readers->items[i];
        if (!reader->used)
            continue;
        if (now - reader->opened > READER_GONE_MS) {
            readers_drop(readers, reader);
        } else if (reader_takes(reader, message)) {
            reader->opened = now;
            reader->guess = false;
            return reader;
        }
    }
    return NULL;
}

/* How far before, in this order, the nearest miss stands that is remembered; READER_NEAR: none. */
static size_t distance(const struct readers *readers, const struct cache_near *before, size_t count,
                       int64_t now)
{
    for (size_t i = 0; i < count; i++) {
        for (unsigned t = 0; t < READER_TRAIL; t++) {
            if (readers->trail[t].message == before[i].message &&
                now - readers->trail[t].at <= READER_GONE_MS)
                return i;
        }
    }
    return READER_NEAR;
}

bool readers_recognise(struct readers *readers, int64_t message,
                       const struct readers_before *before, bool opened, int64_t now,
                       enum cache_order *order, bool *guess)
{
    size_t nearest = READER_NEAR;
    bool by_inode = before->counts[CACHE_BY_INODE] == 0;
    *guess = opened && (by_inode || before->counts[CACHE_BY_NAME] == 0);
    if (*guess) {
        *order = by_inode ? CACHE_BY_INODE : CACHE_BY_NAME;
        nearest = 0;
    }
    for (unsigned o = 0; o < CACHE_ORDERS; o++) {
        size_t far = distance(readers, before->rows[o], before->counts[o], now);
        if (far >= nearest)
            continue;
        nearest = far;
        *order = (enum cache_order)o;
    }
    readers->trail[readers->trail_next].message = message;
    readers->trail[readers->trail_next].at = now;
    readers->trail_next = (readers->trail_next + 1) % READER_TRAIL;
    return nearest < READER_NEAR;
}

struct reader *readers_add(struct readers *readers, int64_t now)
{
    struct reader *place = NULL;
    for (unsigned i = 0; i < READERS_MAX; i++) {
        struct reader *reader = &readers->items[i];
        if (place == NULL || !reader->used || (place->used && reader->opened < place->opened))
            place = reader;
        if (!reader->used)
            break;
    }
    if (place->used)
        readers_drop(readers, place);
    memset(place, 0, offsetof(struct reader, entries));
    place->used = true;
    place->number = ++readers->last_number;
    place->opened = now;
    readers->active++;
    return place;
}

struct reader *readers_find(struct readers *readers, uint64_t number)
{
    for (unsigned i = 0; i < READERS_MAX; i++) {
        if (readers->items[i].used && readers->items[i].number == number)
            return &readers->items[i];
    }
    return NULL;
}

unsigned readers_reading(const struct readers *readers, int64_t now)
{
    unsigned reading = 0;
    for (unsigned i = 0; i < READERS_MAX; i++)
        reading += readers->items[i].used && now - readers->items[i].opened <= READER_STOP_MS;
    return reading > 0 ? reading : 1;
}

void readers_drop(struct readers *readers, struct reader *reader)
{
    readers->active -= reader->used;
    reader->used = false;
}

size_t reader_room(const struct reader *reader)
{
    return READER_ENTRIES - reader->count;
}

void reader_expect(struct reader *reader, const struct cache_near *near)
{
    if (reader_room(reader) == 0 || near->mailbox != reader->mailbox)
        return;
    *entry_at(reader, reader->count++) = (struct reader_entry){
        .message = near->message, .uid = near->uid, .state = ENTRY_WANTED, .size = near->size};
    reader->ahead += near->size;
    reader->wanted += near->size;
}

struct reader_entry *reader_wanted(struct reader *reader, size_t *at)
{
    while (*at < reader->count) {
        struct reader_entry *entry = entry_at(reader, (*at)++);
        if (entry->state == ENTRY_WANTED)
            return entry;
    }
    return NULL;
}

void reader_asked(struct reader *reader, struct reader_entry *entry)
{
    if (entry->state != ENTRY_WANTED)
        return;
    entry->state = ENTRY_ASKED;
    reader->wanted -= entry->size;
}

void readers_want_again(struct readers *readers, int64_t message)
{
    for (unsigned i = 0; i < READERS_MAX; i++) {
        struct reader *reader = &readers->items[i];
        for (size_t n = 0; reader->used && n < reader->count; n++) {
            struct reader_entry *entry = entry_at(reader, n);
            if (entry->message != message || entry->state != ENTRY_ASKED)
                continue;
            entry->state = ENTRY_WANTED;
            reader->wanted += entry->size;
        }
    }
}
