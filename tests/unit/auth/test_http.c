/*
 * auth/http.c where the network does worse than any server could: a name that is looked up for
 * ever. getaddrinfo is ours here; it tells when it is called, and blocks until it may go on.
 */
#include "tests/unit/test.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "auth/http.h"
#include "base/clock.h"

enum { LONG_MS = 20000, SHORT_MS = 500, AT_ONCE_MS = 5000 };

static int asked = -1, go_on = -1; /* eventfds */

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **result)
{
    struct pollfd fd = {.fd = go_on, .events = POLLIN};
    eventfd_write(asked, 1);
    poll(&fd, 1, LONG_MS);
    return EAI_AGAIN;
}

static int set_up(void **state)
{
    static const char *const theirs[] = {"https_proxy", "HTTPS_PROXY", "all_proxy",
                                         "ALL_PROXY",   "no_proxy",    "NO_PROXY"};
    for (size_t i = 0; i < sizeof theirs / sizeof *theirs; i++)
        unsetenv(theirs[i]);
    asked = eventfd(0, EFD_CLOEXEC);
    go_on = eventfd(0, EFD_CLOEXEC);
    return asked < 0 || go_on < 0;
}

/* The threads that look up end. */
static int tear_down(void **state)
{
    return eventfd_write(go_on, 1);
}

static char text[AUTH_TEXT_MAX];

/* Returns how long it took, ms. */
static int64_t post(int timeout_ms, int cancel_fd, enum auth_error expected)
{
    const struct auth_http http = {.timeout_ms = timeout_ms, .cancel_fd = cancel_fd};
    struct auth_reply reply;
    struct buffer form;
    buffer_init(&form, 10);
    assert_true(buffer_append_text(&form, "a=b"));
    int64_t begin = clock_ms();
    assert_int_equal(auth_http_post(&http, "https://nowhere.example/token", &form, &reply, text),
                     expected);
    int64_t took = clock_ms() - begin;
    buffer_wipe(&reply.body);
    buffer_free(&form);
    return took;
}

/* Ctrl-C comes the moment the lookup has begun. */
static void test_cancelled_in_a_lookup(void **state)
{
    assert_true(post(LONG_MS, asked, AUTH_ERR_CANCELLED) < AT_ONCE_MS);
}

static void test_bound_in_a_lookup(void **state)
{
    assert_true(post(SHORT_MS, -1, AUTH_ERR_NETWORK) < AT_ONCE_MS);
}

static void *refuse(void *arg)
{
    static const char answer[] = "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n";
    char request[4096];
    int fd = accept(*(int *)arg, NULL, NULL);
    ssize_t got = recv(fd, request, sizeof request, 0);
    ssize_t put = send(fd, answer, sizeof answer - 1, 0);
    close(fd);
    return got > 0 && put > 0 ? arg : NULL;
}

static void test_proxy(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    char proxy[64];
    pthread_t thread;
    void *served;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    assert_int_equal(pthread_create(&thread, NULL, refuse, &fd), 0);
    snprintf(proxy, sizeof proxy, "http://joe:hunter2@127.0.0.1:%d", ntohs(address.sin_port));
    setenv("https_proxy", proxy, 1);
    post(LONG_MS, -1, AUTH_ERR_NETWORK);
    unsetenv("https_proxy");
    assert_non_null(strstr(text, "HTTP 407"));
    assert_non_null(strstr(text, "https_proxy"));
    assert_null(strstr(text, "hunter2"));
    assert_int_equal(pthread_join(thread, &served), 0);
    assert_non_null(served);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cancelled_in_a_lookup),
        cmocka_unit_test(test_bound_in_a_lookup),
        cmocka_unit_test(test_proxy),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
