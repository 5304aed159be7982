/* See journal_fixture.h. */
#include "tests/unit/cache/journal_fixture.h"

#include <dirent.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

int rig_setup_bare(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    snprintf(rig->directory, sizeof rig->directory, "%s/outlookfs-journal-XXXXXX",
             getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
    if (mkdtemp(rig->directory) == NULL)
        return -1;
    snprintf(rig->state, sizeof rig->state, "%s/state", rig->directory);
    snprintf(rig->cache, sizeof rig->cache, "%s/cache", rig->directory);
    if (mkdir(rig->cache, 0700) != 0)
        return -1;
    *state = rig;
    return 0;
}

int rig_setup(void **state)
{
    if (rig_setup_bare(state) != 0)
        return -1;
    rig_open(*state);
    return 0;
}

int rig_setup_files(void **state)
{
    if (rig_setup_bare(state) != 0)
        return -1;
    ((struct rig *)*state)->limits.small = 1;
    rig_open(*state);
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

int rig_teardown(void **state)
{
    struct rig *rig = *state;
    journal_close(&rig->journal);
    nftw(rig->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(rig);
    return 0;
}

void rig_open(struct rig *rig)
{
    char text[JOURNAL_TEXT_MAX];
    if (journal_open(&rig->journal, rig->state, rig->cache, &rig->limits, text) != CACHE_OK)
        fail_msg("journal_open: %s", text);
}

void rig_reopen(struct rig *rig)
{
    journal_close(&rig->journal);
    rig_open(rig);
}

enum cache_error rig_try_open(struct rig *rig, char *text)
{
    struct journal *second = NULL;
    enum cache_error error = journal_open(&second, rig->state, rig->cache, &rig->limits, text);
    journal_close(&second);
    return error;
}

static bool ends_with(const char *name, const char *ends)
{
    size_t len = strlen(name), tail = strlen(ends);
    return len >= tail && strcmp(name + len - tail, ends) == 0;
}

const char *rig_find(struct rig *rig, const char *begins, const char *ends)
{
    static char path[RIG_PATH + 300];
    path[0] = '\0';
    DIR *dir = opendir(rig->state);
    assert_non_null(dir);
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir))
        if (strncmp(e->d_name, begins, strlen(begins)) == 0 && ends_with(e->d_name, ends))
            snprintf(path, sizeof path, "%s/%s", rig->state, e->d_name);
    closedir(dir);
    if (path[0] == '\0')
        fail_msg("no %s*%s", begins, ends);
    return path;
}

static unsigned count_names(const char *directory, const char *begins, const char *part)
{
    unsigned count = 0;
    DIR *dir = opendir(directory);
    assert_non_null(dir);
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir))
        count += e->d_name[0] != '.' && strncmp(e->d_name, begins, strlen(begins)) == 0 &&
                         strstr(e->d_name, part) != NULL
                     ? 1
                     : 0;
    closedir(dir);
    return count;
}

unsigned rig_count(struct rig *rig, const char *begins, const char *part)
{
    return count_names(rig->state, begins, part);
}

unsigned rig_spools(struct rig *rig)
{
    return count_names(rig_find(rig, "outbox-", ""), "", "");
}

struct journal_spool *rig_spool(struct rig *rig, uint32_t seed, uint64_t size)
{
    enum { PIECE = 50000 };
    struct journal_spool *spool = NULL;
    static unsigned char data[PIECE];
    assert_int_equal(journal_spool_create(rig->journal, &spool), CACHE_OK);
    for (uint64_t at = 0; at < size; at += PIECE) {
        size_t len = size - at < PIECE ? (size_t)(size - at) : PIECE;
        for (size_t i = 0; i < len; i++)
            data[i] = rig_byte(seed, at + i);
        assert_int_equal(journal_spool_write(spool, at, data, len), CACHE_OK);
    }
    return spool;
}

bool rig_spool_is(struct rig *rig, int64_t id, uint32_t seed, uint64_t size)
{
    struct journal_spool *spool = NULL;
    unsigned char data[4096];
    if (journal_spool_open(rig->journal, id, &spool) != CACHE_OK)
        return false;
    bool same = journal_spool_size(spool) == size;
    size_t got = 1;
    for (uint64_t at = 0; same && got > 0; at += got) {
        same = journal_spool_read(spool, at, data, sizeof data, &got) == CACHE_OK &&
               (got > 0 || at == size);
        for (size_t i = 0; same && i < got; i++)
            same = data[i] == rig_byte(seed, at + i);
    }
    journal_spool_close(&spool);
    return same;
}

struct journal_intent rig_append(struct journal_spool *spool, unsigned number)
{
    return (struct journal_intent){
        .kind = JOURNAL_APPEND,
        .target = "Archive",
        .target_uidvalidity = 7,
        .flags = "\\Seen",
        .internaldate = 1700000000 + number,
        .name = "a name.eml",
        .message_id = "<0123456789.abcdef@mail.example.org>",
        .date = "Mon, 23 Nov 2026 09:14:02 +0100",
        .from = "Jane Doe <jane@example.org>",
        .subject = "A subject",
        .size = number,
        .spool = spool,
    };
}

struct journal_intent rig_move(uint32_t uid)
{
    return (struct journal_intent){
        .kind = JOURNAL_MOVE,
        .mailbox = "INBOX",
        .uidvalidity = 3,
        .uid = uid,
        .target = "Archive",
        .name = "b.eml",
    };
}

int64_t rig_add(struct rig *rig, struct journal_intent intent)
{
    int64_t id = 0;
    assert_int_equal(journal_add(rig->journal, &intent, 1, JOURNAL_INTENT, &id), CACHE_OK);
    return id;
}

int64_t rig_add_append(struct rig *rig, uint32_t seed, uint64_t size)
{
    struct journal_spool *spool = rig_spool(rig, seed, size);
    int64_t id = rig_add(rig, rig_append(spool, seed));
    journal_spool_close(&spool);
    return id;
}

enum cache_error rig_do(struct rig *rig, int64_t id, enum journal_event event)
{
    struct journal_move move = {.id = id,
                                .event = event,
                                .target_uidvalidity = 7,
                                .target_uidnext = 100,
                                .uidvalidity = 7,
                                .uid = (uint32_t)(1000 + id),
                                .code = 5,
                                .reason = "because"};
    return journal_do(rig->journal, &move, 1, false);
}

void rig_brings(struct rig *rig, int64_t id, enum journal_state state)
{
    static const struct {
        enum journal_event events[2];
        unsigned count;
    } ways[JOURNAL_STATES] = {
        [JOURNAL_SENT] = {{JOURNAL_DO_SEND},                     1},
        [JOURNAL_DONE] = {{JOURNAL_DO_SEND, JOURNAL_DO_SUCCEED}, 2},
        [JOURNAL_REFUSED] = {{JOURNAL_DO_SEND, JOURNAL_DO_REFUSE},  2},
        [JOURNAL_HELD] = {{JOURNAL_DO_SEND, JOURNAL_DO_HOLD},    2},
    };
    for (unsigned i = 0; i < ways[state].count; i++)
        assert_int_equal(rig_do(rig, id, ways[state].events[i]), CACHE_OK);
}

enum journal_state rig_state(struct rig *rig, int64_t id)
{
    struct journal_row row;
    enum cache_error error = journal_get(rig->journal, id, &row);
    enum journal_state state = row.state;
    journal_row_free(&row);
    assert_true(error == CACHE_OK || error == CACHE_ERR_ABSENT);
    return state;
}

struct journal_row rig_row(struct rig *rig, int64_t id)
{
    struct journal_row row;
    assert_int_equal(journal_get(rig->journal, id, &row), CACHE_OK);
    return row;
}
