/*
 * What the question to the keyring does before a bus comes into it, and after one that is not
 * there; the dialogue itself is tests/e2e/test_keyring.py's.
 */
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth/keyring.h"
#include "base/clock.h"

static enum auth_keyring_error ask_at(const char *bus, const char *runtime)
{
    unsigned char key[AUTH_SEAL_KEY] = {0};
    static const unsigned char zeros[AUTH_SEAL_KEY];
    if (bus != NULL)
        setenv("DBUS_SESSION_BUS_ADDRESS", bus, 1);
    else
        unsetenv("DBUS_SESSION_BUS_ADDRESS");
    if (runtime != NULL)
        setenv("XDG_RUNTIME_DIR", runtime, 1);
    else
        unsetenv("XDG_RUNTIME_DIR");
    int64_t begin = clock_ms();
    enum auth_keyring_error error = auth_keyring_ask(AUTH_KEYRING_GET, "jane@example.org", key);
    assert_true(clock_ms() - begin < 2000);
    assert_memory_equal(key, zeros, sizeof key);
    return error;
}

/* In a child after an answer that took GDBus, the question is not even asked. */
static void test_no_bus(void **state)
{
    static const char *const buses[] = {
        NULL,        "",           "unix:path=/nonexistent/bus", "autolaunch:", "disabled:",
        "nonsense",  "unix:path=", "tcp:host=127.0.0.1,port=9",  ";",           "unix:path=/x;",
        "unix:a=b;c"};
    for (size_t i = 0; i < sizeof buses / sizeof *buses; i++) {
        assert_int_equal(ask_at(buses[i], NULL), AUTH_KEYRING_NO_BUS);
        assert_int_equal(ask_at(buses[i], "/nonexistent"), AUTH_KEYRING_NO_BUS);
    }
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(ask_at("unix:path=/nonexistent/bus", NULL) == AUTH_KEYRING_FAILED &&
                      ask_at(NULL, NULL) == AUTH_KEYRING_NO_BUS
                  ? 0
                  : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* $XDG_RUNTIME_DIR/bus counts where it is a socket of this user. (This one takes no connections.)
 */
static void test_runtime_bus(void **state)
{
    char dir[] = "/tmp/outlookfs-run-XXXXXX";
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    assert_non_null(mkdtemp(dir));
    assert_int_equal(ask_at(NULL, dir), AUTH_KEYRING_NO_BUS);
    snprintf(name.sun_path, sizeof name.sun_path, "%s/bus", dir);
    assert_int_equal(mkfifo(name.sun_path, 0600), 0);
    assert_int_equal(ask_at(NULL, dir), AUTH_KEYRING_NO_BUS);
    unlink(name.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    assert_int_equal(ask_at(NULL, dir), AUTH_KEYRING_NO_BUS);
    close(fd);
    unlink(name.sun_path);
    rmdir(dir);
}

static void test_causes(void **state)
{
    for (int i = AUTH_KEYRING_OK; i <= AUTH_KEYRING_FAILED; i++)
        assert_true(strlen(auth_keyring_cause((enum auth_keyring_error)i)) > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_bus),
        cmocka_unit_test(test_runtime_bus),
        cmocka_unit_test(test_causes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
