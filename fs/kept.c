/* See kept.h. A query has no control character, so a line of the file is one whole. */
#include "fs/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"

static const char file_name[] = "kept-queries", new_name[] = "kept-queries.new",
                  lock_name[] = "kept-queries.lock";

/* ---- reading ---- */

/* The lines of the file, with NULs for their ends; a last one without an end is none. */
static int read_file(int dir, struct buffer *queries)
{
    int fd = openat(dir, file_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    int error = fd < 0 || !file_read_all(fd, queries) ? errno : 0;

    if (fd >= 0)
        close(fd);
    while (error == 0 && queries->len > 0 && queries->data[queries->len - 1] != '\n')
        queries->len--;
    for (size_t i = 0; i < queries->len; i++)
        if (queries->data[i] == '\n')
            queries->data[i] = '\0';
    return error == ENOENT ? 0 : error;
}

static int open_dir(const char *state_dir, int *dir)
{
    *dir = state_dir != NULL ? open(state_dir, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    return *dir >= 0 ? 0 : state_dir != NULL ? errno : ENOENT;
}

int kept_list(const char *state_dir, struct buffer *queries)
{
    int dir, error = open_dir(state_dir, &dir);

    if (error == 0)
        error = read_file(dir, queries);
    if (dir >= 0)
        close(dir);
    return error == ENOENT ? 0 : error;
}

/* Where the query stands; `len`: nowhere. */
static size_t find(const struct buffer *queries, const char *query)
{
    size_t at = 0;

    while (at < queries->len && strcmp(queries->data + at, query) != 0)
        at += strlen(queries->data + at) + 1;
    return at;
}

bool kept_has(const char *state_dir, const char *query)
{
    struct buffer queries;
    bool has;

    buffer_init(&queries, KEPT_BYTES_MAX);
    has = kept_list(state_dir, &queries) == 0 && find(&queries, query) < queries.len;
    buffer_free(&queries);
    return has;
}

/* ---- writing ---- */

static int write_file(int dir, const struct buffer *queries)
{
    int fd = openat(dir, new_name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    int error = fd < 0 ? errno : 0;
    char *lines = malloc(queries->len + 1);

    if (lines == NULL)
        error = ENOMEM;
    for (size_t i = 0; i < queries->len && error == 0; i++)
        lines[i] = queries->data[i] == '\0' ? '\n' : queries->data[i];
    if (error == 0)
        error = file_write_all(fd, lines, queries->len) && fsync(fd) == 0 ? 0 : errno;
    if (fd >= 0 && close(fd) != 0 && error == 0)
        error = errno;
    if (error == 0 && renameat(dir, new_name, dir, file_name) != 0)
        error = errno;
    free(lines);
    return error;
}

static int add(struct buffer *queries, const char *query)
{
    size_t count = 0;

    if (find(queries, query) < queries->len)
        return EEXIST;
    for (size_t i = 0; i < queries->len; i++)
        count += queries->data[i] == '\0';
    return count < KEPT_QUERIES_MAX && buffer_append(queries, query, strlen(query) + 1) ? 0
                                                                                        : ENOSPC;
}

static int take_out(struct buffer *queries, const char *query)
{
    size_t at = find(queries, query), len = strlen(query) + 1;

    if (at >= queries->len)
        return ENOENT;
    memmove(queries->data + at, queries->data + at + len, queries->len - at - len);
    queries->len -= len;
    return 0;
}

static int change(const char *state_dir, const char *query,
                  int (*how)(struct buffer *queries, const char *query))
{
    struct buffer queries;
    int dir, lock = -1, error = open_dir(state_dir, &dir);

    buffer_init(&queries, KEPT_BYTES_MAX);
    if (error == 0)
        lock = openat(dir, lock_name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (error == 0 && (lock < 0 || flock(lock, LOCK_EX) != 0))
        error = errno;
    if (error == 0)
        error = read_file(dir, &queries);
    if (error == 0)
        error = how(&queries, query);
    if (error == 0)
        error = write_file(dir, &queries);
    if (lock >= 0)
        close(lock);
    if (dir >= 0)
        close(dir);
    buffer_free(&queries);
    return error;
}

int kept_add(const char *state_dir, const char *query)
{
    return change(state_dir, query, add);
}

int kept_remove(const char *state_dir, const char *query)
{
    return change(state_dir, query, take_out);
}
