/*
 * See tls.h.
 *
 * Each connection has a context of its own: there are a handful of them, each lives for an hour,
 * and so nothing is shared between threads. Roots are the system's, plus cafile's where one is
 * named. The host is verified by OpenSSL inside the handshake (X509_VERIFY_PARAM), as a name or,
 * where it is an address, as an address; no data flows before that.
 */
#include "imap/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "imap/failure.h"

static bool is_address(const char *host)
{
    unsigned char address[16];
    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

/* The text of OpenSSL's newest error; never NULL. */
static const char *newest_reason(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_last_error());
    return text != NULL ? text : "no reason given";
}

static SSL_CTX *context_new(const struct imap_tls_settings *settings, struct imap_failure *failure)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (ctx == NULL || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1) {
        imap_failure_set(failure, IMAP_ERR_MEMORY, "%s: TLS cannot start: %s", settings->host,
                         newest_reason());
        goto fail;
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    /* A system without roots is no error here: then cafile is all there is. */
    (void)SSL_CTX_set_default_verify_paths(ctx);
    ERR_clear_error();
    if (settings->cafile != NULL && SSL_CTX_load_verify_file(ctx, settings->cafile) != 1) {
        imap_failure_set(failure, IMAP_ERR_CERT,
                         "%s: no root certificate can be read from %s (%s); check cafile=",
                         settings->host, settings->cafile, newest_reason());
        goto fail;
    }
    return ctx;
fail:
    SSL_CTX_free(ctx);
    return NULL;
}

static bool expect_host(SSL *ssl, const char *host)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    if (is_address(host))
        return X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1;
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    /* SSL_set_tlsext_host_name, whose macro casts const away; OpenSSL copies the name. */
    return X509_VERIFY_PARAM_set1_host(param, host, 0) == 1 &&
           SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                    (void *)(uintptr_t)host) == 1;
}

SSL *imap_tls_new(const struct imap_tls_settings *settings, struct imap_failure *failure)
{
    SSL_CTX *ctx = context_new(settings, failure);
    if (ctx == NULL)
        return NULL;
    SSL *ssl = SSL_new(ctx);
    if (ssl == NULL || !expect_host(ssl, settings->host)) {
        imap_failure_set(failure, IMAP_ERR_TLS,
                         "%s: TLS cannot start: %s; check host=", settings->host, newest_reason());
        SSL_free(ssl);
        ssl = NULL;
    } else {
        SSL_set_connect_state(ssl);
        SSL_set_read_ahead(ssl, 1);
    }
    SSL_CTX_free(ctx);
    return ssl;
}

static const struct {
    long verify; /* X509_V_ERR_x */
    enum imap_error error;
    const char *cause, *advice;
} verdicts[] = {
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, IMAP_ERR_CERT,
     "is not trusted (self-signed certificate)",                                        "name its root with -o cafile=FILE"},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,   IMAP_ERR_CERT,
     "is not trusted (its root is not known here)",                                     "name its root with -o cafile=FILE"},
    {X509_V_ERR_CERT_HAS_EXPIRED,            IMAP_ERR_CERT,      "has expired",
     "check this machine's clock; else the server's owner must renew it"                                                   },
    {X509_V_ERR_CERT_NOT_YET_VALID,          IMAP_ERR_CERT,      "is not valid yet",
     "check this machine's clock"                                                                                          },
    {X509_V_ERR_HOSTNAME_MISMATCH,           IMAP_ERR_CERT_NAME, "is for another host", "check host="                      },
    {X509_V_ERR_IP_ADDRESS_MISMATCH,         IMAP_ERR_CERT_NAME, "is for another host",
     "give host= as a name that it carries"                                                                                },
};

static enum imap_error explain_verify(long verify, const char *host, struct imap_failure *failure)
{
    for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++) {
        if (verdicts[i].verify == verify) {
            imap_failure_set(failure, verdicts[i].error, "%s: the certificate %s; %s", host,
                             verdicts[i].cause, verdicts[i].advice);
            return verdicts[i].error;
        }
    }
    imap_failure_set(failure, IMAP_ERR_CERT,
                     "%s: the certificate is not trusted (%s); name its root with -o cafile=FILE",
                     host, X509_verify_cert_error_string(verify));
    return IMAP_ERR_CERT;
}

enum imap_error imap_tls_explain(SSL *ssl, const struct imap_tls_settings *settings,
                                 struct imap_failure *failure)
{
    unsigned long newest = ERR_peek_last_error();
    long verify = SSL_get_verify_result(ssl);
    if (verify != X509_V_OK)
        return explain_verify(verify, settings->host, failure);
    bool ssl_error = ERR_GET_LIB(newest) == ERR_LIB_SSL;
    int reason = ERR_GET_REASON(newest);
    if (ssl_error && reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        imap_failure_set(failure, IMAP_ERR_CLOSED,
                         "%s: the server ended the connection during the TLS handshake; try again",
                         settings->host);
    } else if (ssl_error && reason == SSL_R_WRONG_VERSION_NUMBER) {
        imap_failure_set(failure, IMAP_ERR_TLS,
                         "%s: port %u does not speak TLS; check port=, or use tls=starttls",
                         settings->host, (unsigned)settings->port);
    } else {
        imap_failure_set(failure, IMAP_ERR_TLS,
                         "%s: the TLS handshake failed (%s); the server must offer TLS 1.2 or "
                         "later, check host= and port=",
                         settings->host, newest_reason());
    }
    return failure->error;
}
