/*
 * Modified UTF-7 (RFC 3501 section 5.1.3): printable ASCII stands for itself, '&' is "&-", and
 * everything else is "&" base64 "-" where the base64 (',' for '/', no padding) holds UTF-16BE.
 *
 * Decoding is strict where leniency would give two meanings to one name: bytes outside printable
 * ASCII, base64 that is cut or leaves bits set over, and lone surrogates are refused. It is
 * tolerant where servers differ without harm: ASCII that was encoded needlessly, and two shifted
 * runs in a row. A refused name leaves `out` as it was. Pure functions; any thread.
 */
#include "imap/utf7.h"

#include <stdint.h>
#include <string.h>

static const char base64_chars[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

enum {
    SURROGATE_HIGH = 0xD800,
    SURROGATE_LOW = 0xDC00,
    SURROGATE_END = 0xE000,
    PLANE_1 = 0x10000,
    UNICODE_END = 0x110000
};

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == ',' ? 63 : -1;
}

static bool put_utf8(struct buffer *out, uint32_t c)
{
    char bytes[4];
    size_t len = 0;
    if (c < 0x80) {
        bytes[len++] = (char)c;
    } else if (c < 0x800) {
        bytes[len++] = (char)(0xC0 | c >> 6);
    } else if (c < PLANE_1) {
        bytes[len++] = (char)(0xE0 | c >> 12);
        bytes[len++] = (char)(0x80 | (c >> 6 & 0x3F));
    } else {
        bytes[len++] = (char)(0xF0 | c >> 18);
        bytes[len++] = (char)(0x80 | (c >> 12 & 0x3F));
        bytes[len++] = (char)(0x80 | (c >> 6 & 0x3F));
    }
    if (c >= 0x80)
        bytes[len++] = (char)(0x80 | (c & 0x3F));
    return buffer_append(out, bytes, len);
}

/* Takes one UTF-16 unit; *high is the first half of a pair that waits for its second. */
static bool put_unit(struct buffer *out, uint32_t unit, uint32_t *high)
{
    bool is_high = unit >= SURROGATE_HIGH && unit < SURROGATE_LOW;
    bool is_low = unit >= SURROGATE_LOW && unit < SURROGATE_END;
    if ((*high != 0) != is_low)
        return false;
    if (is_high) {
        *high = unit;
        return true;
    }
    uint32_t c = unit;
    if (is_low)
        c = PLANE_1 + ((*high - SURROGATE_HIGH) << 10) + (unit - SURROGATE_LOW);
    *high = 0;
    return put_utf8(out, c);
}

/* Decodes the base64 between '&' and '-'; the run is not empty. */
static bool decode_shifted(const char *run, size_t len, struct buffer *out)
{
    uint32_t bits = 0, high = 0;
    unsigned held = 0;
    for (size_t i = 0; i < len; i++) {
        int value = base64_value(run[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        held += 6;
        if (held < 16)
            continue;
        held -= 16;
        if (!put_unit(out, bits >> held & 0xFFFF, &high))
            return false;
        bits &= (1U << held) - 1;
    }
    /* What is left over is padding: less than one character's worth, all zero. */
    return held < 6 && bits == 0 && high == 0;
}

static bool decode_name(const char *name, size_t len, struct buffer *out)
{
    for (size_t i = 0; i < len; i++) {
        if (name[i] < 0x20 || name[i] > 0x7E)
            return false;
        if (name[i] != '&') {
            if (!buffer_append_byte(out, name[i]))
                return false;
            continue;
        }
        const char *run = name + i + 1;
        const char *end = memchr(run, '-', len - i - 1);
        if (end == NULL)
            return false;
        bool ok = end == run ? buffer_append_byte(out, '&')
                             : decode_shifted(run, (size_t)(end - run), out);
        if (!ok)
            return false;
        i = (size_t)(end - name);
    }
    return true;
}

static void truncate_to(struct buffer *out, size_t len)
{
    out->len = len;
    if (out->data != NULL)
        out->data[len] = '\0';
}

bool imap_utf7_decode(const char *name, size_t len, struct buffer *out)
{
    size_t before = out->len;
    bool ok = decode_name(name, len, out);
    if (!ok)
        truncate_to(out, before);
    return ok;
}

/* Reads one UTF-8 character at *at; false when it is overlong, a surrogate, too high or cut. */
static bool take_utf8(const char *text, size_t len, size_t *at, uint32_t *c)
{
    static const uint32_t least[] = {0, 0x80, 0x800, PLANE_1};
    unsigned char first = (unsigned char)text[*at];
    unsigned more = first < 0x80 ? 0 : first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
    if ((first >= 0x80 && first < 0xC0) || first > 0xF7 || len - *at <= more)
        return false;
    uint32_t value = more == 0 ? first : first & (0x3FU >> more);
    for (unsigned i = 1; i <= more; i++) {
        unsigned char next = (unsigned char)text[*at + i];
        if ((next & 0xC0) != 0x80)
            return false;
        value = value << 6 | (next & 0x3F);
    }
    if (value < least[more] || value >= UNICODE_END ||
        (value >= SURROGATE_HIGH && value < SURROGATE_END))
        return false;
    *at += more + 1;
    *c = value;
    return true;
}

/* A shifted run being written: up to five bits wait for the next unit. */
struct shift {
    uint32_t bits;
    unsigned held;
    bool open;
};

static bool shift_unit(struct buffer *out, struct shift *s, uint32_t unit)
{
    if (!s->open && !buffer_append_byte(out, '&'))
        return false;
    s->open = true;
    s->bits = s->bits << 16 | unit;
    s->held += 16;
    while (s->held >= 6) {
        s->held -= 6;
        if (!buffer_append_byte(out, base64_chars[s->bits >> s->held & 0x3F]))
            return false;
    }
    s->bits &= (1U << s->held) - 1;
    return true;
}

static bool shift_close(struct buffer *out, struct shift *s)
{
    if (!s->open)
        return true;
    bool ok =
        s->held == 0 || buffer_append_byte(out, base64_chars[s->bits << (6 - s->held) & 0x3F]);
    *s = (struct shift){0};
    return ok && buffer_append_byte(out, '-');
}

static bool shift_char(struct buffer *out, struct shift *s, uint32_t c)
{
    if (c < PLANE_1)
        return shift_unit(out, s, c);
    c -= PLANE_1;
    return shift_unit(out, s, SURROGATE_HIGH + (c >> 10)) &&
           shift_unit(out, s, SURROGATE_LOW + (c & 0x3FF));
}

static bool encode_name(const char *name, size_t len, struct buffer *out)
{
    struct shift s = {0};
    for (size_t at = 0; at < len;) {
        uint32_t c = 0;
        bool ok = take_utf8(name, len, &at, &c);
        if (ok && (c < 0x20 || c > 0x7E))
            ok = shift_char(out, &s, c);
        else if (ok)
            ok = shift_close(out, &s) && buffer_append_byte(out, (char)c) &&
                 (c != '&' || buffer_append_byte(out, '-'));
        if (!ok)
            return false;
    }
    return shift_close(out, &s);
}

bool imap_utf7_encode(const char *name, size_t len, struct buffer *out)
{
    size_t before = out->len;
    bool ok = encode_name(name, len, out);
    if (!ok)
        truncate_to(out, before);
    return ok;
}
