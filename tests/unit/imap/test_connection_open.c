/*
 * Opening a connection in clear text on loopback: each greeting, each way to sign in, each refusal,
 * as one row with the server's script. And the same dialogue cut after each of its bytes.
 */
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "tests/unit/imap/client.h"

#define CAPABILITY(words) "C A1 CAPABILITY\nS * CAPABILITY " words "\nS A1 OK completed.\n"
#define NO_ID             "C A3 CAPABILITY\nC A4 NOOP\nS * CAPABILITY IMAP4rev1\nS A3 OK done\nS A4 OK done\n"
#define AUTH              "C A2 AUTHENTICATE XOAUTH2 " XOAUTH2 "\n"
#define TOKEN             "t"
#define JSON              "eyJzdGF0dXMiOiI0MDAifQ=="

struct row {
    const char *name;
    enum imap_auth auth;
    const char *secret;
    const char *script;
    enum imap_error error;
    const char *words; /* in the failure's text */
    int64_t backoff_ms;
};

static const struct row rows[] = {
    {"Outlook today",                        IMAP_AUTH_XOAUTH2,     TOKEN,            OPENING(""),                                       IMAP_OK,              "",                              0    },
    {"capabilities in the greeting",         IMAP_AUTH_XOAUTH2,     TOKEN,
     "S * OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] ready\n"
     "C A1 AUTHENTICATE XOAUTH2 " XOAUTH2 "\nS A1 OK [CAPABILITY IMAP4rev1 NAMESPACE] in\n"
     "C A2 CAPABILITY\nC A3 NAMESPACE\nS * CAPABILITY IMAP4rev1 NAMESPACE\nS A2 OK done\n"
     "S * NAMESPACE ((\"INBOX.\" \".\")) NIL NIL\nS A3 OK done\n",                                                                       IMAP_OK,              "",                              0    },
    {"without SASL-IR",                      IMAP_AUTH_XOAUTH2,     TOKEN,
     GREETING CAPABILITY("IMAP4rev1 AUTH=XOAUTH2") "C A2 AUTHENTICATE XOAUTH2\nS + \nC " XOAUTH2
                                                   "\nS A2 OK in\n" NO_ID,
     IMAP_OK,                                                                                                                                                  "",                              0    },
    {"OAUTHBEARER",                          IMAP_AUTH_OAUTHBEARER, TOKEN,
     GREETING CAPABILITY("IMAP4rev1 AUTH=OAUTHBEARER SASL-IR") "C A2 AUTHENTICATE OAUTHBEARER "
                                                               "bixhPXUsAWhvc3Q9MTI3LjAuMC4xAXBvcnQ"
                                                               "9...\nS A2 OK in\n" NO_ID,
     IMAP_OK,                                                                                                                                                  "",                              0    },
    {"PLAIN",                                IMAP_AUTH_PASSWORD,    "p",
     GREETING CAPABILITY("IMAP4rev1 AUTH=PLAIN SASL-IR") "C A2 AUTHENTICATE PLAIN AHUAcA==\n"
                                                         "S A2 OK in\n" NO_ID,
     IMAP_OK,                                                                                                                                                  "",                              0    },
    {"PLAIN without SASL-IR",                IMAP_AUTH_PASSWORD,    "p",
     GREETING CAPABILITY("IMAP4rev1 AUTH=PLAIN") "C A2 AUTHENTICATE PLAIN\nS + \nC AHUAcA==\n"
                                                 "S A2 OK in\n" NO_ID,
     IMAP_OK,                                                                                                                                                  "",                              0    },
    {"LOGIN",                                IMAP_AUTH_PASSWORD,    "p q",
     GREETING CAPABILITY("IMAP4rev1") "C A2 LOGIN u \"p q\"\nS A2 OK in\n" NO_ID,                                                        IMAP_OK,              "",                              0    },
    {"LOGIN with a literal",                 IMAP_AUTH_PASSWORD,    "p\"q",
     GREETING CAPABILITY("IMAP4rev1") "C A2 LOGIN u {3}\nS + go on\nC p\"q\nS A2 OK in\n" NO_ID,
     IMAP_OK,                                                                                                                                                  "",                              0    },
    {"LOGIN with LITERAL+ and a needless +", IMAP_AUTH_PASSWORD,    "p\"q",
     GREETING CAPABILITY(
         "IMAP4rev1 LITERAL+") "C A2 LOGIN u {3+}\nS + what for\nC p\"q\nS A2 OK in\n" NO_ID,
     IMAP_OK,                                                                                                                                                  "",                              0    },
    {"LOGIN with LITERAL-",                  IMAP_AUTH_PASSWORD,    "p\"q",
     GREETING CAPABILITY("IMAP4rev1 LITERAL-") "C A2 LOGIN u {3+}\nC p\"q\nS A2 OK in\n" NO_ID,
     IMAP_OK,                                                                                                                                                  "",                              0    },
    {"literal refused",                      IMAP_AUTH_PASSWORD,    "p\"q",
     GREETING CAPABILITY("IMAP4rev1") "C A2 LOGIN u {3}\nS A2 NO too long\n",                                                            IMAP_ERR_AUTH,
     "too long",                                                                                                                                                                                0    },
    {"PREAUTH",                              IMAP_AUTH_XOAUTH2,     TOKEN,
     "S * PREAUTH [CAPABILITY IMAP4rev1] hello\n"
     "C A1 CAPABILITY\nC A2 NOOP\nS * CAPABILITY IMAP4rev1\nS A1 OK\nS A2 OK\n",                                                         IMAP_OK,              "",                              0    },
    {"NAMESPACE known only afterwards",      IMAP_AUTH_PASSWORD,    "p",
     GREETING CAPABILITY("IMAP4rev1") "C A2 LOGIN u p\nS A2 OK in\nC A3 CAPABILITY\nC A4 NOOP\n"
                                      "S * CAPABILITY IMAP4rev1 NAMESPACE\nS A3 OK\nS A4 OK\n"
                                      "C A5 NAMESPACE\nS * NAMESPACE ((\"\" \"/\")) NIL NIL\n"
                                      "S A5 OK\n",                                                                                       IMAP_OK,              "",                              0    },
    {"NAMESPACE refused, NOOP not",          IMAP_AUTH_XOAUTH2,     TOKEN,
     SIGN_IN("IMAP4rev1 AUTH=XOAUTH2 SASL-IR NAMESPACE") "C A3 CAPABILITY\nC A4 NAMESPACE\nS * "
                                                         "CAPABILITY IMAP4rev1\nS A3 OK\nS A4 BAD "
                                                         "what\n"
                                                         "C A5 NOOP\nS A5 OK\n",                                                         IMAP_OK,              "",                              0    },

    {"BYE at once",                          IMAP_AUTH_XOAUTH2,     TOKEN,            "S * BYE come back tomorrow\n",                    IMAP_ERR_CLOSED,
     "come back tomorrow",                                                                                                                                                                      0    },
    {"not IMAP",                             IMAP_AUTH_XOAUTH2,     TOKEN,            "S 220 smtp.example.com ESMTP\n",                  IMAP_ERR_PROTOCOL,
     "port=",                                                                                                                                                                                   0    },
    {"unavailable at once",                  IMAP_AUTH_XOAUTH2,     TOKEN,            "S Server Unavailable. 15\n",
     IMAP_ERR_UNAVAILABLE,                                                                                                                                     "later",                         0    },
    {"throttled at once",                    IMAP_AUTH_XOAUTH2,     TOKEN,
     "S * BYE Request is throttled. Suggested Backoff Time: 1234 milliseconds\n",                                                        IMAP_ERR_THROTTLED,   "wait",                          1234 },
    {"no mechanism",                         IMAP_AUTH_XOAUTH2,     TOKEN,            GREETING CAPABILITY("IMAP4rev1 AUTH=OAUTHBEARER"),
     IMAP_ERR_AUTH_MECH,                                                                                                                                       "auth=oauthbearer",              0    },
    {"password where LOGIN is disabled",     IMAP_AUTH_PASSWORD,    "p",
     GREETING CAPABILITY("IMAP4rev1 AUTH=XOAUTH2 LOGINDISABLED"),                                                                        IMAP_ERR_AUTH_BASIC,
     "auth=xoauth2",                                                                                                                                                                            0    },
    {"hung up after the sign-in",            IMAP_AUTH_XOAUTH2,     TOKEN,
     SIGN_IN("IMAP4rev1 AUTH=XOAUTH2 SASL-IR") "X\n",                                                                                    IMAP_ERR_CLOSED,      "",                              0    },
    {"refused at once",                      IMAP_AUTH_XOAUTH2,     TOKEN,
     GREETING CAPABILITY("IMAP4rev1 AUTH=XOAUTH2 SASL-IR") AUTH "S A2 NO AUTHENTICATE failed.\n",
     IMAP_ERR_AUTH,                                                                                                                                            "AUTHENTICATE failed.",          0    },
    {"refused with a challenge",             IMAP_AUTH_XOAUTH2,     TOKEN,
     GREETING CAPABILITY("IMAP4rev1 AUTH=XOAUTH2 SASL-IR") AUTH
     "S + " JSON "\nC \nS A2 NO [AUTHENTICATIONFAILED] SASL failed\n",
     IMAP_ERR_AUTH,                                                                                                                                            "SASL failed",                   0    },
    {"OAUTHBEARER refused with a challenge", IMAP_AUTH_OAUTHBEARER, TOKEN,
     GREETING CAPABILITY(
         "IMAP4rev1 AUTH=OAUTHBEARER SASL-IR") "C A2 AUTHENTICATE OAUTHBEARER ...\nS + " JSON
                                               "\nC AQ==\nS A2 NO SASL failed\n",                                                        IMAP_ERR_AUTH,        "SASL failed",                   0    },
    {"challenges without end",               IMAP_AUTH_XOAUTH2,     TOKEN,
     GREETING CAPABILITY("IMAP4rev1 AUTH=XOAUTH2 SASL-IR") AUTH
     "S + \nC \nS + \nC \nS + \nC \nS + \nC \nS + \n",                                                                                   IMAP_ERR_PROTOCOL,    "",                              0    },
    {"basic authentication",                 IMAP_AUTH_PASSWORD,    "p",
     GREETING CAPABILITY(
         "IMAP4rev1 AUTH=PLAIN SASL-IR") "C A2 AUTHENTICATE PLAIN AHUAcA==\n"
                                         "S A2 NO Basic authentication is disabled.\nS * BYE "
                                         "Microsoft Exchange signing off.\n",                                                            IMAP_ERR_AUTH_BASIC,  "OAuth",                         0    },
    {"throttled sign-in",                    IMAP_AUTH_XOAUTH2,     TOKEN,
     GREETING CAPABILITY("IMAP4rev1 AUTH=XOAUTH2 SASL-IR") AUTH
     "S A2 NO Request is throttled. Suggested Backoff Time: 92415 milliseconds\n",                                                       IMAP_ERR_THROTTLED,   "",                              92415},
    {"unavailable sign-in",                  IMAP_AUTH_XOAUTH2,     TOKEN,
     GREETING CAPABILITY("IMAP4rev1 AUTH=XOAUTH2 SASL-IR") AUTH
     "S A2 NO [UNAVAILABLE] Temporary authentication failure.\n",                                                                        IMAP_ERR_UNAVAILABLE, "",                              0    },
    {"too many connections",                 IMAP_AUTH_XOAUTH2,     TOKEN,
     GREETING CAPABILITY("IMAP4rev1 AUTH=XOAUTH2 SASL-IR") AUTH
     "S A2 NO [LIMIT] Maximum number of connections exceeded\n",                                                                         IMAP_ERR_UNAVAILABLE, "connections",                   0    },
    {"authenticated but not connected",      IMAP_AUTH_XOAUTH2,     TOKEN,
     SIGN_IN(
         CAPS) "C A3 CAPABILITY\nC A4 ID ...\nC A5 NAMESPACE\n"
               "S A3 BAD User is authenticated but not connected.\n"
               "S A4 BAD User is authenticated but not connected.\nS * BYE Connection closed. 14\n",                                     IMAP_ERR_UNUSABLE,    "Let devices and apps use IMAP", 0    },
    {"nothing works",                        IMAP_AUTH_XOAUTH2,     TOKEN,
     SIGN_IN("IMAP4rev1 AUTH=XOAUTH2 SASL-IR") "C A3 CAPABILITY\nC A4 NOOP\nS A3 BAD no\n"
                                               "S A4 BAD no\nC A5 NOOP\nS A5 BAD no\n",                                                  IMAP_ERR_UNUSABLE,    "(no)",                          0    },
    {"the token expires during the probe",   IMAP_AUTH_XOAUTH2,     TOKEN,
     SIGN_IN(CAPS) "C A3 CAPABILITY\nS * BYE Session invalidated - AccessTokenExpired\n",
     IMAP_ERR_EXPIRED,                                                                                                                                         "",                              0    },
    {"a token with a line's end",            IMAP_AUTH_XOAUTH2,     "t\r\nA9 LOGOUT",
     GREETING CAPABILITY("IMAP4rev1 AUTH=XOAUTH2 SASL-IR"),                                                                              IMAP_ERR_AUTH,        "token",                         0    },
    {"escape characters from the server",    IMAP_AUTH_XOAUTH2,     TOKEN,            "S * BYE \033[31mred\n",
     IMAP_ERR_CLOSED,                                                                                                                                          "?[31mred",                      0    },
};

static void check_row(const struct row *row)
{
    struct peer peer = {.script = row->script, .cut_after = -1};
    struct client client;
    peer_start(&peer);
    client_init(&client, &peer);
    client.settings.auth = row->auth;
    enum imap_error error = client_open(&client, row->secret);
    bool as_told = error == row->error && (error == IMAP_OK) == (client.connection != NULL);
    if (error != IMAP_OK)
        as_told = as_told && client.failure.error == error &&
                  strstr(client.failure.text, row->words) != NULL &&
                  client.failure.backoff_ms == row->backoff_ms;
    if (!as_told)
        print_error("%s: error %d \"%s\", back-off %ld; peer %s\n", row->name, (int)error,
                    client.failure.text, (long)client.failure.backoff_ms, peer.mismatch);
    imap_connection_close(&client.connection);
    if (row->error == IMAP_OK)
        peer_finish(&peer);
    else
        peer_stop(&peer);
    assert_true(as_told);
    assert_int_equal(client.untagged, 0);
}

static void each_dialogue_ends_as_it_should(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_row(&rows[i]);
}

static void the_namespace_and_the_capabilities_are_kept(void **state)
{
    (void)state;
    struct peer peer = {.script = rows[1].script, .cut_after = -1};
    struct client client;
    const char *prefix = NULL;
    char delimiter = 0;
    peer_start(&peer);
    client_init(&client, &peer);
    assert_int_equal(client_open(&client, TOKEN), IMAP_OK);
    imap_connection_namespace(client.connection, &prefix, &delimiter);
    assert_string_equal(prefix, "INBOX.");
    assert_int_equal(delimiter, '.');
    assert_int_equal(imap_connection_capabilities(client.connection), IMAP_CAP_NAMESPACE);
    imap_connection_close(&client.connection);
    peer_finish(&peer);
    assert_true(peer.logged_out);
}

/* Tokens of 4 kB make a line longer than Outlook takes: they go by themselves. */
static void a_long_token_goes_after_the_plus(void **state)
{
    (void)state;
    char token[4001];
    memset(token, 'a', sizeof token - 1);
    token[sizeof token - 1] = '\0';
    struct peer peer = {.cut_after = -1,
                        .script = GREETING CAPABILITY(
                            "IMAP4rev1 AUTH=XOAUTH2 SASL-IR") "C A2 AUTHENTICATE XOAUTH2\nS + \nC "
                                                              "dXNlcj11AWF1dGg9QmVhcmVyIGFh...\n"
                                                              "S A2 OK in\n" NO_ID};
    struct client client;
    peer_start(&peer);
    client_init(&client, &peer);
    assert_int_equal(client_open(&client, token), IMAP_OK);
    imap_connection_close(&client.connection);
    peer_finish(&peer);
}

/* A server may stop anywhere: always an error, never a wait beyond the end. */
static void a_cut_after_any_byte_is_an_error(void **state)
{
    (void)state;
    struct peer peer = {.script = OPENING(""), .cut_after = -1};
    struct client client;
    peer_start(&peer);
    client_init(&client, &peer);
    assert_int_equal(client_open(&client, TOKEN), IMAP_OK);
    imap_connection_close(&client.connection);
    peer_finish(&peer);
    long whole = peer.sent - (long)strlen("* BYE signing off.\r\n");
    assert_true(whole > 100);
    for (long cut = 0; cut < whole; cut++) {
        peer = (struct peer){.script = OPENING(""), .cut_after = cut};
        peer_start(&peer);
        client_init(&client, &peer);
        assert_int_not_equal(client_open(&client, TOKEN), IMAP_OK);
        assert_null(client.connection);
        assert_int_equal(client.failure.error, IMAP_ERR_CLOSED);
        peer_stop(&peer);
    }
}

/* Silence, or one byte at a time, in each phase: the bound ends it. */
static void no_phase_outlasts_its_bound(void **state)
{
    (void)state;
    static const char *const scripts[] = {
        "H\n",
        "D 40 * OK Microsoft Exchange IMAP4 service ready. Or so it seems, for a long time\n",
        GREETING "H\n",
        GREETING CAPABILITY("IMAP4rev1 AUTH=XOAUTH2") "H\n",
        GREETING CAPABILITY("IMAP4rev1 AUTH=XOAUTH2 SASL-IR") AUTH "H\n",
        GREETING CAPABILITY("IMAP4rev1 AUTH=XOAUTH2 SASL-IR") AUTH "F 100000\nH\n",
        GREETING CAPABILITY("IMAP4rev1 AUTH=XOAUTH2 SASL-IR") AUTH
        "D 40 * OK a word that does not end soon, whatever one does to wait for it patiently\nH\n",
        SIGN_IN(CAPS) "H\n",
    };
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        struct peer peer = {.script = scripts[i], .cut_after = -1};
        struct client client;
        peer_start(&peer);
        client_init(&client, &peer);
        client.settings.timeout_ms = 300;
        int64_t start = clock_ms();
        enum imap_error error = client_open(&client, TOKEN);
        int64_t took = clock_ms() - start;
        if (error != IMAP_ERR_TIMEOUT || took < 290 || took > 3000)
            print_error("script %zu: error %d after %ld ms\n", i, (int)error, (long)took);
        peer_stop(&peer);
        assert_int_equal(error, IMAP_ERR_TIMEOUT);
        assert_in_range(took, 290, 3000);
    }
}

/* The cancel descriptor ends each phase at once, and is not read. */
static void cancelling_ends_each_phase(void **state)
{
    (void)state;
    static const char *const scripts[] = {
        "H\n",
        GREETING "H\n",
        GREETING CAPABILITY("IMAP4rev1 AUTH=XOAUTH2 SASL-IR") AUTH "H\n",
        SIGN_IN(CAPS) "H\n",
    };
    int cancel = eventfd(1, EFD_CLOEXEC);
    assert_true(cancel >= 0);
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        struct peer peer = {.script = scripts[i], .cut_after = -1};
        struct client client;
        peer_start(&peer);
        client_init(&client, &peer);
        client.settings.cancel_fd = cancel;
        assert_int_equal(client_open(&client, TOKEN), IMAP_ERR_CANCELLED);
        peer_stop(&peer);
        client_init(&client, &peer);
        client.settings.cancel_fd = cancel;
        client.settings.host = "nowhere.invalid";
        assert_int_equal(client_open(&client, TOKEN), IMAP_ERR_CANCELLED);
    }
    eventfd_t count = 0;
    assert_int_equal(eventfd_read(cancel, &count), 0);
    assert_int_equal(count, 1);
    close(cancel);
}

struct canceller {
    int fd, after_ms;
};

static void *cancel_later(void *arg)
{
    const struct canceller *canceller = arg;
    usleep((useconds_t)canceller->after_ms * 1000);
    eventfd_write(canceller->fd, 1);
    return NULL;
}

/* The same while it already waits. */
static void cancelling_wakes_a_wait(void **state)
{
    (void)state;
    struct canceller canceller = {eventfd(0, EFD_CLOEXEC), 200};
    struct peer peer = {.script = SIGN_IN(CAPS) "H\n", .cut_after = -1};
    struct client client;
    pthread_t thread;
    peer_start(&peer);
    client_init(&client, &peer);
    client.settings.cancel_fd = canceller.fd;
    int64_t start = clock_ms();
    assert_int_equal(pthread_create(&thread, NULL, cancel_later, &canceller), 0);
    assert_int_equal(client_open(&client, TOKEN), IMAP_ERR_CANCELLED);
    assert_in_range(clock_ms() - start, 150, 2000);
    pthread_join(thread, NULL);
    peer_stop(&peer);
    close(canceller.fd);
}

static void hosts_and_ports_that_are_not_there(void **state)
{
    (void)state;
    struct peer peer = {.script = "", .cut_after = -1};
    struct client client;
    peer_start(&peer);
    peer_stop(&peer); /* its port is closed now */
    client_init(&client, &peer);
    assert_int_equal(client_open(&client, TOKEN), IMAP_ERR_CONNECT);
    assert_non_null(strstr(client.failure.text, "refused"));
    client.settings.host = "nowhere.invalid";
    assert_int_equal(client_open(&client, TOKEN), IMAP_ERR_HOST);
    client.settings.host = "192.0.2.1"; /* RFC 5737: nobody's; refused before a packet leaves */
    assert_int_equal(client_open(&client, TOKEN), IMAP_ERR_CLEARTEXT);
}

/* Whether the file holds `text`. */
static bool file_holds(const char *path, const char *text)
{
    char line[8192];
    bool found = false;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL)
        found = found || strstr(line, text) != NULL;
    fclose(file);
    return found;
}

/* The dialogue is logged at debug level, the secrets in it are not. */
static void secrets_are_not_logged(void **state)
{
    (void)state;
    static const char login[] =
        GREETING CAPABILITY("IMAP4rev1") "C A2 LOGIN u \"hush hush\"\nS A2 OK in\n" NO_ID;
    static const char plain[] =
        GREETING CAPABILITY("IMAP4rev1 AUTH=PLAIN") "C A2 AUTHENTICATE PLAIN\nS + \n"
                                                    "C AHUAaHVzaCBodXNo\nS A2 OK in\n" NO_ID;
    static const char *const scripts[] = {login, plain};
    char path[] = "/tmp/outlookfs-test-log-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(log_open(path), 0);
    log_set_level(LOG_LEVEL_DEBUG);
    for (size_t i = 0; i < 2; i++) {
        struct row row = {"log", IMAP_AUTH_PASSWORD, "hush hush", scripts[i], IMAP_OK, "", 0};
        check_row(&row);
    }
    log_set_level(LOG_LEVEL_INFO);
    assert_int_equal(log_open(NULL), 0);
    assert_true(file_holds(path, "C: A2 LOGIN ..."));
    assert_true(file_holds(path, "C: A2 AUTHENTICATE ..."));
    assert_true(file_holds(path, "S: A2 OK"));
    assert_true(file_holds(path, "probe -> ready"));
    assert_false(file_holds(path, "hush"));
    assert_false(file_holds(path, "AHUAa"));
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_dialogue_ends_as_it_should),
        cmocka_unit_test(the_namespace_and_the_capabilities_are_kept),
        cmocka_unit_test(a_long_token_goes_after_the_plus),
        cmocka_unit_test(a_cut_after_any_byte_is_an_error),
        cmocka_unit_test(no_phase_outlasts_its_bound),
        cmocka_unit_test(cancelling_ends_each_phase),
        cmocka_unit_test(cancelling_wakes_a_wait),
        cmocka_unit_test(secrets_are_not_logged),
        cmocka_unit_test(hosts_and_ports_that_are_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
