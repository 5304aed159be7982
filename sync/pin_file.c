/* See pin_file.h. */
#include "sync/pin_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"

static const char file_name[] = "pins";

/* ---- the list ---- */

static size_t find(const struct pin_names *names, const char *name)
{
    size_t at = 0;
    while (at < names->count && strcmp(names->items[at], name) != 0)
        at++;
    return at;
}

bool pin_names_have(const struct pin_names *names, const char *name)
{
    return find(names, name) < names->count;
}

bool pin_names_add(struct pin_names *names, const char *name)
{
    if (pin_names_have(names, name))
        return true;
    if (names->count >= PIN_NAMES_MAX || name[0] == '\0' || strchr(name, '\n') != NULL)
        return false;
    char **items = realloc(names->items, (names->count + 1) * sizeof *items);
    if (items == NULL)
        return false;
    names->items = items;
    items[names->count] = strdup(name);
    return items[names->count] != NULL && ++names->count > 0;
}

bool pin_names_drop(struct pin_names *names, const char *name)
{
    size_t at = find(names, name);
    if (at == names->count)
        return false;
    free(names->items[at]);
    names->items[at] = names->items[--names->count];
    return true;
}

void pin_names_free(struct pin_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
    *names = (struct pin_names){0};
}

/* ---- the file ---- */

static bool parse(char *text, struct pin_names *names)
{
    char *rest = text;
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        if (line[0] != '\0' && !pin_names_add(names, line)) {
            errno = EFBIG;
            return false;
        }
    }
    return true;
}

int pin_file_lock(const char *directory)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s.lock", directory, file_name);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600), failed = 0;
    if (fd < 0)
        return -1;
    do
        failed = flock(fd, LOCK_EX);
    while (failed != 0 && errno == EINTR);
    if (failed == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

bool pin_file_read(const char *directory, struct pin_names *names)
{
    char path[PATH_MAX];
    struct buffer text;
    *names = (struct pin_names){0};
    snprintf(path, sizeof path, "%s/%s", directory, file_name);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT;
    buffer_init(&text, PIN_FILE_MAX);
    bool good = file_read_all(fd, &text) && (text.len == 0 || parse(text.data, names));
    int error = errno;
    close(fd);
    buffer_free(&text);
    if (!good)
        pin_names_free(names);
    errno = error;
    return good;
}

bool pin_file_write(const char *directory, const struct pin_names *names)
{
    char path[PATH_MAX];
    struct buffer text;
    buffer_init(&text, PIN_FILE_MAX);
    bool good = true;
    snprintf(path, sizeof path, "%s/%s", directory, file_name);
    for (size_t i = 0; i < names->count && good; i++)
        good = buffer_append_text(&text, names->items[i]) && buffer_append_byte(&text, '\n');
    if (!good)
        errno = EFBIG;
    good = good && file_replace(path, text.data, text.len);
    int error = errno;
    buffer_free(&text);
    errno = error;
    return good;
}
