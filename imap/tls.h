/* The part of TLS that is not moving bytes: contexts, verification, and what went wrong. Used by
 * imap/stream.c alone. */
#ifndef OUTLOOKFS_IMAP_TLS_H
#define OUTLOOKFS_IMAP_TLS_H

#include <openssl/ssl.h>

#include "imap/stream.h"

/* A client's SSL that verifies chain and name as `settings` say; NULL with *failure filled
 * (IMAP_ERR_CERT where cafile cannot be used, IMAP_ERR_MEMORY, IMAP_ERR_TLS). */
SSL *imap_tls_new(const struct imap_tls_settings *settings, struct imap_failure *failure);

/* Fills *failure for a handshake that ended with SSL_ERROR_SSL, from OpenSSL's error queue. */
enum imap_error imap_tls_explain(SSL *ssl, const struct imap_tls_settings *settings,
                                 struct imap_failure *failure);

#endif
