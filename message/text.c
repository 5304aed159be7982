/*
 * See text.h. GMime reads RFC 2047 and RFC 5322 addresses leniently (its default compliance mode):
 * encoded words inside quoted strings, with spaces in them, without space between them, or with a
 * multibyte character split across two (base64 words are put together first: message/words.h). A
 * broken encoded word stays as it is written.
 *
 * What GMime is not given: its default fallback charsets, which ask the locale. A name must be the
 * same on every machine.
 *
 * The bounds: `raw` comes from message/header.c with a ceiling. Addresses get a lower one, since
 * each costs an object and only the first counts; text is cut before it is normalised, which takes
 * quadratic time on a run of combining marks.
 */
#include "message/text.h"

#include <gmime/gmime.h>
#include <stdbool.h>
#include <string.h>

#include "message/summary.h"
#include "message/unicode.h"
#include "message/words.h"

enum { ADDRESS_RAW_MAX = 4096, GROUP_DEPTH_MAX = 4 };

static GMimeParserOptions *options; /* written by message_text_init, then read only */

void message_text_init(void)
{
    static const char *charsets[] = {"utf-8", "windows-1252", NULL};
    if (options != NULL)
        return;
    g_mime_init();
    options = g_mime_parser_options_new();
    g_mime_parser_options_set_fallback_charsets(options, charsets);
}

GMimeParserOptions *message_text_options(void)
{
    return options;
}

/* Writes each control character of `text` as one space, in place. */
static void blank_controls(char *text)
{
    char *to = text;
    for (char *p = text; *p != '\0';) {
        char *next = g_utf8_next_char(p);
        if (unicode_is_control(g_utf8_get_char(p)))
            *to++ = ' ';
        else
            to = (char *)memmove(to, p, (size_t)(next - p)) + (next - p);
        p = next;
    }
    *to = '\0';
}

char *message_text_clean(const char *raw)
{
    raw += strspn(raw, " ");
    size_t len = strnlen(raw, MESSAGE_FIELD_MAX + 1);
    char *text = unicode_normalize(raw, unicode_prefix(raw, len, MESSAGE_FIELD_MAX));
    text[unicode_cut(text, strlen(text), MESSAGE_FIELD_MAX)] = '\0';
    blank_controls(text);
    return g_strstrip(text);
}

/* As message_text_clean, for a string of GMime's that may be NULL. */
static char *clean_or_empty(const char *text)
{
    return message_text_clean(text != NULL ? text : "");
}

char *message_text_decode(const char *raw)
{
    char *joined = message_words_join(raw);
    char *decoded = g_mime_utils_header_decode_text(options, joined);
    char *text = clean_or_empty(decoded);
    g_free(decoded);
    g_free(joined);
    return text;
}

char *message_text_decode_whole(const char *raw)
{
    char *joined = message_words_join(raw);
    char *decoded = g_mime_utils_header_decode_text(options, joined);
    char *text = g_utf8_make_valid(decoded != NULL ? decoded : "", -1);
    blank_controls(text);
    g_free(decoded);
    g_free(joined);
    return g_strstrip(text);
}

/* The part of an address before its '@', without quotes. */
static char *local_part(const char *address)
{
    const char *at = strrchr(address, '@');
    size_t len = at != NULL && at > address ? (size_t)(at - address) : strlen(address);
    if (len >= 2 && address[0] == '"' && address[len - 1] == '"') {
        address++;
        len -= 2;
    }
    char *part = g_strndup(address, len);
    char *text = message_text_clean(part);
    g_free(part);
    return text;
}

/* The first mailbox: an address that is a group is replaced by its first member. */
static InternetAddress *first_mailbox(InternetAddressList *list)
{
    InternetAddress *first = NULL;
    for (int depth = 0; depth < GROUP_DEPTH_MAX && list != NULL; depth++) {
        if (internet_address_list_length(list) <= 0)
            break;
        first = internet_address_list_get_address(list, 0);
        if (!INTERNET_ADDRESS_IS_GROUP(first))
            break;
        list = internet_address_group_get_members(INTERNET_ADDRESS_GROUP(first));
    }
    return first;
}

/* The name of an address, or "" where it has neither name nor address. */
static char *address_name(InternetAddress *address)
{
    char *name = clean_or_empty(internet_address_get_name(address));
    if (name[0] != '\0' || !INTERNET_ADDRESS_IS_MAILBOX(address))
        return name;
    const char *addr = internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(address));
    g_free(name);
    return local_part(addr != NULL ? addr : "");
}

/* What can be read of a field that GMime takes for no address at all. */
static char *unparsed_name(const char *raw)
{
    char *text = message_text_decode(raw);
    char *open = strchr(text, '<');
    if (open == NULL)
        return text;
    *open = '\0';
    size_t len = strcspn(open + 1, ">");
    open[1 + len] = '\0';
    g_strdelimit(text, "\"", ' ');
    g_strstrip(text);
    char *name = text[0] != '\0' ? message_text_clean(text) : local_part(open + 1);
    g_free(text);
    return name;
}

char *message_text_mailbox(const char *raw)
{
    size_t len = strnlen(raw, ADDRESS_RAW_MAX + 1);
    char *bounded = g_strndup(raw, unicode_prefix(raw, len, ADDRESS_RAW_MAX));
    char *joined = message_words_join(bounded);
    InternetAddressList *list = internet_address_list_parse(options, joined);
    InternetAddress *first = first_mailbox(list);
    char *name = first != NULL ? address_name(first) : g_strdup("");
    if (name[0] == '\0') {
        g_free(name);
        name = unparsed_name(bounded);
    }
    if (list != NULL)
        g_object_unref(list);
    g_free(joined);
    g_free(bounded);
    return name;
}
