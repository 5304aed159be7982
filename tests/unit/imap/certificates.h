/* Certificates made on the spot, for TLS tests: a root, and what it signs. */
#ifndef OUTLOOKFS_TESTS_UNIT_IMAP_CERTIFICATES_H
#define OUTLOOKFS_TESTS_UNIT_IMAP_CERTIFICATES_H

#include <openssl/ssl.h>
#include <stdbool.h>

struct certificate {
    X509 *x509;
    EVP_PKEY *key;
};

/* `names` is a subjectAltName ("DNS:localhost,IP:127.0.0.1"), NULL for a root. `issuer` NULL:
 * signed by itself. Valid from `from` to `until`, seconds from now. */
struct certificate certificate_make(const char *common_name, const char *names,
                                    const struct certificate *issuer, long from, long until);
void certificate_free(struct certificate *certificate);

/* Writes the certificate as PEM to a new file whose name replaces the XXXXXX in `path`. */
void certificate_write(const struct certificate *certificate, char *path);

/* A server's context with it; `max_version` 0: any. */
SSL_CTX *certificate_server(const struct certificate *certificate, int max_version);

#endif
