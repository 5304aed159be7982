/*
 * TLS: which certificates are believed, STARTTLS and what may surround it, and a stream that is cut
 * without a goodbye. The certificates are made here; only their root is given as cafile.
 */
#include "tests/unit/test.h"

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/unit/imap/certificates.h"
#include "tests/unit/imap/client.h"

enum { YEAR = 365 * 24 * 3600, GOOD, OTHER_NAME, EXPIRED, EARLY, SELF_SIGNED, STRANGER, KINDS };

static struct certificate root, stranger_root, certificates[KINDS];
static char cafile[] = "/tmp/outlookfs-test-root-XXXXXX";

static int make_certificates(void **state)
{
    (void)state;
    static const char here[] = "DNS:localhost,IP:127.0.0.1";
    root = certificate_make("Test root", NULL, NULL, -60, YEAR);
    stranger_root = certificate_make("Other root", NULL, NULL, -60, YEAR);
    certificates[GOOD] = certificate_make("localhost", here, &root, -60, YEAR);
    certificates[OTHER_NAME] =
        certificate_make("localhost", "DNS:mail.example.com,IP:127.0.0.2", &root, -60, YEAR);
    certificates[EXPIRED] = certificate_make("localhost", here, &root, -7200, -3600);
    certificates[EARLY] = certificate_make("localhost", here, &root, 3600, YEAR);
    certificates[SELF_SIGNED] = certificate_make("localhost", here, NULL, -60, YEAR);
    certificates[STRANGER] = certificate_make("localhost", here, &stranger_root, -60, YEAR);
    certificate_write(&root, cafile);
    return 0;
}

static int free_certificates(void **state)
{
    (void)state;
    unlink(cafile);
    certificate_free(&root);
    certificate_free(&stranger_root);
    for (int i = GOOD; i < KINDS; i++)
        certificate_free(&certificates[i]);
    return 0;
}

#define TLS_CAPS "IMAP4rev1 AUTH=XOAUTH2 SASL-IR STARTTLS"
/* Up to TLS, then the dialogue from its second CAPABILITY on. */
#define STARTTLS                                                                                   \
    GREETING "C A1 CAPABILITY\nS * CAPABILITY " TLS_CAPS                                           \
             " ID NAMESPACE LITERAL+\nS A1 OK\nC A2 STARTTLS\n"
#define SECURED                                                                                    \
    "C A3 CAPABILITY\nS * CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR\nS A3 OK\n"                    \
    "C A4 AUTHENTICATE XOAUTH2 " XOAUTH2 "\nS A4 OK in\nC A5 CAPABILITY\nC A6 NOOP\n"              \
    "S * CAPABILITY IMAP4rev1\nS A5 OK\nS A6 OK\n"

static const struct row {
    const char *name;
    int certificate, max_version;
    const char *host;
    enum imap_tls tls;
    const char *cafile, *script;
    enum imap_error error;
    const char *words;
} rows[] = {
    {"trusted, by address",       GOOD,        0,              "127.0.0.1", IMAP_TLS_IMPLICIT, cafile,             OPENING(""),             IMAP_OK,
     ""                                                                                                                                                                           },
    {"trusted, by name",          GOOD,        0,              "localhost", IMAP_TLS_IMPLICIT, cafile,             OPENING(""),             IMAP_OK,            ""                },
    {"TLS 1.2",                   GOOD,        TLS1_2_VERSION, "localhost", IMAP_TLS_IMPLICIT, cafile,             OPENING(""),             IMAP_OK,
     ""                                                                                                                                                                           },
    {"TLS 1.1",                   GOOD,        TLS1_1_VERSION, "localhost", IMAP_TLS_IMPLICIT, cafile,             OPENING(""),
     IMAP_ERR_TLS,                                                                                                                                              "TLS 1.2"         },
    {"root not given",            GOOD,        0,              "localhost", IMAP_TLS_IMPLICIT, NULL,               "",                      IMAP_ERR_CERT,      "cafile"          },
    {"another root",              STRANGER,    0,              "localhost", IMAP_TLS_IMPLICIT, cafile,             "",                      IMAP_ERR_CERT,
     "cafile"                                                                                                                                                                     },
    {"self-signed",               SELF_SIGNED, 0,              "localhost", IMAP_TLS_IMPLICIT, cafile,             "",                      IMAP_ERR_CERT,
     "self-signed"                                                                                                                                                                },
    {"expired",                   EXPIRED,     0,              "localhost", IMAP_TLS_IMPLICIT, cafile,             "",                      IMAP_ERR_CERT,      "expired"         },
    {"not yet",                   EARLY,       0,              "localhost", IMAP_TLS_IMPLICIT, cafile,             "",                      IMAP_ERR_CERT,      "clock"           },
    {"another name",              OTHER_NAME,  0,              "localhost", IMAP_TLS_IMPLICIT, cafile,             "",                      IMAP_ERR_CERT_NAME,
     "host="                                                                                                                                                                      },
    {"another address",           OTHER_NAME,  0,              "127.0.0.1", IMAP_TLS_IMPLICIT, cafile,             "",
     IMAP_ERR_CERT_NAME,                                                                                                                                        "host="           },
    {"no such cafile",            GOOD,        0,              "localhost", IMAP_TLS_IMPLICIT, "/nonexistent.pem", "",
     IMAP_ERR_CERT,                                                                                                                                             "/nonexistent.pem"},
    {"STARTTLS",                  GOOD,        0,              "localhost", IMAP_TLS_STARTTLS, cafile,
     STARTTLS "S A2 OK go\nT\n" SECURED,                                                                                                    IMAP_OK,            ""                },
    {"STARTTLS, untrusted",       STRANGER,    0,              "localhost", IMAP_TLS_STARTTLS, cafile,
     STARTTLS "S A2 OK go\nT\n",                                                                                                            IMAP_ERR_CERT,      "cafile"          },
    {"bytes injected before TLS", GOOD,        0,              "localhost", IMAP_TLS_STARTTLS, cafile,
     STARTTLS "I A2 OK go|* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] trust me\nT\n",                                                            IMAP_ERR_PROTOCOL,
     "STARTTLS"                                                                                                                                                                   },
    {"STARTTLS refused",          GOOD,        0,              "localhost", IMAP_TLS_STARTTLS, cafile,             STARTTLS "S A2 NO no\n",
     IMAP_ERR_CLEARTEXT,                                                                                                                                        "tls=implicit"    },
    {"STARTTLS not offered",      GOOD,        0,              "localhost", IMAP_TLS_STARTTLS, cafile,
     GREETING "C A1 CAPABILITY\nS * CAPABILITY IMAP4rev1 AUTH=XOAUTH2\nS A1 OK\n",
     IMAP_ERR_CLEARTEXT,                                                                                                                                        "tls=implicit"    },
    {"PREAUTH before STARTTLS",   GOOD,        0,              "localhost", IMAP_TLS_STARTTLS, cafile,
     "S * PREAUTH [CAPABILITY " TLS_CAPS "] come in\n",                                                                                     IMAP_ERR_CLEARTEXT, "tls=implicit"    },
};

static enum imap_error open_row(const struct row *row, struct peer *peer, struct client *client)
{
    *peer = (struct peer){
        .script = row->script,
        .cut_after = -1,
        .tls = certificate_server(&certificates[row->certificate], row->max_version),
        .implicit_tls = row->tls == IMAP_TLS_IMPLICIT,
    };
    peer_start(peer);
    client_init(client, peer);
    client->settings.host = row->host;
    client->settings.tls = row->tls;
    client->settings.cafile = row->cafile;
    return client_open(client, "t");
}

static void only_the_right_certificate_is_believed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *row = &rows[i];
        struct peer peer;
        struct client client;
        enum imap_error error = open_row(row, &peer, &client);
        bool as_told = error == row->error &&
                       (error == IMAP_OK || strstr(client.failure.text, row->words) != NULL);
        if (!as_told)
            print_error("%s: error %d \"%s\"; peer %s\n", row->name, (int)error,
                        client.failure.text, peer.mismatch);
        imap_connection_close(&client.connection);
        if (row->error == IMAP_OK)
            peer_finish(&peer);
        else
            peer_stop(&peer);
        SSL_CTX_free(peer.tls);
        assert_true(as_told);
    }
}

static void a_port_without_tls_is_named(void **state)
{
    (void)state;
    struct peer peer = {.script = GREETING "H\n", .cut_after = -1};
    struct client client;
    peer_start(&peer);
    client_init(&client, &peer);
    client.settings.tls = IMAP_TLS_IMPLICIT;
    assert_int_equal(client_open(&client, "t"), IMAP_ERR_TLS);
    assert_non_null(strstr(client.failure.text, "does not speak TLS"));
    peer_stop(&peer);
}

static void the_handshake_has_a_bound_and_can_be_cancelled(void **state)
{
    (void)state;
    struct peer peer = {.script = "H\n", .cut_after = -1};
    struct client client;
    peer_start(&peer);
    client_init(&client, &peer);
    client.settings.tls = IMAP_TLS_IMPLICIT;
    client.settings.connect_timeout_ms = 300;
    int64_t start = clock_ms();
    assert_int_equal(client_open(&client, "t"), IMAP_ERR_TIMEOUT);
    assert_in_range(clock_ms() - start, 290, 2000);
    peer_stop(&peer);
    peer_start(&peer);
    client_init(&client, &peer);
    client.settings.tls = IMAP_TLS_IMPLICIT;
    client.settings.cancel_fd = eventfd(1, EFD_CLOEXEC);
    assert_int_equal(client_open(&client, "t"), IMAP_ERR_CANCELLED);
    close(client.settings.cancel_fd);
    peer_stop(&peer);
}

static void a_hang_up_in_the_handshake(void **state)
{
    (void)state;
    struct peer peer = {.script = "X\n", .cut_after = -1};
    struct client client;
    peer_start(&peer);
    client_init(&client, &peer);
    client.settings.tls = IMAP_TLS_IMPLICIT;
    assert_int_equal(client_open(&client, "t"), IMAP_ERR_CLOSED);
    peer_stop(&peer);
}

/* A big body over TLS, then an end without close_notify. */
static void bytes_flow_and_an_unclean_end_is_closed(void **state)
{
    (void)state;
    struct row row = rows[0];
    struct peer peer;
    struct client client;
    struct ending fetch, noop;
    row.script = OPENING("") "C A6 UID FETCH 7 BODY.PEEK[]\nS * 1 FETCH (UID 7 BODY[] {3000000}\n"
                             "F 3000000\nS )\nS A6 OK done\nC A7 NOOP\nX\n";
    assert_int_equal(open_row(&row, &peer, &client), IMAP_OK);
    client_submit(&client, "UID FETCH 7 BODY.PEEK[]", &fetch);
    assert_int_equal(client_settle(&client), IMAP_OK);
    assert_int_equal(client.body_bytes, 3000000);
    client_submit(&client, "NOOP", &noop);
    assert_int_equal(client_settle(&client), IMAP_ERR_CLOSED);
    assert_int_equal(noop.error, IMAP_ERR_CLOSED);
    imap_connection_close(&client.connection);
    peer_finish(&peer);
    SSL_CTX_free(peer.tls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_right_certificate_is_believed),
        cmocka_unit_test(a_port_without_tls_is_named),
        cmocka_unit_test(the_handshake_has_a_bound_and_can_be_cancelled),
        cmocka_unit_test(a_hang_up_in_the_handshake),
        cmocka_unit_test(bytes_flow_and_an_unclean_end_is_closed),
    };
    return cmocka_run_group_tests(tests, make_certificates, free_certificates);
}
