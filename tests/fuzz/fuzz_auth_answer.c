/*
 * What a sign-in server answers, any bytes at all. The first byte chooses the status. The rest is
 * read as the answer of a token endpoint and as that of a device endpoint. What is taken can be
 * kept, shown and sent; what is not leaves a line for a person, without a control character.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "auth/answer.h"
#include "auth/provider.h"
#include "auth/store_text.h"
#include "base/clock.h"
#include "base/log.h"
#include "tests/fuzz/fuzz.h"

static const char url[] = "https://login.example/token";

/* One line that a terminal can show. */
static void check_line(const char *text)
{
    char shown[AUTH_TEXT_MAX];
    size_t len = strlen(text);
    check(len > 0 && len < AUTH_TEXT_MAX);
    memcpy(shown, text, len + 1);
    log_make_printable(shown, len);
    check(strcmp(shown, text) == 0);
}

static void check_printable(const char *text)
{
    for (; *text != '\0'; text++)
        check((unsigned char)*text >= 0x20 && *text != 0x7F);
}

static void try_tokens(const struct auth_reply *reply)
{
    char text[AUTH_TEXT_MAX] = "";
    struct auth_login login;
    auth_login_init(&login);
    check(buffer_append_text(&login.refresh, "before"));
    int64_t now = clock_wall();
    enum auth_verdict verdict = auth_answer_tokens(reply, url, "jane@example.org", &login, text);
    if (verdict == AUTH_VERDICT_GIVEN) {
        login.provider = strdup("microsoft");
        login.token_url = strdup(url);
        login.client_id = strdup("id");
        login.scope = strdup("scope");
        check(login.access.len > 0 && store_text_fits(&login));
        check(login.expires > now && login.expires <= now + 31 * 86400);
    } else {
        check_line(text);
        check(login.access.len == 0 && strcmp(login.refresh.data, "before") == 0);
    }
    auth_login_free(&login);
}

static void try_device(const struct auth_reply *reply)
{
    char text[AUTH_TEXT_MAX] = "";
    struct auth_device device = {0};
    buffer_init(&device.device_code, AUTH_TOKEN_MAX);
    if (auth_answer_device(reply, url, "jane@example.org", &device, text) == AUTH_VERDICT_GIVEN) {
        check(device.device_code.len > 0 && device.user_code[0] != '\0');
        check(auth_address_good(device.address));
        check_printable(device.user_code);
        check(device.expires_in >= 1 && device.expires_in <= 86400);
        check(device.interval >= 1 && device.interval <= 60);
    } else {
        check_line(text);
    }
    buffer_wipe(&device.device_code);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const long statuses[] = {200, 400, 200, 500};
    if (size < 1 || size > AUTH_REPLY_MAX)
        return 0;
    struct auth_reply reply = {.status = statuses[data[0] % 4]};
    buffer_init(&reply.body, AUTH_REPLY_MAX);
    check(buffer_append(&reply.body, data + 1, size - 1));
    try_tokens(&reply);
    try_device(&reply);
    buffer_wipe(&reply.body);
    return 0;
}
