/* See names.h. The lists are CONTRACT.md's, sections 2 and 3. */
#include "fs/names.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "cache/cache.h"

static bool ends_with(const char *name, size_t len, const char *tail)
{
    size_t tail_len = strlen(tail);

    return len > tail_len && memcmp(name + len - tail_len, tail, tail_len) == 0;
}

/* "sed" and mkstemp(3)'s six characters. All of them small letters may be a word; of the names that
 * sed makes so are one in 180. */
static bool is_of_sed(const char *name, size_t len)
{
    bool random = false;

    if (len != 9 || memcmp(name, "sed", 3) != 0)
        return false;
    for (size_t i = 3; i < len; i++) {
        bool small = name[i] >= 'a' && name[i] <= 'z';
        bool other = (name[i] >= '0' && name[i] <= '9') || (name[i] >= 'A' && name[i] <= 'Z');
        if (!small && !other)
            return false;
        random = random || other;
    }
    return random;
}

bool name_is_scratch(const char *name)
{
    static const char *const tails[] = {"~", ".part", ".crdownload", ".tmp", ".swp"};
    size_t len = strlen(name);

    if (name[0] == '.')
        return true;
    if (len > 1 && name[0] == '#' && name[len - 1] == '#')
        return true;
    if (is_of_sed(name, len))
        return true;
    for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++)
        if (ends_with(name, len, tails[i]))
            return true;
    return false;
}

int name_check_file(const char *name)
{
    return strlen(name) > CACHE_NAME_MAX ? ENAMETOOLONG : 0;
}

int name_check_directory(const char *name)
{
    if (name[0] == '.')
        return EPERM;
    return strlen(name) > CACHE_SHOWN_MAX ? ENAMETOOLONG : 0;
}

bool name_is_room(const char *name)
{
    static const char *const rooms[] = {".status", ".search", ".text", ".parts"};

    for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++)
        if (strcmp(name, rooms[i]) == 0)
            return true;
    return false;
}
