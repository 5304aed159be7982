/* The client's side of the connection tests: settings, opening, and commands that note their end.
 */
#ifndef OUTLOOKFS_TESTS_UNIT_IMAP_CLIENT_H
#define OUTLOOKFS_TESTS_UNIT_IMAP_CLIENT_H

#include "imap/connection.h"
#include "tests/unit/imap/peer.h"

#define GREETING "S * OK Microsoft Exchange IMAP4 service ready. (tcpproxy)\n"
#define CAPS                                                                                       \
    "IMAP4 IMAP4rev1 AUTH=XOAUTH2 LOGINDISABLED SASL-IR UIDPLUS MOVE ID UNSELECT IDLE NAMESPACE"
/* user=u^Aauth=Bearer t^A^A */
#define XOAUTH2 "dXNlcj11AWF1dGg9QmVhcmVyIHQBAQ=="
#define SIGN_IN(caps)                                                                              \
    GREETING "C A1 CAPABILITY\nS * CAPABILITY " caps "\nS A1 OK CAPABILITY completed.\n"           \
             "C A2 AUTHENTICATE XOAUTH2 " XOAUTH2 "\nS A2 OK AUTHENTICATE completed.\n"
#define PROBE(caps)                                                                                \
    "C A3 CAPABILITY\nC A4 ID (\"name\" \"outlookfs\" \"version\" ...\nC A5 NAMESPACE\n"           \
    "S * CAPABILITY " caps "\nS A3 OK CAPABILITY completed.\n"                                     \
    "S * ID (\"name\" \"x\")\nS A4 OK ID completed.\n"                                             \
    "S * NAMESPACE ((\"\" \"/\")) NIL NIL\nS A5 OK NAMESPACE completed.\n"
/* The whole opening; the next tag is A6. */
#define OPENING(extra) SIGN_IN(CAPS extra) PROBE(CAPS extra)

struct client {
    struct imap_connection *connection;
    struct imap_settings settings;
    struct imap_failure failure;
    struct imap_handler handler;
    size_t untagged;
    size_t body_bytes;
};

/* Plain XOAUTH2 settings for `peer` on 127.0.0.1, user "u", bounds of 5 s. */
void client_init(struct client *client, const struct peer *peer);

/* Opens with the token or password `secret`. */
enum imap_error client_open(struct client *client, const char *secret);

/* Starts `peer` with `script`, an opening and more, and opens; and closes both. */
void client_begin(struct client *client, struct peer *peer, const char *script);
void client_end(struct client *client, struct peer *peer);

/* How a command ended; `order` counts completions. */
struct ending {
    int count, order;
    enum imap_error error;
    int64_t backoff_ms;
    char text[IMAP_FAILURE_TEXT];
    enum imap_refusal refusal;
    enum imap_outcome outcome;
    char uids[128]; /* "55 31 6" of COPYUID, "424 9" of APPENDUID, "" where the server was silent */
};
void client_done(void *ending, const struct imap_completion *completion);

/* Submits "verb [args]"; asserts that it was taken. */
void client_submit(struct client *client, const char *line, struct ending *ending);
/* Likewise for a command that was built. */
void client_submit_command(struct client *client, struct imap_command *command,
                           struct ending *ending);

/* Steps until nothing is in flight or the connection ends. */
enum imap_error client_settle(struct client *client);

#endif
