/* See client.h. */
#include "tests/unit/test.h"

#include "tests/unit/imap/client.h"

#include <stdio.h>
#include <string.h>

static int completions;

static void on_untagged(void *ctx, const struct imap_response *response)
{
    struct client *client = ctx;
    (void)response;
    client->untagged++;
}

static bool on_body(void *ctx, uint32_t sequence, uint64_t length)
{
    (void)ctx;
    (void)sequence;
    (void)length;
    return true;
}

static bool on_chunk(void *ctx, const char *data, size_t len)
{
    struct client *client = ctx;
    (void)data;
    client->body_bytes += len;
    return true;
}

static void on_body_end(void *ctx)
{
    (void)ctx;
}

void client_init(struct client *client, const struct peer *peer)
{
    *client = (struct client){
        .settings =
            {
                       .host = "127.0.0.1",
                       .port = peer->port,
                       .tls = IMAP_TLS_NONE,
                       .auth = IMAP_AUTH_XOAUTH2,
                       .username = "u",
                       .connect_timeout_ms = 5000,
                       .timeout_ms = 5000,
                       .cancel_fd = -1,
                       },
        .handler = {.untagged = on_untagged, .body = {NULL, on_body, on_chunk, on_body_end}   },
    };
}

enum imap_error client_open(struct client *client, const char *secret)
{
    client->handler.ctx = client;
    client->handler.body.ctx = client;
    return imap_connection_open(&client->connection, &client->settings, secret, &client->handler,
                                &client->failure);
}

static void note_uids(struct ending *ending, const struct imap_completion *completion)
{
    const struct imap_copyuid *copied = completion->copyuid;
    ending->uids[0] = '\0';
    if (copied != NULL)
        snprintf(ending->uids, sizeof ending->uids, "%u %.*s %.*s", copied->uidvalidity,
                 (int)copied->source.len, copied->source.data, (int)copied->target.len,
                 copied->target.data);
    else if (completion->appenduid != NULL)
        snprintf(ending->uids, sizeof ending->uids, "%u %u", completion->appenduid->uidvalidity,
                 completion->appenduid->uid);
}

void client_done(void *ctx, const struct imap_completion *completion)
{
    struct ending *ending = ctx;
    ending->count++;
    ending->order = completions++;
    ending->error = completion->error;
    ending->backoff_ms = completion->failure->backoff_ms;
    snprintf(ending->text, sizeof ending->text, "%s", completion->failure->text);
    ending->refusal = completion->refusal;
    ending->outcome = completion->outcome;
    note_uids(ending, completion);
}

void client_begin(struct client *client, struct peer *peer, const char *script)
{
    *peer = (struct peer){.script = script, .cut_after = -1};
    peer_start(peer);
    client_init(client, peer);
    assert_int_equal(client_open(client, "t"), IMAP_OK);
    completions = 0;
}

void client_end(struct client *client, struct peer *peer)
{
    imap_connection_close(&client->connection);
    assert_null(client->connection);
    peer_finish(peer);
}

void client_submit_command(struct client *client, struct imap_command *command,
                           struct ending *ending)
{
    *ending = (struct ending){0};
    assert_int_equal(imap_connection_submit(client->connection, command, client_done, ending),
                     IMAP_OK);
}

void client_submit(struct client *client, const char *line, struct ending *ending)
{
    struct imap_command command;
    imap_command_init(&command, line);
    client_submit_command(client, &command, ending);
}

enum imap_error client_settle(struct client *client)
{
    enum imap_error error = IMAP_OK;
    while (error == IMAP_OK && imap_connection_in_flight(client->connection) > 0)
        error = imap_connection_step(client->connection, 1000, -1);
    return error;
}
