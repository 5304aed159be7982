/*
 * See provider.h. `microsoft` is the v2.0 endpoint of today, `live` what Microsoft's page on
 * Outlook.com's IMAP described first (MSA; the desktop redirect shows the code in the browser's
 * address, from where it is pasted), `generic` any other server: there is no OAuth to do.
 *
 * A national cloud is an authority of its own, and its mailboxes stand behind another resource and
 * another IMAP server: the table `clouds`, by the authority's host. Tests name an authority too;
 * one that is in no cloud's row gets the worldwide scope.
 */
#include "auth/provider.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/error.h"

#define V2            "/{}/oauth2/v2.0"
#define IMAP_SCOPE    "/IMAP.AccessAsUser.All offline_access"
#define WORK_HOST     "outlook.office365.com"
#define PERSONAL_HOST "imap-mail.outlook.com"

enum { TENANT_MAX = 100, AUTHORITY_MAX = 300 };

const char auth_provider_default[] = "microsoft", auth_provider_default_tenant[] = "common";

// clang-format off
static const struct auth_provider providers[] = {
    {"microsoft", "https://login.microsoftonline.com", V2 "/authorize", V2 "/token",
     V2 "/devicecode", "https://outlook.office.com" IMAP_SCOPE, NULL},
    {"live", "https://login.live.com", "/oauth20_authorize.srf", "/oauth20_token.srf",
     NULL, "wl.imap wl.offline_access", "https://login.live.com/oauth20_desktop.srf"},
    {"generic", NULL, NULL, NULL, NULL, NULL, NULL},
};

static const struct {
    const char *authority, *scope, *imap_host;
} clouds[] = {
    {"https://login.microsoftonline.us", "https://outlook.office365.us" IMAP_SCOPE,
     "outlook.office365.us"},
    {"https://login.partner.microsoftonline.cn", "https://partner.outlook.cn" IMAP_SCOPE,
     "partner.outlook.cn"},
    {"https://login.chinacloudapi.cn", "https://partner.outlook.cn" IMAP_SCOPE,
     "partner.outlook.cn"},
};
// clang-format on

enum { PROVIDERS = sizeof providers / sizeof *providers, CLOUDS = sizeof clouds / sizeof *clouds };

const struct auth_provider *auth_provider_find(const char *name)
{
    for (size_t i = 0; i < PROVIDERS; i++)
        if (strcmp(providers[i].name, name) == 0)
            return &providers[i];
    return NULL;
}

bool auth_address_good(const char *url)
{
    static const char start[] = "https://";
    size_t len = sizeof start - 1;
    if (strncmp(url, start, len) != 0 || strchr("/?#:", url[len]) != NULL)
        return false;
    for (const char *at = url + len; *at != '\0'; at++) {
        if (*at <= ' ' || *at >= 0x7F || strchr("\"<>\\^`{|}@", *at) != NULL)
            return false;
    }
    return true;
}

static bool tenant_good(const char *tenant)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";
    size_t len = strlen(tenant);
    return len > 0 && len <= TENANT_MAX && tenant[0] != '.' &&
           tenant[strspn(tenant, letters)] == '\0';
}

/* Length of an authority without the slashes at its end. */
static size_t authority_length(const char *authority)
{
    size_t len = strlen(authority);
    while (len > 0 && authority[len - 1] == '/')
        len--;
    return len;
}

/* The cloud whose authority this is; NULL: the worldwide one, or unknown. */
static const char *in_cloud(const char *authority, bool imap_host)
{
    for (size_t i = 0; authority != NULL && i < CLOUDS; i++) {
        size_t len = authority_length(authority);
        if (strlen(clouds[i].authority) == len && strncmp(clouds[i].authority, authority, len) == 0)
            return imap_host ? clouds[i].imap_host : clouds[i].scope;
    }
    return NULL;
}

/* authority + path, with the tenant in place of "{}". */
static char *address(const char *authority, const char *path, const char *tenant)
{
    char *url = NULL;
    int len = (int)authority_length(authority);
    const char *mark = strstr(path, "{}");
    int made = mark == NULL ? asprintf(&url, "%.*s%s", len, authority, path)
                            : asprintf(&url, "%.*s%.*s%s%s", len, authority, (int)(mark - path),
                                       path, tenant, mark + 2);
    return made >= 0 ? url : NULL;
}

static bool check(const struct auth_provider *provider, const char *authority, const char *tenant,
                  char *text)
{
    if (provider->authority == NULL)
        snprintf(text, AUTH_TEXT_MAX, "the provider %s signs in with a password, not with OAuth",
                 provider->name);
    else if (!auth_address_good(authority) || strpbrk(authority, "?#") != NULL ||
             strlen(authority) > AUTHORITY_MAX)
        snprintf(text, AUTH_TEXT_MAX,
                 "the authority %.100s is not an address like https://login.microsoftonline.com",
                 authority);
    else if (!tenant_good(tenant))
        snprintf(
            text, AUTH_TEXT_MAX,
            "the tenant %.100s is not common, consumers, organizations, or a directory's id or "
            "domain",
            tenant);
    else
        return true;
    return false;
}

bool auth_endpoints_make(const struct auth_provider *provider, const char *authority,
                         const char *tenant, struct auth_endpoints *endpoints, char *text)
{
    *endpoints = (struct auth_endpoints){0};
    if (authority == NULL)
        authority = provider->authority;
    if (tenant == NULL)
        tenant = auth_provider_default_tenant;
    if (!check(provider, authority, tenant, text))
        return false;
    const char *cloud = in_cloud(authority, false);
    endpoints->scope = cloud != NULL ? cloud : provider->scope;
    endpoints->redirect = provider->redirect;
    endpoints->authorize = address(authority, provider->authorize, tenant);
    endpoints->token = address(authority, provider->token, tenant);
    if (provider->device != NULL)
        endpoints->device = address(authority, provider->device, tenant);
    if (endpoints->authorize != NULL && endpoints->token != NULL &&
        (provider->device == NULL || endpoints->device != NULL))
        return true;
    auth_endpoints_free(endpoints);
    snprintf(text, AUTH_TEXT_MAX, "no memory");
    return false;
}

void auth_endpoints_free(struct auth_endpoints *endpoints)
{
    free(endpoints->authorize);
    free(endpoints->token);
    free(endpoints->device);
    *endpoints = (struct auth_endpoints){0};
}

const char *auth_provider_imap_host(const char *provider, const char *authority, const char *tenant)
{
    if (provider == NULL)
        provider = auth_provider_default;
    if (strcmp(provider, "generic") == 0)
        return NULL;
    const char *cloud = in_cloud(authority, true);
    if (cloud != NULL)
        return cloud;
    bool personal = tenant == NULL || strcmp(tenant, "common") == 0 ||
                    strcmp(tenant, "consumers") == 0 || strcmp(provider, "live") == 0;
    return personal ? PERSONAL_HOST : WORK_HOST;
}
