/*
 * The device code (RFC 8628): ask for a code, show it, and poll until the person has entered it
 * somewhere. Polls come no faster than the server allows: `interval`, five seconds more after each
 * slow_down, and twice that after each failure of the network (section 3.5). A few failures in a
 * row end it, as does the code's expiry.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "auth/exchange.h"
#include "auth/fail.h"
#include "auth/form.h"
#include "base/clock.h"

enum { SLOWER_S = 5, FAILURES_MAX = 4, INTERVAL_MAX_S = 120 };

#define GRANT_TYPE "urn:ietf:params:oauth:grant-type:device_code"

static enum auth_error ask(struct auth_attempt *a, struct auth_device *device)
{
    struct buffer form;
    struct auth_reply reply;
    auth_form_init(&form);
    bool made = auth_form_add(&form, "client_id", a->request->client_id) &&
                auth_form_add(&form, "scope", a->endpoints.scope);
    enum auth_error error =
        made ? auth_http_post(&a->http, a->endpoints.device, &form, &reply, a->text)
             : auth_fail(a->text, AUTH_ERR_MEMORY, "no memory to sign in");
    enum auth_verdict verdict = AUTH_VERDICT_TROUBLE;
    if (error == AUTH_OK)
        verdict =
            auth_answer_device(&reply, a->endpoints.device, a->request->account, device, a->text);
    if (made)
        buffer_wipe(&reply.body);
    buffer_wipe(&form);
    return verdict == AUTH_VERDICT_GIVEN ? AUTH_OK : auth_exchange_error(verdict, error);
}

static enum auth_error poll_once(struct auth_attempt *a, const struct auth_device *device,
                                 struct auth_login *login, enum auth_verdict *verdict)
{
    struct buffer form;
    enum auth_error error;
    auth_form_init(&form);
    if (!auth_form_add(&form, "client_id", a->request->client_id) ||
        !auth_form_add(&form, "grant_type", GRANT_TYPE) ||
        !auth_form_add(&form, "device_code", device->device_code.data)) {
        buffer_wipe(&form);
        return auth_fail(a->text, AUTH_ERR_MEMORY, "no memory to sign in");
    }
    *verdict = auth_exchange_tokens(&a->http, a->endpoints.token, &form, a->request->account, login,
                                    &error, a->text);
    return error;
}

/* `seconds` long, or to `end`. False when cancel_fd fired meanwhile. */
static bool pause_for(const struct auth_attempt *a, long seconds, int64_t end)
{
    struct pollfd fd = {.fd = a->dialog->cancel_fd, .events = POLLIN};
    int64_t until = clock_ms() + seconds * 1000;
    int ready;
    if (until > end)
        until = end;
    do
        ready = poll(&fd, 1, clock_until(until));
    while (ready < 0 && errno == EINTR);
    return ready == 0;
}

static enum auth_error wait_for_person(struct auth_attempt *a, const struct auth_device *device,
                                       struct auth_login *login)
{
    int64_t end = clock_ms() + (int64_t)device->expires_in * 1000;
    long interval = device->interval;
    unsigned failures = 0;
    while (clock_ms() < end) {
        enum auth_verdict verdict = AUTH_VERDICT_TROUBLE;
        if (!pause_for(a, interval, end))
            return auth_fail(a->text, AUTH_ERR_CANCELLED,
                             "signing in was interrupted; nothing was changed");
        if (clock_ms() >= end)
            break;
        enum auth_error error = poll_once(a, device, login, &verdict);
        if (error == AUTH_ERR_CANCELLED || error == AUTH_ERR_MEMORY)
            return error;
        if (verdict == AUTH_VERDICT_GIVEN)
            return AUTH_OK;
        if (verdict == AUTH_VERDICT_REFUSED)
            return AUTH_ERR_REFUSED;
        if (verdict == AUTH_VERDICT_NONSENSE)
            return AUTH_ERR_NETWORK;
        failures = verdict == AUTH_VERDICT_TROUBLE ? failures + 1 : 0;
        if (failures == FAILURES_MAX)
            return AUTH_ERR_NETWORK;
        if (verdict == AUTH_VERDICT_SLOW_DOWN)
            interval += SLOWER_S;
        else if (failures > 0 && interval < INTERVAL_MAX_S)
            interval *= 2;
    }
    auth_answer_explain("expired_token", 0, a->request->account, a->text);
    return AUTH_ERR_REFUSED;
}

enum auth_error auth_way_device(struct auth_attempt *a, struct auth_login *login)
{
    struct auth_device device = {0};
    buffer_init(&device.device_code, AUTH_TOKEN_MAX);
    enum auth_error error = ask(a, &device);
    if (error == AUTH_OK) {
        a->dialog->show_code(a->dialog->ctx, device.address, device.user_code, device.expires_in);
        error = wait_for_person(a, &device, login);
    }
    buffer_wipe(&device.device_code);
    return error;
}
