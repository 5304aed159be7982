/* See pkce.h. */
#include "auth/pkce.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

enum { BYTES = 32, BASE64 = 44 };

/* base64url without padding: 32 bytes are 43 characters and one '='. */
static void base64url(const unsigned char bytes[BYTES], char text[AUTH_PKCE_TEXT])
{
    unsigned char encoded[BASE64 + 1];
    EVP_EncodeBlock(encoded, bytes, BYTES);
    for (int i = 0; i < BASE64 - 1; i++)
        text[i] = encoded[i] == '+' ? '-' : encoded[i] == '/' ? '_' : (char)encoded[i];
    text[BASE64 - 1] = '\0';
    explicit_bzero(encoded, sizeof encoded);
}

static bool random_text(char text[AUTH_PKCE_TEXT])
{
    unsigned char bytes[BYTES];
    bool good = RAND_priv_bytes(bytes, BYTES) == 1;
    if (good)
        base64url(bytes, text);
    explicit_bzero(bytes, sizeof bytes);
    return good;
}

bool auth_pkce_challenge(const char *verifier, char challenge[AUTH_PKCE_TEXT])
{
    unsigned char digest[BYTES];
    if (EVP_Digest(verifier, strlen(verifier), digest, NULL, EVP_sha256(), NULL) != 1)
        return false;
    base64url(digest, challenge);
    return true;
}

bool auth_pkce_make(struct auth_pkce *pkce)
{
    return random_text(pkce->verifier) && random_text(pkce->state) &&
           auth_pkce_challenge(pkce->verifier, pkce->challenge);
}
