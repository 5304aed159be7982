/* cli/paths.c and cli/mounts.c: account names, directories, mountinfo. */
#include "tests/unit/test.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/mounts.h"
#include "cli/paths.h"

static void test_account(void **state)
{
    static const struct {
        const char *name;
        bool good;
    } rows[] = {
        {"me@outlook.com", true },
        {"work",           true },
        {"j\xc3\xb6@x",    true },
        {"..me",           true },
        {"",               false},
        {".",              false},
        {"..",             false},
        {"a/b",            false},
        {"../x",           false},
        {"-o",             false},
        {"a\nb",           false},
        {"a\x1b[m",        false},
        {"a\x7f",          false},
        {"\xff",           false},
        {"a\xe2\x80\xae",  false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(paths_account_valid(rows[i].name), rows[i].good);
    char longest[202];
    memset(longest, 'a', 201);
    longest[201] = '\0';
    assert_false(paths_account_valid(longest));
    longest[200] = '\0';
    assert_true(paths_account_valid(longest));
}

static void expect_path(char *path, const char *expect)
{
    assert_non_null(path);
    assert_string_equal(path, expect);
    free(path);
}

static void test_directories(void **state)
{
    setenv("HOME", "/h", 1);
    setenv("XDG_CONFIG_HOME", "/conf", 1);
    setenv("XDG_CACHE_HOME", "relative", 1); /* to be ignored */
    unsetenv("XDG_STATE_HOME");
    expect_path(paths_config_file(), "/conf/outlookfs/accounts.json");
    expect_path(paths_cache_dir("me"), "/h/.cache/outlookfs/me");
    expect_path(paths_state_dir("me"), "/h/.local/state/outlookfs/me");
    expect_path(paths_state_dir(NULL), "/h/.local/state/outlookfs");
    expect_path(paths_absolute("/a"), "/a");
    expect_path(paths_absolute("~/a"), "/h/a");
    setenv("XDG_RUNTIME_DIR", "/nonexistent", 1);
    assert_null(paths_runtime_dir());
}

/* As a user who is not root, HOME being `given` (NULL: none): what paths_repair_home makes of it.
 */
static void expect_home(const char *given, const char *wanted)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        if (geteuid() == 0 && seteuid(65534) != 0)
            _exit(2);
        if (given != NULL)
            setenv("HOME", given, 1);
        else
            unsetenv("HOME");
        const struct passwd *user = getpwuid(geteuid());
        if (wanted == NULL)
            wanted = user != NULL ? user->pw_dir : given;
        int repaired = paths_repair_home();
        const char *home = getenv("HOME");
        bool good = wanted == NULL ? home == NULL : home != NULL && strcmp(home, wanted) == 0;
        _exit(repaired == 0 && good ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void test_repair_home(void **state)
{
    expect_home("/etc", NULL); /* root's, as /root is */
    expect_home(NULL, NULL);
    expect_home("/nonexistent/home", "/nonexistent/home");
    assert_int_equal(setenv("HOME", "/h", 1), 0);
    assert_int_equal(paths_repair_home(), 0);
    assert_string_equal(getenv("HOME"), "/h");
}

static void test_make_dir(void **state)
{
    char base[] = "/tmp/outlookfs-paths-XXXXXX", path[64];
    assert_non_null(mkdtemp(base));
    snprintf(path, sizeof path, "%s/a/b", base);
    assert_int_equal(paths_make_dir(path), 0);
    assert_int_equal(paths_make_dir(path), 0);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    rmdir(path);
    snprintf(path, sizeof path, "%s/a", base);
    rmdir(path);
    rmdir(base);
}

static void test_mountinfo(void **state)
{
    static const struct {
        const char *line, *path;
        bool found, ours;
    } rows[] = {
        {"36 35 0:44 / /home/me/my\\040mail rw - fuse.outlookfs me@x rw",  "/home/me/my mail", true,
         true                                                                                              },
        {"36 35 0:44 / /mail rw shared:1 master:2 - fuse.outlookfs me rw", "/mail",            true,  true },
        {"36 35 0:44 / /mail rw - fuse.sshfs me rw",                       "/mail",            true,  false},
        {"36 35 0:44 / /mail2 rw - fuse.outlookfs me rw",                  "/mail",            false, false},
        {"36 35 0:44 / /mail rw",                                          "/mail",            false, false},
        {"",                                                               "/mail",            false, false},
        {"36 35 0:44 / /a\\134b rw - fuse.outlookfs me rw",                "/a\\b",            true,  true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mounts_entry entry = {0};
        assert_int_equal(mounts_parse_line(rows[i].line, rows[i].path, &entry), rows[i].found);
        assert_int_equal(entry.ours, rows[i].ours);
        assert_int_equal(entry.mounted, rows[i].found);
    }
    /* x-systemd.automount: the place is free, until something is mounted over the autofs. */
    struct mounts_entry entry = {0};
    assert_true(mounts_parse_line("1 2 0:3 / /mail rw - autofs systemd-1 rw", "/mail", &entry));
    assert_false(entry.mounted);
    assert_true(mounts_parse_line("2 1 0:4 / /mail rw - fuse.outlookfs me rw", "/mail", &entry));
    assert_true(entry.mounted && entry.ours);
}

static void test_resolve(void **state)
{
    char base[] = "/tmp/outlookfs-mounts-XXXXXX", dir[64], link[64], path[PATH_MAX];
    assert_non_null(mkdtemp(base));
    snprintf(dir, sizeof dir, "%s/dir", base);
    snprintf(link, sizeof link, "%s/link", base);
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_int_equal(symlink("dir", link), 0);
    char with_slash[80], dots[80];
    snprintf(with_slash, sizeof with_slash, "%s//", dir);
    snprintf(dots, sizeof dots, "%s/../dir/.", dir);
    const char *const same[] = {dir, link, with_slash, dots};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(mounts_resolve(same[i], path), 0);
        assert_string_equal(path, dir);
    }
    assert_int_equal(mounts_resolve("/", path), 0);
    assert_string_equal(path, "/");
    assert_int_equal(mounts_resolve("/tmp", path), 0);
    assert_string_equal(path, "/tmp");
    assert_int_equal(chdir(base), 0);
    assert_int_equal(mounts_resolve("dir", path), 0);
    assert_string_equal(path, dir);
    assert_int_equal(mounts_resolve("absent", path), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(mounts_resolve("", path), -1);
    assert_int_equal(mounts_probe(dir, 5000), 0);
    assert_int_equal(mounts_probe("/proc/self/status", 5000), ENOTDIR);
    assert_int_equal(mounts_probe("/nonexistent", 5000), ENOENT);
    assert_int_equal(chdir("/"), 0);
    unlink(link);
    rmdir(dir);
    rmdir(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_account),     cmocka_unit_test(test_directories),
        cmocka_unit_test(test_repair_home), cmocka_unit_test(test_make_dir),
        cmocka_unit_test(test_mountinfo),   cmocka_unit_test(test_resolve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
