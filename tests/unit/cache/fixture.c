/* See fixture.h. */
#include "tests/unit/cache/fixture.h"

#include <dirent.h>
#include <pthread.h>
#include <unistd.h>

#include "base/log.h"

static const struct cache_tree_entry tree[] = {
    {.name = "INBOX",
     .shown = "Inbox",
     .delimiter = '/',
     .role = CACHE_ROLE_INBOX,
     .selectable = true                                                                },
    { .name = "Archive", .shown = "Archive", .delimiter = '/', .selectable = true},
    {                                                                  .name = "Archive/2024",
     .parent = "Archive",
     .shown = "2024",
     .delimiter = '/',
     .selectable = true,
     .subscribed = true},
};

void fixture_file_name(char *name, const char *stem, uint32_t uid)
{
    if (uid == 0)
        snprintf(name, CACHE_NAME_MAX + 1, "%s.eml", stem);
    else
        snprintf(name, CACHE_NAME_MAX + 1, "%s~%u.eml", stem, uid);
}

void fixture_shown_ordinal(const char *shown, unsigned ordinal, char *name)
{
    snprintf(name, CACHE_NAME_MAX + 1, "%s~%u", shown, ordinal);
}

void fixture_open(struct fixture *f)
{
    char text[CACHE_TEXT_MAX];
    enum cache_error error =
        cache_open(&f->cache, f->directory, "jane@example.org", "imap.example.org", f->limit, text);
    if (error != CACHE_OK)
        fail_msg("cache_open: %d %s", (int)error, text);
}

void fixture_reopen(struct fixture *f)
{
    cache_close(&f->cache);
    fixture_open(f);
}

void fixture_tree(struct fixture *f)
{
    struct cache_mailbox row;
    assert_int_equal(cache_tree_replace(f->cache, tree, sizeof tree / sizeof *tree,
                                        fixture_shown_ordinal, NULL, NULL),
                     CACHE_OK);
    assert_int_equal(cache_mailbox_find(f->cache, "INBOX", &row), CACHE_OK);
    f->inbox = row.id;
    f->inbox_ino = row.ino;
    cache_mailbox_free(&row);
    const struct cache_mailbox_facts facts = {.uidvalidity = FIXTURE_UIDVALIDITY};
    assert_int_equal(cache_mailbox_note(f->cache, f->inbox, &facts, NULL, NULL), CACHE_OK);
}

int fixture_setup_bare(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    snprintf(f->directory, sizeof f->directory, "%s/outlookfs-cache-XXXXXX",
             getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
    if (mkdtemp(f->directory) == NULL)
        return -1;
    f->limit = 64 << 20;
    log_set_level(LOG_LEVEL_ERROR);
    *state = f;
    return 0;
}

int fixture_setup(void **state)
{
    if (fixture_setup_bare(state) != 0)
        return -1;
    fixture_open(*state);
    fixture_tree(*state);
    return 0;
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    cache_close(&f->cache);
    DIR *dir = opendir(f->directory);
    for (struct dirent *e = dir != NULL ? readdir(dir) : NULL; e != NULL; e = readdir(dir))
        if (e->d_name[0] != '.' && unlink(fixture_path(f, e->d_name)) != 0)
            rmdir(fixture_path(f, e->d_name));
    if (dir != NULL)
        closedir(dir);
    rmdir(f->directory);
    free(f);
    return 0;
}

struct cache_inode fixture_directory(struct fixture *f, const char *name)
{
    struct cache_mailbox row;
    struct cache_inode inode;
    assert_int_equal(cache_mailbox_find(f->cache, name, &row), CACHE_OK);
    assert_int_equal(cache_inode_get(f->cache, row.ino, &inode), CACHE_OK);
    cache_mailbox_free(&row);
    return inode;
}

void fixture_expect_at(struct fixture *f, uint64_t parent, const char *name, uint64_t ino)
{
    struct cache_inode inode;
    enum cache_error error = cache_inode_lookup(f->cache, parent, name, &inode);
    assert_int_equal(error, ino != 0 ? CACHE_OK : CACHE_ERR_ABSENT);
    if (ino != 0)
        assert_int_equal(inode.ino, ino);
}

const char *fixture_path(struct fixture *f, const char *file)
{
    static char path[FIXTURE_PATH + 256];
    snprintf(path, sizeof path, "%s/%s", f->directory, file);
    return path;
}

unsigned fixture_count_files(struct fixture *f, const char *part)
{
    unsigned count = 0;
    DIR *dir = opendir(f->directory);
    assert_non_null(dir);
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir))
        count += strstr(e->d_name, part) != NULL ? 1 : 0;
    closedir(dir);
    return count;
}

void fixture_add(struct fixture *f, uint32_t first, uint32_t last)
{
    enum { STEP = 500 };
    static char stems[STEP][32];
    static struct cache_new_message messages[STEP];
    size_t count = 0;
    for (uint32_t uid = first; uid <= last; uid++) {
        snprintf(stems[count], sizeof stems[count], "stem-%u", uid);
        messages[count] = (struct cache_new_message){
            .uid = uid,
            .size = 1000 + uid,
            .internaldate = 1700000000 + uid,
            .flags = "\\Seen",
            .subject = "A subject of the usual length, more or less",
            .from = "Jane Doe <jane@example.org>",
            .to = "John <john@example.org>",
            .date = "Mon, 23 Nov 2026 09:14:02 +0100",
            .message_id = "<0123456789.abcdef@mail.example.org>",
            .stem = stems[count],
        };
        if (++count < STEP && uid < last)
            continue;
        assert_int_equal(cache_messages_add(f->cache, f->inbox, FIXTURE_UIDVALIDITY, messages,
                                            count, uid, false, fixture_file_name, NULL, NULL),
                         CACHE_OK);
        count = 0;
    }
}

void fixture_remove(struct fixture *f, uint32_t first, uint32_t last)
{
    size_t count = last - first + 1;
    uint32_t *uids = calloc(count, sizeof *uids);
    assert_non_null(uids);
    for (size_t i = 0; i < count; i++)
        uids[i] = first + (uint32_t)i;
    assert_int_equal(
        cache_messages_gone(f->cache, f->inbox, FIXTURE_UIDVALIDITY, uids, count, NULL, NULL),
        CACHE_OK);
    free(uids);
}

struct cache_inode fixture_find(struct fixture *f, uint32_t uid)
{
    struct cache_inode inode;
    assert_int_equal(cache_message_find(f->cache, f->inbox, uid, &inode), CACHE_OK);
    return inode;
}

struct outcome {
    pthread_mutex_t lock;
    pthread_cond_t over;
    bool done;
    enum cache_error error;
    uint64_t size;
};

static void body_done(void *ctx, enum cache_error error, uint64_t size)
{
    struct outcome *outcome = ctx;
    pthread_mutex_lock(&outcome->lock);
    outcome->error = error;
    outcome->size = size;
    outcome->done = true;
    pthread_cond_signal(&outcome->over);
    pthread_mutex_unlock(&outcome->lock);
}

enum cache_error fixture_body(struct cache *cache, int64_t message, uint32_t seed, uint64_t size,
                              size_t piece)
{
    struct outcome outcome = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0, 0};
    struct cache_incoming *incoming = NULL;
    unsigned char *data = malloc(piece);
    enum cache_error error = cache_incoming_begin(cache, &incoming);
    for (uint64_t at = 0; error == CACHE_OK && at < size; at += piece) {
        size_t len = size - at < piece ? (size_t)(size - at) : piece;
        for (size_t i = 0; i < len; i++)
            data[i] = fixture_byte(seed, at + i);
        error = cache_incoming_write(incoming, data, len);
    }
    free(data);
    if (error != CACHE_OK) {
        cache_incoming_abort(&incoming);
        return error;
    }
    cache_incoming_commit(&incoming, message, body_done, &outcome);
    pthread_mutex_lock(&outcome.lock);
    while (!outcome.done)
        pthread_cond_wait(&outcome.over, &outcome.lock);
    pthread_mutex_unlock(&outcome.lock);
    return outcome.error;
}

bool fixture_body_is(struct cache *cache, int64_t message, uint32_t seed, uint64_t size,
                     size_t piece)
{
    uint64_t pinned = 0;
    if (cache_body_pin(cache, message, &pinned) != CACHE_OK)
        return false;
    unsigned char *data = malloc(piece);
    bool same = pinned == size;
    for (uint64_t at = 0; same && at <= size; at += piece) {
        size_t got = 0, want = size - at < piece ? (size_t)(size - at) : piece;
        same = cache_body_read(cache, message, at, data, piece, &got) == CACHE_OK && got == want;
        for (size_t i = 0; same && i < got; i++)
            same = data[i] == fixture_byte(seed, at + i);
    }
    free(data);
    cache_body_unpin(cache, message);
    return same;
}

void heard_change(void *ctx, const struct cache_change *change)
{
    struct heard *heard = ctx;
    if (change->gone) {
        heard->gone++;
        snprintf(heard->last_gone, sizeof heard->last_gone, "%s", change->name);
    } else {
        heard->came++;
        snprintf(heard->last_came, sizeof heard->last_came, "%s", change->name);
        heard->last_ino = change->ino;
    }
}
