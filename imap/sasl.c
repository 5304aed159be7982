/*
 * See sasl.h. The plain form of a message lives in one block that is allocated at its final size
 * (so that growing leaves no copy behind) and is overwritten before it is freed; so is the base64,
 * by the caller. Base64 is OpenSSL's.
 */
#include "imap/sasl.h"

#include <openssl/evp.h>
#include <string.h>

#define CTRL_A "\001"

/* Whether `text` can stand inside a message whose fields end with ^A and whose end is a line's. */
static bool carries(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\001' || *text == '\r' || *text == '\n')
            return false;
    }
    return true;
}

/* Appends the base64 of `plain` to `out`, and wipes `plain`. */
static bool encode(struct buffer *out, struct buffer *plain, bool whole)
{
    size_t need = 4 * ((plain->len + 2) / 3);
    char *to = whole ? buffer_reserve(out, need + 1) : NULL;
    if (to != NULL) {
        int len = EVP_EncodeBlock((unsigned char *)to, (const unsigned char *)plain->data,
                                  (int)plain->len);
        buffer_commit(out, (size_t)len);
    }
    buffer_wipe(plain);
    return to != NULL;
}

/* An empty buffer with room for the parts and `more` bytes, so that it never moves. */
static bool start(struct buffer *plain, size_t more, const char *user, const char *secret)
{
    buffer_init(plain, IMAP_SASL_MAX / 2);
    return buffer_reserve(plain, strlen(user) + strlen(secret) + more) != NULL;
}

bool imap_sasl_xoauth2(struct buffer *out, const char *user, const char *token)
{
    struct buffer plain;
    bool whole = start(&plain, 64, user, token) && carries(user) && carries(token) &&
                 buffer_append_text(&plain, "user=") && buffer_append_text(&plain, user) &&
                 buffer_append_text(&plain, CTRL_A "auth=Bearer ") &&
                 buffer_append_text(&plain, token) && buffer_append_text(&plain, CTRL_A CTRL_A);
    return encode(out, &plain, whole);
}

/* RFC 5801 section 4: ',' and '=' in the authorization identity are written =2C and =3D. */
static bool append_saslname(struct buffer *plain, const char *user)
{
    for (; *user != '\0'; user++) {
        bool ok = *user == ','   ? buffer_append_text(plain, "=2C")
                  : *user == '=' ? buffer_append_text(plain, "=3D")
                                 : buffer_append_byte(plain, *user);
        if (!ok)
            return false;
    }
    return true;
}

bool imap_sasl_oauthbearer(struct buffer *out, const char *user, const char *token,
                           const char *host, uint16_t port)
{
    struct buffer plain;
    size_t more = 64 + 2 * strlen(user) + strlen(host);
    bool whole = start(&plain, more, user, token) && carries(user) && carries(token) &&
                 carries(host) && buffer_append_text(&plain, "n,a=") &&
                 append_saslname(&plain, user) &&
                 buffer_printf(&plain, "," CTRL_A "host=%s" CTRL_A "port=%u", host, port) &&
                 buffer_append_text(&plain, CTRL_A "auth=Bearer ") &&
                 buffer_append_text(&plain, token) && buffer_append_text(&plain, CTRL_A CTRL_A);
    return encode(out, &plain, whole);
}

bool imap_sasl_plain(struct buffer *out, const char *user, const char *password)
{
    struct buffer plain;
    bool whole = start(&plain, 8, user, password) && buffer_append_byte(&plain, '\0') &&
                 buffer_append_text(&plain, user) && buffer_append_byte(&plain, '\0') &&
                 buffer_append_text(&plain, password);
    return encode(out, &plain, whole);
}
