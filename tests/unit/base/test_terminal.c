/* base/terminal.h and the status line of base/log.h, on a terminal of the test's own. */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/log.h"
#include "base/terminal.h"

/* stderr is a terminal from open_terminal to close_terminal. */
static int master, saved;

static void open_terminal(unsigned short columns)
{
    struct winsize size = {.ws_col = columns, .ws_row = 10};
    int slave;
    assert_int_equal(openpty(&master, &slave, NULL, NULL, &size), 0);
    saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
    dup2(slave, STDERR_FILENO);
    close(slave);
    setenv("TERM", "xterm", 1);
}

static void close_terminal(void)
{
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(master);
}

/* What has been drawn since. */
static char *drawn(char text[8192])
{
    size_t len = 0;
    struct pollfd fd = {.fd = master, .events = POLLIN};
    while (len < 8191 && poll(&fd, 1, 0) == 1) {
        ssize_t n = read(master, text + len, 8191 - len);
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    text[len] = '\0';
    return text;
}

static void test_fit(void **state)
{
    static const struct {
        const char *text;
        unsigned columns;
        size_t fits;
    } rows[] = {
        {"plain",                5, 5},
        {"plain",                4, 4},
        {"plain",                0, 0},
        {"",                     9, 0},
        {"caf\xc3\xa9",          5, 5},
        {"caf\xc3\xa9",          4, 3}, /* wide, for all that is known */
        {"\xe6\x97\x85\xe8\xa1", 3, 3},
        {"\xf0\x9f\x93\xa7x",    3, 5},
        {"\xf0\x9f\x93\xa7x",    2, 4},
        {"\xf0\x9f\x93\xa7x",    1, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(terminal_fit(rows[i].text, strlen(rows[i].text), rows[i].columns),
                         rows[i].fits);
}

static void test_kinds(void **state)
{
    int ends[2];
    unsigned columns, rows;
    assert_int_equal(pipe(ends), 0);
    setenv("TERM", "xterm", 1);
    assert_false(terminal_usable(ends[1]));
    assert_false(terminal_busy(ends[1]));
    assert_false(terminal_same(ends[0], ends[1]));
    terminal_size(ends[1], &columns, &rows);
    assert_int_equal(columns, 80);
    assert_int_equal(rows, 24);
    open_terminal(33);
    assert_true(terminal_usable(STDERR_FILENO));
    assert_true(terminal_same(STDERR_FILENO, STDERR_FILENO));
    assert_false(terminal_same(STDERR_FILENO, ends[1]));
    terminal_size(STDERR_FILENO, &columns, &rows);
    assert_int_equal(columns, 33);
    assert_int_equal(rows, 10);
    setenv("TERM", "dumb", 1);
    assert_false(terminal_usable(STDERR_FILENO));
    unsetenv("TERM");
    assert_false(terminal_usable(STDERR_FILENO));
    close_terminal();
    close(ends[0]);
    close(ends[1]);
}

static void test_status_line(void **state)
{
    char text[8192];
    open_terminal(20);
    log_open(NULL);
    assert_true(log_status_begin());
    log_status("half way");
    assert_string_equal(drawn(text), "\rhalf way\033[K");
    log_status("half way");
    assert_string_equal(drawn(text), "");
    log_status("0123456789012345678901234567890 cut\x1b[31m");
    assert_string_equal(drawn(text), "\r0123456789012345678\033[K");
    log_status("b\xe2\x80\xae\x1b[m");
    assert_string_equal(drawn(text), "\rb????[m\033[K");
    log_info("record");
    drawn(text);
    assert_memory_equal(text, "\r\033[K20", 6);
    assert_non_null(strstr(text, "info: record\r\n\rb????[m\033[K"));
    log_beside("beside\n", 7);
    assert_string_equal(drawn(text), "\r\033[Kbeside\r\n\rb????[m\033[K");
    log_status("");
    assert_string_equal(drawn(text), "\r\033[K");
    log_status("");
    log_beside("beside\n", 7);
    assert_string_equal(drawn(text), "beside\r\n");
    log_status("again");
    log_status_end();
    assert_string_equal(drawn(text), "\ragain\033[K\r\033[K");
    log_status("too late");
    log_beside("beside\n", 7);
    assert_string_equal(drawn(text), "beside\r\n");
    close_terminal();
}

/* The log goes elsewhere: records leave the line alone, what the command tells does not. */
static void test_log_elsewhere(void **state)
{
    char text[8192], path[] = "/tmp/outlookfs-log-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    open_terminal(80);
    assert_int_equal(log_open(path), 0);
    assert_true(log_status_begin());
    log_status("working");
    log_info("record");
    assert_string_equal(drawn(text), "\rworking\033[K");
    log_beside("beside\n", 7);
    assert_string_equal(drawn(text), "\r\033[Kbeside\r\n\rworking\033[K");
    ssize_t n = read(file, text, sizeof text - 1);
    assert_true(n > 0);
    text[n] = '\0';
    assert_null(strchr(text, '\033'));
    assert_null(strchr(text, '\r'));
    assert_non_null(strstr(text, "info: record\n"));
    log_status_end();
    log_open(NULL);
    close_terminal();
    close(file);
    unlink(path);
}

static void test_no_terminal(void **state)
{
    int ends[2], old = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
    char text[64];
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    dup2(ends[1], STDERR_FILENO);
    setenv("TERM", "xterm", 1);
    bool begun = log_status_begin();
    log_status("nobody sees it");
    log_beside("beside\n", 7);
    ssize_t n = read(ends[0], text, sizeof text);
    dup2(old, STDERR_FILENO);
    close(old);
    close(ends[0]);
    close(ends[1]);
    assert_false(begun);
    assert_int_equal(n, 7);
    assert_memory_equal(text, "beside\n", 7);
}

/* A terminal that was stopped takes nothing: the line does not wait for it. */
static void test_stopped_terminal(void **state)
{
    char text[8192];
    open_terminal(80);
    assert_true(log_status_begin());
    assert_int_equal(ioctl(STDERR_FILENO, TCXONC, TCOOFF), 0);
    alarm(20);
    log_status("one");
    log_status("two");
    assert_string_equal(drawn(text), "");
    assert_int_equal(ioctl(STDERR_FILENO, TCXONC, TCOON), 0);
    log_status("two");
    assert_string_equal(drawn(text), "\rtwo\033[K");
    assert_int_equal(ioctl(STDERR_FILENO, TCXONC, TCOOFF), 0);
    log_status_end();
    alarm(0);
    assert_int_equal(ioctl(STDERR_FILENO, TCXONC, TCOON), 0);
    close_terminal();
}

/* ---- many threads ---- */

enum { WRITERS = 4, RECORDS = 200 };

static void *write_records(void *arg)
{
    for (int i = 0; i < RECORDS; i++)
        log_info("record of %s", (const char *)arg);
    return NULL;
}

static void *draw_lines(void *arg)
{
    char line[32];
    for (int i = 0; i < RECORDS; i++) {
        snprintf(line, sizeof line, "<%c>", 'a' + i % 26);
        log_status(line);
    }
    return NULL;
}

static char *everything;
static size_t everything_len;

/* Ends at the byte that the test writes last. */
static void *read_all(void *arg)
{
    for (;;) {
        ssize_t n = read(master, everything + everything_len, 4096);
        if (n <= 0)
            return NULL;
        everything_len += (size_t)n;
        if (memchr(everything + everything_len - n, '$', (size_t)n) != NULL)
            return NULL;
    }
}

static void test_threads(void **state)
{
    static const char *const names[WRITERS] = {"a", "b", "c", "d"};
    pthread_t writers[WRITERS], drawer, reader;
    everything = calloc(1, 1 << 20);
    assert_non_null(everything);
    everything_len = 0;
    open_terminal(80);
    log_open(NULL);
    assert_true(log_status_begin());
    pthread_create(&reader, NULL, read_all, NULL);
    pthread_create(&drawer, NULL, draw_lines, NULL);
    for (size_t i = 0; i < WRITERS; i++)
        pthread_create(&writers[i], NULL, write_records, (void *)(uintptr_t)names[i]);
    for (size_t i = 0; i < WRITERS; i++)
        pthread_join(writers[i], NULL);
    pthread_join(drawer, NULL);
    log_status_end();
    log_beside("$\n", 2);
    pthread_join(reader, NULL);
    close_terminal();
    unsigned records = 0;
    char *rest = NULL;
    for (char *line = strtok_r(everything, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        const char *record = strstr(line, "record of ");
        if (record == NULL)
            continue;
        records++;
        const char *stamp = strstr(line, "20"), *drawn_last = strrchr(line, '>');
        assert_non_null(stamp);
        /* From the stamp on nothing was drawn, and what was drawn before was erased. */
        assert_null(strchr(stamp, '\033'));
        if (drawn_last != NULL)
            assert_memory_equal(stamp - 4, "\r\033[K", 4);
        assert_string_equal(record + 11, "\r");
    }
    assert_int_equal(records, WRITERS * RECORDS);
    free(everything);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fit),         cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_status_line), cmocka_unit_test(test_log_elsewhere),
        cmocka_unit_test(test_no_terminal), cmocka_unit_test(test_stopped_terminal),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
