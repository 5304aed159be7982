/* See html_lines.h. */
#include "message/html_lines.h"

#include <string.h>

#include <glib.h>

enum { OUT_MAX = 64 * 1024, GATHER = 16 * 1024 };

void lines_begin(struct lines *lines, const struct message_sink *sink)
{
    *lines = (struct lines){.sink = sink, .at_start = true};
    buffer_init(&lines->out, OUT_MAX);
}

static void flush(struct lines *lines)
{
    if (!lines->stopped && lines->out.len > 0 &&
        !lines->sink->write(lines->sink->ctx, lines->out.data, lines->out.len))
        lines->stopped = true;
    buffer_clear(&lines->out);
}

static void put(struct lines *lines, const char *data, size_t len)
{
    while (len > 0 && !lines->stopped) {
        size_t take = len < GATHER ? len : GATHER;
        if (lines->out.len + take > OUT_MAX)
            flush(lines);
        if (!buffer_append(&lines->out, data, take))
            lines->stopped = true;
        data += take;
        len -= take;
    }
}

/* What the numbers of C1 controls mean in HTML: windows-1252, as HTML 5 says; 0: nothing. */
static gunichar meant(unsigned char byte)
{
    static const gunichar characters[32] = {
        0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
        0x2039, 0x0152, 0,      0x017D, 0,      0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
        0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0,      0x017E, 0x0178,
    };
    return characters[byte - 0x80];
}

/* Text of the document: a character reference may stand for a control. */
static void put_text(struct lines *lines, const char *text, size_t len)
{
    size_t done = 0;
    for (size_t at = 0; at < len; at++) {
        unsigned char c = (unsigned char)text[at];
        unsigned char next = at + 1 < len ? (unsigned char)text[at + 1] : 0;
        bool c1 = c == 0xC2 && next >= 0x80 && next < 0xA0;
        if (!c1 && c != 0x7F && (c >= 0x20 || c == '\t'))
            continue;
        char character[6];
        gunichar meaning = c1 ? meant(next) : 0;
        put(lines, text + done, at - done);
        put(lines, character,
            (size_t)g_unichar_to_utf8(meaning != 0 ? meaning : 0xFFFD, character));
        at += c1;
        done = at + 1;
    }
    put(lines, text + done, len - done);
}

static void put_quote(struct lines *lines, int quote)
{
    for (int i = 0; i < quote && i < LINES_DEEP; i++)
        put(lines, ">", 1);
}

static void put_prefix(struct lines *lines)
{
    int indent = lines->indent < LINES_DEEP ? lines->indent : LINES_DEEP;
    if (lines->bullet[0] != '\0' && indent > 0)
        indent--;
    put_quote(lines, lines->quote);
    if (lines->quote > 0)
        put(lines, " ", 1);
    for (int i = 0; i < indent; i++)
        put(lines, "  ", 2);
    put(lines, lines->bullet, strlen(lines->bullet));
    lines->bullet[0] = '\0';
}

/* What waited is written, since something follows. */
static void settle(struct lines *lines)
{
    if (lines->any && lines->breaks > 0) {
        put(lines, "\n", 1);
        for (int i = 1; i < lines->breaks; i++) {
            put_quote(lines, lines->between < lines->quote ? lines->between : lines->quote);
            put(lines, "\n", 1);
        }
    }
    lines->breaks = 0;
    if (lines->at_start)
        put_prefix(lines);
    else if (lines->cell)
        put(lines, " | ", 3);
    else if (lines->space)
        put(lines, " ", 1);
    lines->at_start = lines->cell = lines->space = false;
    lines->any = true;
}

void lines_break(struct lines *lines, int count)
{
    if (lines->breaks == 0 || lines->quote < lines->between)
        lines->between = lines->quote;
    if (lines->breaks < count)
        lines->breaks = count;
    lines->at_start = true;
    lines->space = lines->cell = false;
}

void lines_newline(struct lines *lines)
{
    lines_break(lines, lines->breaks < 2 ? lines->breaks + 1 : 2);
}

void lines_cell(struct lines *lines)
{
    if (!lines->at_start)
        lines->cell = true;
    lines->space = false;
}

/* Bytes at `p` that show nothing and part words for a search: soft hyphen, zero-width space, byte
 * order mark. 0: none. */
static size_t invisible(const char *p, size_t len)
{
    if (len >= 2 && memcmp(p, "\xC2\xAD", 2) == 0)
        return 2;
    if (len >= 3 && (memcmp(p, "\xE2\x80\x8B", 3) == 0 || memcmp(p, "\xEF\xBB\xBF", 3) == 0))
        return 3;
    return 0;
}

/* Text in <pre>: each of its line ends is one. */
static void put_pre(struct lines *lines, const char *text, size_t len)
{
    while (len > 0 && !lines->stopped) {
        const char *end = memchr(text, '\n', len);
        size_t line = end != NULL ? (size_t)(end - text) : len;
        if (line > 0) {
            settle(lines);
            put_text(lines, text, line);
        }
        if (end != NULL) {
            if (lines->at_start && lines->any) {
                settle(lines); /* an empty line */
                lines->at_start = true;
            }
            lines_break(lines, 1);
            line++;
        }
        text += line;
        len -= line;
    }
}

void lines_text(struct lines *lines, const char *text, size_t len)
{
    if (lines->pre > 0) {
        put_pre(lines, text, len);
        return;
    }
    for (size_t at = 0; at < len && !lines->stopped;) {
        size_t skip = invisible(text + at, len - at);
        bool hard = len - at >= 2 && memcmp(text + at, "\xC2\xA0", 2) == 0; /* no-break space */
        if (skip > 0 || hard || g_ascii_isspace(text[at])) {
            lines->space |= skip == 0 && !lines->at_start;
            at += skip > 0 ? skip : hard ? 2 : 1;
            continue;
        }
        size_t run = at;
        while (run < len && !g_ascii_isspace(text[run]) && text[run] != '\xC2' &&
               text[run] != '\xE2' && text[run] != '\xEF')
            run++;
        if (run == at) /* a character that only begins like one of those */
            run = at + (text[at] == '\xC2' ? 2 : 3);
        run = run < len ? run : len;
        settle(lines);
        put_text(lines, text + at, run - at);
        at = run;
    }
}

void lines_word(struct lines *lines, const char *text, size_t len)
{
    lines->space |= !lines->at_start;
    settle(lines);
    put_text(lines, text, len);
}

bool lines_end(struct lines *lines)
{
    if (lines->any)
        put(lines, "\n", 1);
    flush(lines);
    buffer_free(&lines->out);
    return !lines->stopped;
}
