/*
 * Opening a connection: greeting, STARTTLS, capabilities, sign-in, and what probe.c asks then.
 *
 * Each step submits to the same pipeline that serves the connection afterwards, and waits for the
 * answer in imap_connection_step; so bounds, cancelling, and what a BYE means are the same
 * everywhere.
 */
#include "imap/opening.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "imap/dial.h"
#include "imap/sasl.h"

static const struct mechanism {
    enum imap_auth auth;
    unsigned capability;
    const char *name, *option;
} mechanisms[] = {
    {IMAP_AUTH_XOAUTH2,     IMAP_CAP_AUTH_XOAUTH2,     "XOAUTH2",     "xoauth2"    },
    {IMAP_AUTH_OAUTHBEARER, IMAP_CAP_AUTH_OAUTHBEARER, "OAUTHBEARER", "oauthbearer"},
    {IMAP_AUTH_PASSWORD,    IMAP_CAP_AUTH_PLAIN,       "PLAIN",       "password"   },
};

static enum imap_error ask_capabilities(struct imap_connection *c)
{
    struct imap_step o;
    imap_state_enter(c, IMAP_STATE_CAPABILITY);
    if (imap_opening_submit(c, "CAPABILITY", IMAP_REQUEST_PLAIN, &o) != IMAP_OK)
        return imap_opening_fail(c, IMAP_ERR_MEMORY, "out of memory");
    enum imap_error error = imap_opening_settle(c);
    if (o.refused)
        return imap_opening_fail_as(c, &o.failure);
    if (error != IMAP_OK)
        return error;
    return c->capabilities_known
               ? IMAP_OK
               : imap_opening_fail(c, IMAP_ERR_PROTOCOL, "the server names no capabilities");
}

static enum imap_error start_tls_stream(struct imap_connection *c)
{
    struct imap_failure failure;
    const struct imap_tls_settings tls = {
        .host = c->settings.host,
        .cafile = c->settings.cafile,
        .port = c->settings.port,
        .cancel_fd = c->settings.cancel_fd,
        .deadline = clock_ms() + c->settings.connect_timeout_ms,
    };
    enum imap_error error = imap_stream_start_tls(c->stream, &tls, &failure);
    return error == IMAP_OK ? IMAP_OK : imap_opening_fail_as(c, &failure);
}

static bool body_begin(void *ctx, uint32_t sequence, uint64_t length)
{
    const struct imap_connection *c = ctx;
    const struct imap_body_sink *sink = &c->handler.body;
    return c->state >= IMAP_STATE_READY && c->state < IMAP_STATE_LOGOUT && sink->begin != NULL &&
           sink->begin(sink->ctx, sequence, length);
}

static bool body_chunk(void *ctx, const char *data, size_t len)
{
    const struct imap_connection *c = ctx;
    const struct imap_body_sink *sink = &c->handler.body;
    return c->state < IMAP_STATE_LOGOUT && sink->chunk != NULL && sink->chunk(sink->ctx, data, len);
}

static void body_end(void *ctx)
{
    const struct imap_connection *c = ctx;
    if (c->state < IMAP_STATE_LOGOUT && c->handler.body.end != NULL)
        c->handler.body.end(c->handler.body.ctx);
}

/* A parser that knows nothing of what came before. */
static enum imap_error fresh_parser(struct imap_connection *c)
{
    const struct imap_body_sink sink = {c, body_begin, body_chunk, body_end};
    imap_parser_free(&c->parser);
    c->parser = imap_parser_new(&imap_parser_default_limits, &sink);
    return c->parser != NULL ? IMAP_OK : imap_opening_fail(c, IMAP_ERR_MEMORY, "out of memory");
}

/* RFC 3501 section 6.2.1. Nothing that was said in clear text survives: parser and capabilities
 * start afresh, and bytes that followed the OK before TLS end the connection (parse in
 * connection.c). */
static enum imap_error start_tls(struct imap_connection *c)
{
    struct imap_step o = {0};
    enum imap_error error = IMAP_OK;
    if (c->preauth)
        return imap_opening_fail(
            c, IMAP_ERR_CLEARTEXT,
            "the server skips the sign-in in clear text, which STARTTLS cannot mend; use "
            "tls=implicit");
    if (!c->capabilities_known)
        error = ask_capabilities(c);
    if (error != IMAP_OK)
        return error;
    if ((c->capabilities & IMAP_CAP_STARTTLS) == 0)
        return imap_opening_fail(
            c, IMAP_ERR_CLEARTEXT,
            "the server offers no STARTTLS; use tls=implicit, usually on port 993");
    imap_state_enter(c, IMAP_STATE_STARTTLS);
    if (imap_opening_submit(c, "STARTTLS", IMAP_REQUEST_STARTTLS, &o))
        return imap_opening_fail(c, IMAP_ERR_MEMORY, "out of memory");
    error = imap_opening_settle(c);
    if (o.refused)
        return imap_opening_fail(c, IMAP_ERR_CLEARTEXT,
                                 "the server refuses STARTTLS; use tls=implicit");
    if (error != IMAP_OK)
        return error;
    error = start_tls_stream(c);
    c->switching = c->capabilities_known = false;
    c->capabilities = 0;
    return error == IMAP_OK ? fresh_parser(c) : error;
}

static enum imap_error await_greeting(struct imap_connection *c)
{
    enum imap_error error = IMAP_OK;
    c->progress_at = clock_ms();
    while (error == IMAP_OK && !c->greeted)
        error = imap_connection_step(c, -1, -1);
    return error;
}

static const struct mechanism *mechanism_of(enum imap_auth auth)
{
    const struct mechanism *m = mechanisms;
    while (m->auth != auth)
        m++;
    return m;
}

/* The server has not got the mechanism that was asked for: what would work instead? */
static enum imap_error no_mechanism(struct imap_connection *c, const struct mechanism *wanted)
{
    struct imap_failure failure;
    const struct mechanism *other = NULL;
    for (size_t i = 0; i < sizeof mechanisms / sizeof *mechanisms; i++) {
        if (other == NULL && (c->capabilities & mechanisms[i].capability) != 0)
            other = &mechanisms[i];
    }
    bool oauth_only = wanted->auth == IMAP_AUTH_PASSWORD && other != NULL;
    imap_failure_set(&failure, oauth_only ? IMAP_ERR_AUTH_BASIC : IMAP_ERR_AUTH_MECH,
                     "%s: the server offers no sign-in by %s; %s%s", c->settings.host,
                     oauth_only ? "password" : wanted->name,
                     other != NULL ? "use auth=" : "it offers none that outlookfs has",
                     other != NULL ? other->option : "");
    return imap_opening_fail_as(c, &failure);
}

/* The refusal of a sign-in, as an error of its own where it says no more than NO. */
static enum imap_error sign_in_refused(struct imap_connection *c, const struct imap_step *o)
{
    struct imap_failure failure;
    bool crowded = o->code == IMAP_CODE_LIMIT || o->code == IMAP_CODE_INUSE;
    if (o->error != IMAP_ERR_NO && o->error != IMAP_ERR_BAD)
        return imap_opening_fail_as(c, &o->failure);
    if (crowded)
        imap_failure_set(&failure, IMAP_ERR_UNAVAILABLE,
                         "%s: the server takes no more connections of %s for now (%.*s); try later",
                         c->settings.host, c->settings.username, IMAP_QUOTE(o->text));
    else
        imap_failure_set(
            &failure, IMAP_ERR_AUTH,
            "%s: the server refused the sign-in of %s (%.*s); check username= and %s",
            c->settings.host, c->settings.username, IMAP_QUOTE(o->text),
            c->settings.auth == IMAP_AUTH_PASSWORD
                ? "the password"
                : "the token, which must be a fresh one of this user for IMAP (outlookfs login, "
                  "or token_command=)");
    return imap_opening_fail_as(c, &failure);
}

static bool encode_secret(const struct imap_connection *c, const char *secret, struct buffer *out)
{
    const struct imap_settings *s = &c->settings;
    switch (s->auth) {
    case IMAP_AUTH_XOAUTH2:
        return imap_sasl_xoauth2(out, s->username, secret);
    case IMAP_AUTH_OAUTHBEARER:
        return imap_sasl_oauthbearer(out, s->username, secret, s->host, s->port);
    case IMAP_AUTH_PASSWORD:
        return imap_sasl_plain(out, s->username, secret);
    }
    return false;
}

/* AUTHENTICATE, with the initial response in the same line (RFC 4959) where the server has that and
 * the line stays within what Outlook takes; tokens of 4 kB go by themselves after the "+". */
static enum imap_error submit_authenticate(struct imap_connection *c, const struct mechanism *m,
                                           const char *secret, struct imap_step *o)
{
    struct buffer encoded, line;
    buffer_init(&encoded, IMAP_SASL_MAX);
    buffer_init(&line, IMAP_SASL_MAX + 64);
    enum imap_error error = IMAP_ERR_MEMORY;
    if (!encode_secret(c, secret, &encoded)) {
        error = IMAP_ERR_AUTH; /* asking again brings nothing: a person must look */
        goto out;
    }
    if (buffer_reserve(&line, encoded.len + 64) == NULL)
        goto out;
    bool inline_response =
        (c->capabilities & IMAP_CAP_SASL_IR) != 0 && encoded.len + 64 <= IMAP_LINE_MAX;
    c->auth_error = m->auth == IMAP_AUTH_OAUTHBEARER ? "AQ==" : "";
    if (!buffer_printf(&line, "AUTHENTICATE %s", m->name))
        goto out;
    if (inline_response &&
        (!buffer_append_byte(&line, ' ') || !buffer_append_text(&line, encoded.data)))
        goto out;
    error = imap_pipeline_submit_lines(c, line.data, inline_response ? NULL : encoded.data,
                                       IMAP_REQUEST_AUTHENTICATE, imap_step_done, o);
out:
    buffer_wipe(&encoded);
    buffer_wipe(&line);
    return error;
}

static enum imap_error submit_login(struct imap_connection *c, const char *secret,
                                    struct imap_step *o)
{
    struct imap_command command;
    imap_command_init(&command, "LOGIN");
    command.sensitive = true;
    imap_command_astring(&command, c->settings.username, strlen(c->settings.username));
    imap_command_astring(&command, secret, strlen(secret));
    return imap_pipeline_submit(c, &command, IMAP_REQUEST_PLAIN, imap_step_done, o);
}

static enum imap_error sign_in(struct imap_connection *c, const char *secret)
{
    const struct mechanism *m = mechanism_of(c->settings.auth);
    struct imap_step o = {0};
    enum imap_error error;
    bool login = m->auth == IMAP_AUTH_PASSWORD && (c->capabilities & m->capability) == 0;
    if (login && (c->capabilities & IMAP_CAP_LOGINDISABLED) != 0)
        return no_mechanism(c, m);
    if (!login && (c->capabilities & m->capability) == 0)
        return no_mechanism(c, m);
    imap_state_enter(c, IMAP_STATE_AUTHENTICATE);
    error = login ? submit_login(c, secret, &o) : submit_authenticate(c, m, secret, &o);
    if (error != IMAP_OK)
        return imap_opening_fail(
            c, error,
            "user name or secret cannot be sent (a control character in it, or too long); "
            "check username= and the token or password");
    error = imap_opening_settle(c);
    return o.refused ? sign_in_refused(c, &o) : error;
}

static enum imap_error open_steps(struct imap_connection *c, const char *secret)
{
    enum imap_error error = fresh_parser(c);
    if (error == IMAP_OK && c->settings.tls == IMAP_TLS_IMPLICIT)
        error = start_tls_stream(c);
    if (error == IMAP_OK)
        error = await_greeting(c);
    if (error == IMAP_OK && c->settings.tls == IMAP_TLS_STARTTLS)
        error = start_tls(c);
    if (error == IMAP_OK && !c->capabilities_known)
        error = ask_capabilities(c);
    if (error == IMAP_OK && !c->preauth)
        error = sign_in(c, secret);
    if (error == IMAP_OK)
        error = imap_opening_probe(c);
    if (error == IMAP_OK)
        imap_state_enter(c, IMAP_STATE_READY);
    return error;
}

enum imap_error imap_connection_open(struct imap_connection **connection,
                                     const struct imap_settings *settings, const char *secret,
                                     const struct imap_handler *handler,
                                     struct imap_failure *failure)
{
    int fd = -1;
    *connection = NULL;
    enum imap_error error = imap_dial(settings, &fd, failure);
    if (error != IMAP_OK)
        return error;
    struct imap_connection *c = calloc(1, sizeof *c);
    struct imap_stream *stream = imap_stream_new(fd); /* closes fd where it fails */
    if (c == NULL || stream == NULL) {
        imap_stream_free(&stream);
        free(c);
        imap_failure_set(failure, IMAP_ERR_MEMORY, "%s: out of memory", settings->host);
        return IMAP_ERR_MEMORY;
    }
    c->stream = stream;
    c->settings = *settings;
    c->handler = *handler;
    imap_selected_clear(&c->selected);
    error = open_steps(c, secret);
    if (error == IMAP_OK) {
        *connection = c;
        return IMAP_OK;
    }
    *failure = c->failure;
    imap_connection_close(&c);
    return failure->error;
}
