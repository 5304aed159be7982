/*
 * See searches.h. Names are not kept, only a hash of each: they are made of the cache's row when
 * they are asked for. Messages of different mailboxes may bear one name; each of those gets its
 * mailbox's path before it, and in the rare case that this is no help, its number for a name.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/internal.h"
#include "fs/searches.h"
#include "sync/search.h"

enum { FOUND_MAX = 1000000 };

/* FNV-1a. */
static uint64_t hash_of(const char *name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
    return hash;
}

bool found_add(struct found *found, uint64_t ino, const char *name)
{
    if (found->count == found->room) {
        size_t room = found->room * 2 + 64;
        struct found_entry *entries =
            found->count < FOUND_MAX ? realloc(found->entries, room * sizeof(*entries)) : NULL;
        if (entries == NULL)
            return false;
        found->entries = entries;
        found->room = room;
    }
    found->entries[found->count++] = (struct found_entry){.ino = ino, .hash = hash_of(name)};
    return true;
}

/* ---- names ---- */

/* The path with '_' for '/', cut on a character's boundary to `room` bytes. */
static void write_prefix(char *to, const char *path, size_t room)
{
    size_t len = strlen(path);

    if (len > room)
        for (len = room; len > 0 && ((unsigned char)path[len] & 0xC0) == 0x80;)
            len--;
    for (size_t i = 0; i < len; i++)
        to[i] = path[i] == '/' ? '_' : path[i];
    to[len] = '\0';
}

/* "MAILBOX_NAME", as far as it fits. */
static bool write_prefixed(struct fs *fs, const struct cache_inode *inode, char *name)
{
    struct buffer path;
    char prefix[CACHE_NAME_MAX + 1];
    size_t own = strlen(inode->name), at;
    bool good;

    buffer_init(&path, (size_t)64 * 1024);
    good = sync_path(fs->sync, inode, &path) && path.len > own + 1;
    at = good ? path.len - own - 1 : 0;
    if (good)
        path.data[at] = '\0';
    write_prefix(prefix, good ? path.data : "",
                 own < CACHE_NAME_MAX ? CACHE_NAME_MAX - own - 1 : 0);
    (void)!snprintf(name, CACHE_NAME_MAX + 1, "%.*s_%.*s", (int)strlen(prefix), prefix, (int)own,
                    inode->name);
    buffer_free(&path);
    return good;
}

bool found_name(struct fs *fs, const struct found_entry *entry, char *name,
                struct cache_inode *inode)
{
    if (cache_inode_get(fs->cache, entry->ino, inode) != CACHE_OK || inode->hidden ||
        inode->kind != CACHE_MESSAGE)
        return false;
    if (entry->form == FOUND_PREFIXED)
        return write_prefixed(fs, inode, name);
    if (entry->form == FOUND_NUMBERED)
        snprintf(name, CACHE_NAME_MAX + 1, "%llu.eml", (unsigned long long)inode->ino);
    else
        snprintf(name, CACHE_NAME_MAX + 1, "%s", inode->name);
    return true;
}

/* ---- order ---- */

/* qsort_r is GNU's; its argument is the entries. */
static int by_hash(const void *a, const void *b, void *entries)
{
    const struct found_entry *x = (const struct found_entry *)entries + *(const uint32_t *)a;
    const struct found_entry *y = (const struct found_entry *)entries + *(const uint32_t *)b;

    return (x->hash > y->hash) - (x->hash < y->hash);
}

static void sort(struct found *found)
{
    if (found->count > 0)
        qsort_r(found->order, found->count, sizeof(*found->order), by_hash, found->entries);
}

/* Gives every entry that shares its hash another form of name. */
static bool tell_apart(struct fs *fs, struct found *found, unsigned form)
{
    char name[CACHE_NAME_MAX + 1];
    struct cache_inode inode;
    bool any = false;

    for (size_t i = 0, end; i < found->count; i = end) {
        uint64_t hash = found->entries[found->order[i]].hash;
        for (end = i + 1; end < found->count && found->entries[found->order[end]].hash == hash;)
            end++;
        for (size_t k = i; k < end && end - i > 1; k++) {
            struct found_entry *entry = &found->entries[found->order[k]];
            entry->form = form == FOUND_PREFIXED ? FOUND_PREFIXED : FOUND_NUMBERED;
            if (found_name(fs, entry, name, &inode))
                entry->hash = hash_of(name);
            any = true;
        }
    }
    if (any)
        sort(found);
    return any;
}

bool found_finish(struct fs *fs, struct found *found)
{
    found->order = calloc(found->count + 1, sizeof(*found->order));
    if (found->order == NULL)
        return false;
    for (size_t i = 0; i < found->count; i++)
        found->order[i] = (uint32_t)i;
    sort(found);
    if (tell_apart(fs, found, FOUND_PREFIXED))
        tell_apart(fs, found, FOUND_NUMBERED);
    return true;
}

const struct found_entry *found_lookup(struct fs *fs, const struct found *found, const char *name,
                                       struct cache_inode *inode)
{
    uint64_t hash = hash_of(name);
    char own[CACHE_NAME_MAX + 1];
    size_t low = 0, high = found->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (found->entries[found->order[middle]].hash < hash)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < found->count && found->entries[found->order[low]].hash == hash; low++) {
        const struct found_entry *entry = &found->entries[found->order[low]];
        if (found_name(fs, entry, own, inode) && strcmp(own, name) == 0)
            return entry;
    }
    return NULL;
}
