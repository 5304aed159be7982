/* See certificates.h. */
#include "tests/unit/test.h"

#include "tests/unit/imap/certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void extend(X509 *x509, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x509, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(x509, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

struct certificate certificate_make(const char *common_name, const char *names,
                                    const struct certificate *issuer, long from, long until)
{
    static long serial = 1;
    struct certificate made = {X509_new(), EVP_EC_gen("P-256")};
    assert_true(made.x509 != NULL && made.key != NULL);
    X509 *signer = issuer != NULL ? issuer->x509 : made.x509;
    X509_set_version(made.x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made.x509), serial++);
    X509_gmtime_adj(X509_getm_notBefore(made.x509), from);
    X509_gmtime_adj(X509_getm_notAfter(made.x509), until);
    X509_set_pubkey(made.x509, made.key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made.x509), "CN", MBSTRING_UTF8,
                               (const unsigned char *)common_name, -1, -1, 0);
    X509_set_issuer_name(made.x509, X509_get_subject_name(signer));
    extend(made.x509, signer, NID_basic_constraints,
           names == NULL ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (names != NULL)
        extend(made.x509, signer, NID_subject_alt_name, names);
    assert_true(X509_sign(made.x509, issuer != NULL ? issuer->key : made.key, EVP_sha256()) > 0);
    return made;
}

void certificate_free(struct certificate *certificate)
{
    X509_free(certificate->x509);
    EVP_PKEY_free(certificate->key);
    *certificate = (struct certificate){NULL, NULL};
}

void certificate_write(const struct certificate *certificate, char *path)
{
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "w");
    assert_non_null(file);
    assert_int_equal(PEM_write_X509(file, certificate->x509), 1);
    assert_int_equal(fclose(file), 0);
}

SSL_CTX *certificate_server(const struct certificate *certificate, int max_version)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    assert_non_null(ctx);
    assert_int_equal(SSL_CTX_use_certificate(ctx, certificate->x509), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, certificate->key), 1);
    if (max_version != 0) {
        SSL_CTX_set_security_level(ctx, 0);
        SSL_CTX_set_min_proto_version(ctx, 0);
        assert_int_equal(SSL_CTX_set_max_proto_version(ctx, max_version), 1);
    }
    return ctx;
}
