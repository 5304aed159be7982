/* From rows to what stat shows, directory offsets, and errors to errnos. */
#include "tests/unit/test.h"

#include <errno.h>

#include "fs/internal.h"

static void stat_of_rows(void **state)
{
    static const struct {
        struct cache_inode inode;
        mode_t mode;
        off_t size;
        blkcnt_t blocks;
    } cases[] = {
        {{.ino = 5, .kind = CACHE_DIRECTORY, .size = 9, .mtime = 7, .ctime = 8},
         S_IFDIR | 0700,
         0,   0},
        {{.ino = 6, .kind = CACHE_MESSAGE, .size = 0, .mtime = 7, .ctime = 8},
         S_IFREG | 0400,
         0,   0},
        {{.ino = 7, .kind = CACHE_MESSAGE, .size = 1, .mtime = 7, .ctime = 8},
         S_IFREG | 0400,
         1,   1},
        {{.ino = UINT64_C(1) << 40, .kind = CACHE_MESSAGE, .size = 513, .mtime = 7, .ctime = 8},
         S_IFREG | 0400,
         513, 2},
    };
    const struct fs fs = {.uid = 1234, .gid = 99, .read_only = true};
    const struct fs writable = {.uid = 1234, .gid = 99};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct stat st;
        attr_fill(&fs, &cases[i].inode, &st);
        assert_int_equal(st.st_ino, cases[i].inode.ino);
        assert_int_equal(st.st_mode, cases[i].mode);
        assert_int_equal(st.st_size, cases[i].size);
        assert_int_equal(st.st_blocks, cases[i].blocks);
        assert_int_equal(st.st_mtim.tv_sec, 7);
        assert_int_equal(st.st_ctim.tv_sec, 8);
        assert_int_equal(st.st_nlink, 1);
        assert_int_equal(st.st_uid, 1234);
        assert_int_equal(st.st_gid, 99);
        attr_fill(&writable, &cases[i].inode, &st);
        assert_int_equal(st.st_mode, cases[i].mode | 0200);
    }
}

static void offsets(void **state)
{
    static const uint64_t numbers[] = {1, 2, 3, 1000, UINT64_C(1) << 32, UINT64_C(1) << 61};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        assert_true(dir_offset_of(numbers[i]) > 2);
        assert_true(dir_ino_of(dir_offset_of(numbers[i])) == numbers[i]);
    }
    for (off_t dots = 0; dots <= 2; dots++)
        assert_true(dir_ino_of(dots) == 0);
}

static void errors(void **state)
{
    assert_int_equal(fs_errno(SYNC_OK), 0);
    assert_int_equal(fs_errno(SYNC_ERR_UNREACHABLE), ENETUNREACH);
    assert_int_equal(fs_errno(SYNC_ERR_THROTTLED), EAGAIN);
    assert_int_equal(fs_errno(SYNC_ERR_UNFETCHABLE), EIO);
    for (int e = SYNC_ERR_UNREACHABLE; e <= SYNC_ERR_MEMORY; e++)
        assert_int_not_equal(fs_errno((enum sync_error)e), 0);
    assert_int_equal(fs_errno((enum sync_error)999), EIO);
    assert_int_equal(fs_errno_of_cache(CACHE_OK), 0);
    assert_int_equal(fs_errno_of_cache(CACHE_ERR_ABSENT), ENOENT);
    assert_int_equal(fs_errno_of_cache(CACHE_ERR_FULL), ENOSPC);
    for (int e = CACHE_ERR_ABSENT; e <= CACHE_ERR_MEMORY; e++)
        assert_int_not_equal(fs_errno_of_cache((enum cache_error)e), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stat_of_rows),
        cmocka_unit_test(offsets),
        cmocka_unit_test(errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
