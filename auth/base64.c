/*
 * See base64.h. OpenSSL's EVP_DecodeBlock is lenient (it skips white space at the ends and ignores
 * the bits that padding leaves over), so the text is looked at before, and its last group is
 * compared with what the decoded bytes would be written as.
 */
#include "auth/base64.h"

#include <limits.h>
#include <openssl/evp.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

bool auth_base64_encode(const void *data, size_t len, struct buffer *out)
{
    if (len > INT_MAX / 2)
        return false;
    size_t size = (len + 2) / 3 * 4;
    char *to = buffer_reserve(out, size);
    if (to == NULL)
        return false;
    EVP_EncodeBlock((unsigned char *)to, data, (int)len);
    buffer_commit(out, size);
    return true;
}

/* How many '=' a text of whole groups ends with; -1: something in it is not base64. */
static int padding(const char *text, size_t len)
{
    int pad = 0;
    while (pad < 2 && (size_t)pad < len && text[len - 1 - (size_t)pad] == '=')
        pad++;
    for (size_t i = 0; i < len - (size_t)pad; i++) {
        if (text[i] == '\0' || strchr(alphabet, text[i]) == NULL)
            return -1;
    }
    return pad;
}

/* Whether the last group is how its bytes are written. */
static bool canonical(const char *group, const char *bytes, int count)
{
    unsigned char again[5];
    EVP_EncodeBlock(again, (const unsigned char *)bytes, count);
    bool same = memcmp(again, group, 4) == 0;
    explicit_bzero(again, sizeof again);
    return same;
}

bool auth_base64_decode(const char *text, size_t len, struct buffer *out)
{
    if (len % 4 != 0 || len > INT_MAX)
        return false;
    int pad = padding(text, len);
    size_t size = len / 4 * 3;
    char *to = pad < 0 ? NULL : buffer_reserve(out, size);
    if (to == NULL || (len > 0 && EVP_DecodeBlock((unsigned char *)to, (const unsigned char *)text,
                                                  (int)len) != (int)size))
        return false;
    if (len > 0 && !canonical(text + len - 4, to + size - 3, 3 - pad)) {
        explicit_bzero(to, size);
        *to = '\0';
        return false;
    }
    buffer_commit(out, size - (size_t)pad);
    return true;
}
