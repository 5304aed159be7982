/* auth/provider.c and pkce.c: addresses, hosts, and the challenge of RFC 7636. */
#include "tests/unit/test.h"

#include <string.h>

#include "auth/error.h"
#include "auth/pkce.h"
#include "auth/provider.h"

static void make(const char *provider, const char *authority, const char *tenant,
                 struct auth_endpoints *e)
{
    char text[AUTH_TEXT_MAX] = "";
    if (!auth_endpoints_make(auth_provider_find(provider), authority, tenant, e, text))
        fail_msg("%s", text);
}

static void test_microsoft(void **state)
{
    struct auth_endpoints e;
    make("microsoft", NULL, NULL, &e);
    assert_string_equal(e.authorize,
                        "https://login.microsoftonline.com/common/oauth2/v2.0/authorize");
    assert_string_equal(e.token, "https://login.microsoftonline.com/common/oauth2/v2.0/token");
    assert_string_equal(e.device,
                        "https://login.microsoftonline.com/common/oauth2/v2.0/devicecode");
    assert_string_equal(e.scope, "https://outlook.office.com/IMAP.AccessAsUser.All offline_access");
    assert_null(e.redirect);
    auth_endpoints_free(&e);
    make("microsoft", "https://localhost:8443//", "organizations", &e);
    assert_string_equal(e.token, "https://localhost:8443/organizations/oauth2/v2.0/token");
    auth_endpoints_free(&e);
    make("microsoft", "https://login.microsoftonline.us/", NULL, &e);
    assert_string_equal(e.scope,
                        "https://outlook.office365.us/IMAP.AccessAsUser.All offline_access");
    auth_endpoints_free(&e);
}

/* The source document: scopes wl.imap and wl.offline_access, the token endpoint of MSA. */
static void test_live(void **state)
{
    struct auth_endpoints e;
    make("live", NULL, NULL, &e);
    assert_string_equal(e.authorize, "https://login.live.com/oauth20_authorize.srf");
    assert_string_equal(e.token, "https://login.live.com/oauth20_token.srf");
    assert_string_equal(e.scope, "wl.imap wl.offline_access");
    assert_string_equal(e.redirect, "https://login.live.com/oauth20_desktop.srf");
    assert_null(e.device);
    auth_endpoints_free(&e);
}

static void test_refused(void **state)
{
    static const struct {
        const char *authority, *tenant;
    } rows[] = {
        {"http://localhost:1", NULL },
        {"https://",           NULL },
        {"https:///path",      NULL },
        {"ftp://x",            NULL },
        {"https://x?y=1",      NULL },
        {"https://x#y",        NULL },
        {"https://user@x",     NULL },
        {"https://x y",        NULL },
        {"https://x\ny",       NULL },
        {"https://x\xC3\xA9",  NULL },
        {NULL,                 ""   },
        {NULL,                 "a/b"},
        {NULL,                 ".." },
        {NULL,                 "a b"},
        {NULL,                 "a?b"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct auth_endpoints e;
        char text[AUTH_TEXT_MAX] = "";
        assert_false(auth_endpoints_make(auth_provider_find("microsoft"), rows[i].authority,
                                         rows[i].tenant, &e, text));
        assert_true(strlen(text) > 0);
        assert_null(e.token);
    }
    char text[AUTH_TEXT_MAX];
    struct auth_endpoints e;
    assert_false(auth_endpoints_make(auth_provider_find("generic"), NULL, NULL, &e, text));
    assert_null(auth_provider_find("google"));
}

static void test_imap_host(void **state)
{
    static const struct {
        const char *provider, *authority, *tenant, *host;
    } rows[] = {
        {NULL,        NULL,                               NULL,            "imap-mail.outlook.com"},
        {"microsoft", NULL,                               "common",        "imap-mail.outlook.com"},
        {"microsoft", NULL,                               "consumers",     "imap-mail.outlook.com"},
        {"microsoft", NULL,                               "organizations", "outlook.office365.com"},
        {"microsoft", NULL,                               "contoso.com",   "outlook.office365.com"},
        {"live",      NULL,                               NULL,            "imap-mail.outlook.com"},
        {"microsoft", "https://login.microsoftonline.us", NULL,            "outlook.office365.us" },
        {"generic",   NULL,                               NULL,            NULL                   },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *host =
            auth_provider_imap_host(rows[i].provider, rows[i].authority, rows[i].tenant);
        if (rows[i].host == NULL)
            assert_null(host);
        else
            assert_string_equal(host, rows[i].host);
    }
}

/* RFC 7636 appendix B. */
static void test_pkce(void **state)
{
    char challenge[AUTH_PKCE_TEXT];
    struct auth_pkce one, two;
    assert_true(auth_pkce_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", challenge));
    assert_string_equal(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    assert_true(auth_pkce_make(&one) && auth_pkce_make(&two));
    assert_int_equal(strlen(one.verifier), 43);
    assert_int_equal(strlen(one.state), 43);
    assert_string_not_equal(one.verifier, two.verifier);
    assert_string_not_equal(one.state, two.state);
    assert_true(auth_pkce_challenge(one.verifier, challenge));
    assert_string_equal(one.challenge, challenge);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_microsoft), cmocka_unit_test(test_live),
        cmocka_unit_test(test_refused),   cmocka_unit_test(test_imap_host),
        cmocka_unit_test(test_pkce),
    };
    return cmocka_run_group_tests_name("auth_provider", tests, NULL, NULL);
}
