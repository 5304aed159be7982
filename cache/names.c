/*
 * Names that collide (CONTRACT.md section 1). The message room makes names; what is done here is
 * only what needs the directory: the "~UID" form when a mailbox takes a message's name, and one
 * step further ("~UID-2") for the case that somebody's subject looks like that form already.
 */
#include <stdio.h>
#include <string.h>

#include "cache/internal.h"
#include "cache/statements.h"

enum { NAME_TRIES = 1000 };

bool name_legal(const char *name)
{
    return name[0] != '\0' && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
           strchr(name, '/') == NULL && strlen(name) <= CACHE_NAME_MAX;
}

/* `len` less what stands of the last character, where it is cut in the middle (UTF-8). */
static size_t cut_at_character(const char *text, size_t len)
{
    while (len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80)
        len--;
    return len;
}

static size_t without_tail(const char *name, size_t len, const char *tail)
{
    size_t tail_len = strlen(tail);
    bool ends = len > tail_len && memcmp(name + len - tail_len, tail, tail_len) == 0;
    return ends ? len - tail_len : len;
}

void name_numbered(char *numbered, const char *name, uint32_t uid, unsigned ordinal)
{
    char tail[48], plain[16];
    snprintf(plain, sizeof plain, "~%u", uid);
    if (ordinal > 1)
        snprintf(tail, sizeof tail, "~%u-%u.eml", uid, ordinal);
    else
        snprintf(tail, sizeof tail, "~%u.eml", uid);
    size_t len = without_tail(name, strlen(name), ".eml");
    len = without_tail(name, len, plain);
    size_t most = strlen(name) > CACHE_SHOWN_MAX ? CACHE_NAME_MAX : CACHE_SHOWN_MAX;
    size_t room = most - strlen(tail);
    if (len > room)
        len = cut_at_character(name, room);
    memcpy(numbered, name, len);
    memcpy(numbered + len, tail, strlen(tail) + 1);
}

enum cache_error name_move_aside(struct db *index, const struct cache_inode *inode,
                                 struct changes *changes)
{
    struct cache_inode moved = *inode;
    for (unsigned ordinal = 1; ordinal < NAME_TRIES; ordinal++) {
        name_numbered(moved.name, inode->name, inode->uid, ordinal);
        if (strcmp(moved.name, inode->name) == 0)
            continue;
        enum cache_error error =
            db_run(index, INDEX_INODE_RENAME, DB_VALUES(DB_INT(inode->ino), DB_TEXT(moved.name)));
        if (error != CACHE_OK)
            return error;
        if (db_changes(index) == 0)
            continue; /* taken as well */
        error = changes_add(changes, inode, true);
        return error != CACHE_OK ? error : changes_add(changes, &moved, false);
    }
    return CACHE_ERR_IO;
}
