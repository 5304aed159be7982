/*
 * See seal.h. The nonce is random: one key seals a login once at each renewal, some ten thousand
 * times a year, and 96 random bits stay unique far beyond that (SP 800-38D section 8.3 allows 2^32
 * of them).
 *
 * OpenSSL gives out decrypted bytes before the tag was checked; they go where the caller's buffer
 * has room, which is overwritten when the tag is wrong.
 */
#include "auth/seal.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

/* Starts either direction, and takes what is bound. */
static bool start(EVP_CIPHER_CTX *ctx, const unsigned char *key, const unsigned char *nonce,
                  const char *bound, int encrypt)
{
    int done = 0;
    return ctx != NULL &&
           EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce, encrypt) == 1 &&
           EVP_CipherUpdate(ctx, NULL, &done, (const unsigned char *)bound, (int)strlen(bound)) ==
               1;
}

static bool encrypt_into(unsigned char *to, const unsigned char *key, const char *bound,
                         const struct buffer *plain)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    unsigned char *bytes = to + AUTH_SEAL_NONCE;
    int len = (int)plain->len;
    int done = 0;
    bool whole = RAND_bytes(to, AUTH_SEAL_NONCE) == 1 && start(ctx, key, to, bound, 1) &&
                 (len == 0 || EVP_CipherUpdate(ctx, bytes, &done,
                                               (const unsigned char *)plain->data, len) == 1) &&
                 done == len && EVP_CipherFinal_ex(ctx, bytes + len, &done) == 1 &&
                 EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, AUTH_SEAL_TAG, bytes + len) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return whole;
}

bool auth_seal_close(const unsigned char key[AUTH_SEAL_KEY], const char *bound,
                     const struct buffer *plain, struct buffer *sealed)
{
    if (plain->len > AUTH_SEAL_MAX)
        return false;
    size_t size = AUTH_SEAL_NONCE + plain->len + AUTH_SEAL_TAG;
    char *to = buffer_reserve(sealed, size);
    if (to == NULL || !encrypt_into((unsigned char *)to, key, bound, plain))
        return false;
    buffer_commit(sealed, size);
    return true;
}

/* `tag` is a copy: OpenSSL wants to write to it, by its signature. */
static bool decrypt_into(unsigned char *to, const unsigned char *key, const char *bound,
                         const unsigned char *from, int len)
{
    unsigned char tag[AUTH_SEAL_TAG];
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int done = 0;
    int last = 0;
    memcpy(tag, from + AUTH_SEAL_NONCE + len, sizeof tag);
    bool whole = start(ctx, key, from, bound, 0) &&
                 (len == 0 || EVP_CipherUpdate(ctx, to, &done, from + AUTH_SEAL_NONCE, len) == 1) &&
                 done == len &&
                 EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, AUTH_SEAL_TAG, tag) == 1 &&
                 EVP_CipherFinal_ex(ctx, to + len, &last) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return whole;
}

bool auth_seal_open(const unsigned char key[AUTH_SEAL_KEY], const char *bound,
                    const struct buffer *sealed, struct buffer *plain)
{
    enum { AROUND = AUTH_SEAL_NONCE + AUTH_SEAL_TAG };
    if (sealed->len < AROUND || sealed->len - AROUND > AUTH_SEAL_MAX)
        return false;
    size_t size = sealed->len - AROUND;
    char *to = buffer_reserve(plain, size);
    if (to == NULL)
        return false;
    if (!decrypt_into((unsigned char *)to, key, bound, (const unsigned char *)sealed->data,
                      (int)size)) {
        explicit_bzero(to, size + 1);
        return false;
    }
    buffer_commit(plain, size);
    return true;
}
