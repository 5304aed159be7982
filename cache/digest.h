/*
 * SHA-256 of bytes as they pass (OpenSSL's EVP). A running digest belongs to one thread.
 */
#ifndef OUTLOOKFS_CACHE_DIGEST_H
#define OUTLOOKFS_CACHE_DIGEST_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DIGEST_SIZE = 32 };

/* All zero: not begun. */
struct digest {
    EVP_MD_CTX *context;
    bool failed;
};

void digest_add(struct digest *digest, const void *data, size_t len); /* begins it where needed */
/* The digest of all that was added; it is free then. False without memory. */
bool digest_end(struct digest *digest, uint8_t sha256[DIGEST_SIZE]);
void digest_free(struct digest *digest);

#endif
