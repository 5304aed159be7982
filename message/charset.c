/*
 * See charset.h. iconv knows the charsets, GMime their many names. Some mailers name a charset and
 * write its larger brother (Outlook: gb2312 for GBK, ISO-8859-1 for windows-1252): what the one
 * named does not know is looked for in the other, a character at a time.
 */
#include "message/charset.h"

#include <errno.h>
#include <gmime/gmime.h>
#include <iconv.h>
#include <pthread.h>
#include <string.h>

enum {
    HELD_MAX = 16,      /* bytes of an unfinished character */
    OUT_MAX = 8 * 1024, /* bytes of UTF-8 that gather before they are cleaned */
    KEPT_MAX = 24,      /* charsets of which a converter stays open */
    NAME_MAX_KEPT = 32
};

#define NO_ICONV ((iconv_t)-1)

struct charset_reader {
    const struct message_sink *sink;
    iconv_t main; /* NO_ICONV: the bytes are UTF-8 */
    iconv_t wide; /* what main does not know; or NO_ICONV */
    char held[HELD_MAX];
    size_t held_len;
    bool begun; /* something came out */
    bool cr;    /* a CR came last: it was given as LF */
    char out[OUT_MAX];
    size_t out_len;
};

static const char replacement[] = "\xEF\xBF\xBD"; /* U+FFFD */

static const struct {
    const char *name, *wide;
} brothers[] = {
    {"gb2312",         "GB18030"   },
    {"gbk",            "GB18030"   },
    {"euc-cn",         "GB18030"   },
    {"big5",           "BIG5-HKSCS"},
    {"euc-kr",         "CP949"     },
    {"ks_c_5601-1987", "CP949"     },
    {"shift_jis",      "CP932"     },
    {"shift-jis",      "CP932"     },
    {"sjis",           "CP932"     },
    {"euc-jp",         "EUC-JP-MS" },
};

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names != NULL; names++) {
        if (g_ascii_strcasecmp(name, *names) == 0)
            return true;
    }
    return false;
}

static bool is_utf8_name(const char *charset)
{
    static const char *const names[] = {"utf-8", "utf8", "unicode-1-1-utf-8", NULL};
    return is_one_of(charset, names);
}

static bool is_ascii_name(const char *charset)
{
    static const char *const names[] = {"us-ascii",  "ascii",   "ansi_x3.4-1968", "iso-ir-6",
                                        "iso646-us", "default", "unknown-8bit",   "x-unknown",
                                        "unknown",   NULL};
    return is_one_of(charset, names);
}

/* Bytes 0x80 to 0x9F are controls there that nobody sends. */
static bool is_latin1_name(const char *charset)
{
    static const char *const names[] = {"iso-8859-1", "iso8859-1", "iso_8859-1", "latin1",
                                        "latin-1",    "l1",        NULL};
    return is_one_of(charset, names);
}

/* Names that iconv would take for something else: an encoding of the locale, or suffixes that
 * change how it works. */
static bool is_sane(const char *charset)
{
    size_t len = strlen(charset);
    return len > 0 && len < 64 &&
           strspn(charset, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:") ==
               len;
}

static struct {
    pthread_mutex_t lock;
    struct {
        char name[NAME_MAX_KEPT];
        iconv_t converter;
    } list[KEPT_MAX];
    unsigned count;
} kept = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool is_kept_locked(const char *charset)
{
    for (unsigned i = 0; i < kept.count; i++) {
        if (g_ascii_strcasecmp(charset, kept.list[i].name) == 0)
            return true;
    }
    return false;
}

void charset_keep(const char *charset)
{
    if (!is_sane(charset) || strlen(charset) >= NAME_MAX_KEPT || is_utf8_name(charset))
        return;
    pthread_mutex_lock(&kept.lock);
    if (kept.count < KEPT_MAX && !is_kept_locked(charset)) {
        iconv_t converter = iconv_open("UTF-8", charset);
        if (converter != NO_ICONV) {
            strcpy(kept.list[kept.count].name, charset);
            kept.list[kept.count++].converter = converter;
        }
    }
    pthread_mutex_unlock(&kept.lock);
}

static iconv_t open_named(const char *charset)
{
    charset_keep(charset);
    return iconv_open("UTF-8", charset);
}

static iconv_t open_charset(const char *charset)
{
    if (is_latin1_name(charset))
        return open_named("WINDOWS-1252");
    iconv_t converter = open_named(charset);
    return converter != NO_ICONV ? converter : open_named(g_mime_charset_iconv_name(charset));
}

static iconv_t open_wide(const char *charset)
{
    for (size_t i = 0; i < G_N_ELEMENTS(brothers); i++) {
        if (g_ascii_strcasecmp(charset, brothers[i].name) == 0)
            return open_named(brothers[i].wide);
    }
    return NO_ICONV;
}

bool charset_is_vague(const char *charset)
{
    if (charset == NULL || !is_sane(charset) || is_ascii_name(charset))
        return true;
    if (is_utf8_name(charset))
        return false;
    iconv_t converter = open_charset(charset);
    if (converter == NO_ICONV)
        return true;
    iconv_close(converter);
    return false;
}

struct charset_reader *charset_reader_new(const char *charset, bool is_utf8,
                                          const struct message_sink *sink)
{
    struct charset_reader *reader = g_new0(struct charset_reader, 1);
    bool vague = charset_is_vague(charset);
    reader->sink = sink;
    reader->main = reader->wide = NO_ICONV;
    if (vague && !is_utf8)
        reader->main = open_named("WINDOWS-1252");
    else if (!vague && !is_utf8_name(charset)) {
        reader->main = open_charset(charset);
        reader->wide = open_wide(charset);
    }
    return reader;
}

void charset_reader_free(struct charset_reader *reader)
{
    if (reader->main != NO_ICONV)
        iconv_close(reader->main);
    if (reader->wide != NO_ICONV)
        iconv_close(reader->wide);
    g_free(reader);
}

static bool flush(struct charset_reader *reader)
{
    size_t len = reader->out_len;
    reader->out_len = 0;
    return len == 0 || reader->sink->write(reader->sink->ctx, reader->out, len);
}

static bool put(struct charset_reader *reader, const char *data, size_t len)
{
    while (len > 0) {
        if (reader->out_len == OUT_MAX && !flush(reader))
            return false;
        size_t room = OUT_MAX - reader->out_len;
        size_t take = len < room ? len : room;
        memcpy(reader->out + reader->out_len, data, take);
        reader->out_len += take;
        data += take;
        len -= take;
    }
    return true;
}

/* How many bytes from `p` on pass as they are: no controls but tab and LF, no C1. */
static size_t plain_run(const char *p, const char *end)
{
    const char *at = p;
    for (; at < end; at++) {
        unsigned char c = (unsigned char)*at;
        if ((c < 0x20 && c != '\t' && c != '\n') || c == 0x7F || c == 0xC2)
            break;
    }
    return (size_t)(at - p);
}

/* Valid UTF-8, whole characters, cleaned. */
static bool put_clean(struct charset_reader *reader, const char *text, size_t len)
{
    const char *p = text, *end = text + len;
    if (!reader->begun && len >= 3 && memcmp(p, "\xEF\xBB\xBF", 3) == 0)
        p += 3;
    reader->begun |= len > 0;
    while (p < end) {
        if (reader->cr && *p == '\n')
            p++;
        reader->cr = false;
        size_t run = plain_run(p, end);
        if (!put(reader, p, run))
            return false;
        p += run;
        if (p == end)
            break;
        unsigned char c = (unsigned char)*p;
        bool two = c == 0xC2 && p + 1 < end;
        bool good;
        if (two && (unsigned char)p[1] >= 0xA0)
            good = put(reader, p, 2);
        else if (c == '\r' || c == '\f')
            good = put(reader, "\n", 1);
        else
            good = put(reader, replacement, 3);
        reader->cr = c == '\r';
        p += two ? 2 : 1;
        if (!good)
            return false;
    }
    return true;
}

/* UTF-8 that may be none; *used: how much was taken, all but an unfinished character. */
static bool take_utf8(struct charset_reader *reader, const char *data, size_t len, size_t *used)
{
    const char *p = data, *end = data + len;
    while (p < end) {
        const char *stop = NULL;
        (void)g_utf8_validate_len(p, (gsize)(end - p), &stop);
        if (!put_clean(reader, p, (size_t)(stop - p)))
            return false;
        p = stop;
        if (p == end)
            break;
        if (*p == '\0') { /* valid to all but GLib */
            if (!put_clean(reader, p++, 1))
                return false;
            continue;
        }
        if (end - p < 4 && g_utf8_get_char_validated(p, end - p) == (gunichar)-2)
            break;
        if (!put_clean(reader, replacement, 3))
            return false;
        p++;
    }
    *used = (size_t)(p - data);
    return true;
}

/* One character that `main` does not know. Returns how many bytes it has. */
static size_t take_wide(struct charset_reader *reader, const char *data, size_t len, bool *good)
{
    for (size_t take = 1; reader->wide != NO_ICONV && take <= 4 && take <= len; take++) {
        char text[16];
        char *in = (char *)(uintptr_t)data, *out = text;
        size_t in_left = take, out_left = sizeof text;
        iconv(reader->wide, NULL, NULL, NULL, NULL);
        if (iconv(reader->wide, &in, &in_left, &out, &out_left) == (size_t)-1)
            continue;
        *good = put_clean(reader, text, (size_t)(out - text));
        return take;
    }
    *good = put_clean(reader, replacement, 3);
    return 1;
}

static bool take_iconv(struct charset_reader *reader, const char *data, size_t len, size_t *used)
{
    char *in = (char *)(uintptr_t)data; /* iconv does not write there */
    size_t left = len;
    while (left > 0) {
        char text[4096];
        char *out = text;
        size_t out_left = sizeof text;
        size_t converted = iconv(reader->main, &in, &left, &out, &out_left);
        int why = converted == (size_t)-1 ? errno : 0;
        if (!put_clean(reader, text, (size_t)(out - text)))
            return false;
        if (why == EINVAL && left < HELD_MAX)
            break;
        if (why == 0 || why == E2BIG)
            continue;
        bool good;
        size_t skip = take_wide(reader, in, left, &good);
        in += skip;
        left -= skip;
        if (!good)
            return false;
    }
    *used = len - left;
    return true;
}

static bool take(struct charset_reader *reader, const char *data, size_t len, size_t *used)
{
    return reader->main == NO_ICONV ? take_utf8(reader, data, len, used)
                                    : take_iconv(reader, data, len, used);
}

bool charset_reader_write(struct charset_reader *reader, const char *data, size_t len)
{
    size_t used;
    /* An unfinished character goes on, a byte at a time until it is one. */
    while (reader->held_len > 0 && len > 0) {
        reader->held[reader->held_len++] = *data++;
        len--;
        if (!take(reader, reader->held, reader->held_len, &used))
            return false;
        reader->held_len -= used;
        memmove(reader->held, reader->held + used, reader->held_len);
        if (reader->held_len == HELD_MAX) { /* cannot be: no character is that long */
            reader->held_len = 0;
            if (!put_clean(reader, replacement, 3))
                return false;
        }
    }
    if (len == 0)
        return true;
    if (!take(reader, data, len, &used))
        return false;
    reader->held_len = len - used;
    memcpy(reader->held, data + used, reader->held_len);
    return true;
}

bool charset_reader_end(struct charset_reader *reader)
{
    if (reader->held_len > 0 && !put_clean(reader, replacement, 3))
        return false;
    reader->held_len = 0;
    if (reader->main != NO_ICONV) { /* what a stateful charset still holds */
        char text[64];
        char *out = text;
        size_t out_left = sizeof text;
        iconv(reader->main, NULL, NULL, &out, &out_left);
        if (!put_clean(reader, text, (size_t)(out - text)))
            return false;
    }
    return flush(reader);
}

void utf8_probe_write(struct utf8_probe *probe, const char *data, size_t len)
{
    while (probe->held_len > 0 && len > 0 && !probe->broken) {
        probe->held[probe->held_len++] = *data++;
        len--;
        gunichar c = g_utf8_get_char_validated(probe->held, (gssize)probe->held_len);
        if (c == (gunichar)-2 && probe->held_len < sizeof probe->held)
            continue;
        probe->broken = c == (gunichar)-1 || c == (gunichar)-2;
        probe->held_len = 0;
    }
    const char *stop = data;
    while (len > 0 && !probe->broken && !g_utf8_validate_len(data, len, &stop)) {
        len -= (size_t)(stop - data);
        data = stop;
        if (*data == '\0') {
            data++;
            len--;
        } else if (len < 4 && g_utf8_get_char_validated(data, (gssize)len) == (gunichar)-2) {
            memcpy(probe->held, data, len);
            probe->held_len = len;
            return;
        } else {
            probe->broken = true;
        }
    }
}

bool utf8_probe_end(const struct utf8_probe *probe)
{
    return !probe->broken && probe->held_len == 0;
}
