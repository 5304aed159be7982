/*
 * Who signs people in: the table of providers (CONTRACT.md section 5, OUTLOOK.md section 6), and
 * the addresses that follow from provider, authority and tenant. Pure; any thread.
 */
#ifndef OUTLOOKFS_AUTH_PROVIDER_H
#define OUTLOOKFS_AUTH_PROVIDER_H

#include <stdbool.h>

struct auth_provider {
    const char *name;
    const char *authority; /* https://HOST, without the paths; NULL: this one knows no OAuth */
    const char *authorize, *token, *device; /* paths; "{}" is the tenant; device NULL: has none */
    const char *scope;
    const char *redirect; /* of the authorization code; NULL: a listener on this machine */
};

/* NULL: no such provider. */
const struct auth_provider *auth_provider_find(const char *name);

/* Where the provider is when a person names none of the three. */
extern const char auth_provider_default[], auth_provider_default_tenant[];

/* The addresses of one sign-in. Strings are malloc'ed, `redirect` and `scope` constants. */
struct auth_endpoints {
    char *authorize, *token, *device; /* device NULL: no device code */
    const char *scope, *redirect;
};

/* `authority` and `tenant` NULL: the defaults. False with the cause in `text` (AUTH_TEXT_MAX):
 * what was given is no https address, or no tenant. */
bool auth_endpoints_make(const struct auth_provider *provider, const char *authority,
                         const char *tenant, struct auth_endpoints *endpoints, char *text)
    __attribute__((warn_unused_result));
void auth_endpoints_free(struct auth_endpoints *endpoints);

/* The IMAP server that goes with a provider's accounts; NULL: nobody knows. `tenant` and
 * `authority` as above. */
const char *auth_provider_imap_host(const char *provider, const char *authority,
                                    const char *tenant);

/* Whether an address is https with a host, and has nothing but what a terminal can show: what may
 * be asked for, and what a browser may be sent to. */
bool auth_address_good(const char *url);

#endif
