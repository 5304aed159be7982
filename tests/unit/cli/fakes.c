/* See fakes.h. fs_mount always fails, after a noise on stderr such as fusermount3 makes. */
#include "tests/unit/cli/fakes.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/fs.h"
#include "message/summary.h"
#include "sync/change.h"
#include "sync/search.h"

enum sync_error fake_sync_error = SYNC_OK;
const char *fake_sync_text = "";
pthread_mutex_t fake_lock = PTHREAD_MUTEX_INITIALIZER;
bool fake_journal;
struct journal_figures fake_figures;
struct journal_row fake_rows[FAKE_ROWS];
const char *fake_outbox = "[]";
const char *fake_bytes = "";
enum sync_error fake_outbox_error = SYNC_OK;
const char *fake_outbox_text = "";
enum sync_error fake_settle_error = SYNC_OK;
bool fake_settle_later;
unsigned fake_detached;
char fake_pinned[300];
int64_t fake_retried, fake_dropped;
static char object;

void message_init(void)
{
}

enum sync_error sync_start(struct sync **sync, const struct sync_settings *settings, char *text)
{
    snprintf(text, SYNC_TEXT_MAX, "%s", fake_sync_text);
    *sync = fake_sync_error == SYNC_OK ? (struct sync *)(void *)&object : NULL;
    return fake_sync_error;
}

void sync_stop(struct sync **sync)
{
    *sync = NULL;
}

void sync_progress(struct sync *sync, struct sync_progress *progress)
{
    *progress = (struct sync_progress){0};
}

int sync_progress_fd(struct sync *sync)
{
    return -1;
}

bool sync_status_json(struct sync *sync, struct buffer *out)
{
    return buffer_append_text(out, "{}");
}

bool sync_status_text(struct sync *sync, struct buffer *out)
{
    return buffer_append_text(out, "fine\n");
}

struct journal *sync_journal(struct sync *sync)
{
    bool there;
    FAKE(there = fake_journal);
    return there ? (struct journal *)(void *)&object : NULL;
}

enum cache_error journal_figures_get(struct journal *journal, struct journal_figures *figures)
{
    FAKE(*figures = fake_figures);
    return CACHE_OK;
}

enum cache_error journal_list(struct journal *journal, enum journal_state state, int64_t after,
                              struct journal_row *rows, size_t max, size_t *count)
{
    *count = 0;
    for (size_t i = 0; i < FAKE_ROWS && *count < max; i++) {
        struct journal_row row;
        FAKE(row = fake_rows[i]);
        if (row.id > after && row.state == state)
            rows[(*count)++] = row;
    }
    return CACHE_OK;
}

void journal_row_free(struct journal_row *row)
{
    *row = (struct journal_row){0};
}

sync_ticket sync_settle(struct sync *sync, int64_t mailbox, sync_changed_fn *done, void *ctx)
{
    struct sync_changed changed = {.reason = "no room"};
    bool later;
    FAKE(changed.error = fake_settle_error; later = fake_settle_later);
    if (!later)
        done(ctx, &changed);
    return 3;
}

bool sync_detach(struct sync *sync, sync_ticket ticket)
{
    FAKE(fake_detached += ticket == 3);
    return true;
}

bool sync_outbox_json(struct sync *sync, struct buffer *out)
{
    const char *outbox;
    FAKE(outbox = fake_outbox);
    return buffer_append_text(out, outbox);
}

static enum sync_error outbox_end(char *text)
{
    enum sync_error error;
    FAKE(error = fake_outbox_error; snprintf(text, SYNC_TEXT_MAX, "%s", fake_outbox_text));
    return error;
}

enum sync_error sync_outbox_retry(struct sync *sync, int64_t id, char *text)
{
    FAKE(fake_retried = id);
    return outbox_end(text);
}

enum sync_error sync_outbox_drop(struct sync *sync, int64_t id, char *text)
{
    FAKE(fake_dropped = id);
    return outbox_end(text);
}

enum sync_error sync_outbox_save(struct sync *sync, int64_t id, int fd, char *text)
{
    const char *bytes;
    FAKE(bytes = fake_bytes);
    for (size_t at = 0, len = strlen(bytes); at < len;) {
        ssize_t n = write(fd, bytes + at, len - at);
        if (n <= 0)
            return SYNC_ERR_CACHE;
        at += (size_t)n;
    }
    return outbox_end(text);
}

enum sync_error sync_pin(struct sync *sync, const char *path, char *text)
{
    FAKE(snprintf(fake_pinned, sizeof fake_pinned, "%s", path));
    return outbox_end(text);
}

enum sync_error sync_unpin(struct sync *sync, const char *path, char *text)
{
    FAKE(fake_pinned[0] = '\0');
    return outbox_end(text);
}

enum sync_error sync_pin_look(struct sync *sync, const char *path, struct sync_pin *pin, char *text)
{
    *pin = (struct sync_pin){.messages = 7, .here = 5, .error = SYNC_ERR_UNREACHABLE};
    return outbox_end(text);
}

struct fs *fs_mount(const struct fs_settings *settings, struct sync *sync, char *text)
{
    static const char noise[] = "one\nfusermount3: no such device\n";
    ssize_t ignored = write(STDERR_FILENO, noise, sizeof noise - 1);
    (void)ignored;
    snprintf(text, SYNC_TEXT_MAX, "cannot mount");
    return NULL;
}

int fs_serve(struct fs *fs)
{
    return 0;
}

void fs_unmount(struct fs **fs)
{
    *fs = NULL;
}

/* ---- searches: one finds what its query says, at once; "wait" finds nothing until it is
 * cancelled. */

struct sync_search {
    char query[SYNC_QUERY_MAX + 1];
    atomic_bool cancelled;
};

struct sync_search *sync_search_new(struct sync *sync, const char *query, size_t len,
                                    enum sync_error *error, char *why)
{
    struct sync_search *search = len > 0 ? calloc(1, sizeof *search) : NULL;
    *error = search != NULL ? SYNC_OK : SYNC_ERR_INVALID;
    snprintf(why, SYNC_TEXT_MAX, "the query is empty");
    if (search != NULL)
        snprintf(search->query, sizeof search->query, "%s", query);
    return search;
}

void sync_search_free(struct sync_search **search)
{
    free(*search);
    *search = NULL;
}

enum sync_error sync_search_run(struct sync_search *search,
                                bool (*hit)(void *ctx, const struct cache_inode *inode), void *ctx,
                                struct sync_search_end *end)
{
    struct cache_inode inode = {.ino = 7};
    *end = (struct sync_search_end){.found = 2, .partial = true, .note = "so so"};
    snprintf(inode.name, sizeof inode.name, "%.200s", search->query);
    while (strcmp(search->query, "wait") == 0 && !atomic_load(&search->cancelled))
        usleep(1000);
    if (atomic_load(&search->cancelled))
        return SYNC_ERR_STOPPING;
    for (uint64_t i = 0; i < end->found; i++) {
        if (!hit(ctx, &inode))
            return SYNC_ERR_STOPPING;
    }
    return SYNC_OK;
}

void sync_search_cancel(struct sync_search *search)
{
    atomic_store(&search->cancelled, true);
}

enum sync_error sync_search_explain(struct sync_search *search, struct buffer *out, char *why)
{
    return buffer_printf(out, "{\"query\":\"%s\"}", search->query) ? SYNC_OK : SYNC_ERR_MEMORY;
}

bool sync_path(struct sync *sync, const struct cache_inode *inode, struct buffer *out)
{
    return buffer_printf(out, "Inbox/%s", inode->name);
}
