/* See query.h. A word is read twice: cut out of the query with its quotes undone and a note of
 * where they ended the part that can be a key, then looked up in the table. */
#include "message/query.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message/match.h"
#include "message/unicode.h"

enum value_kind { VALUE_NONE, VALUE_TEXT, VALUE_HEADER, VALUE_DATE, VALUE_SIZE };

static const struct {
    const char *name;
    enum value_kind kind;
} keys[MESSAGE_QUERY_KEYS] = {
    [MESSAGE_QUERY_FROM] = {"from",       VALUE_TEXT  },
    [MESSAGE_QUERY_TO] = {"to",         VALUE_TEXT  },
    [MESSAGE_QUERY_CC] = {"cc",         VALUE_TEXT  },
    [MESSAGE_QUERY_SUBJECT] = {"subject",    VALUE_TEXT  },
    [MESSAGE_QUERY_BODY] = {"body",       VALUE_TEXT  },
    [MESSAGE_QUERY_TEXT] = {"text",       VALUE_TEXT  },
    [MESSAGE_QUERY_HEADER] = {"header",     VALUE_HEADER},
    [MESSAGE_QUERY_SINCE] = {"since",      VALUE_DATE  },
    [MESSAGE_QUERY_BEFORE] = {"before",     VALUE_DATE  },
    [MESSAGE_QUERY_ON] = {"on",         VALUE_DATE  },
    [MESSAGE_QUERY_LARGER] = {"larger",     VALUE_SIZE  },
    [MESSAGE_QUERY_SMALLER] = {"smaller",    VALUE_SIZE  },
    [MESSAGE_QUERY_IN] = {"in",         VALUE_TEXT  },
    [MESSAGE_QUERY_UNREAD] = {"unread",     VALUE_NONE  },
    [MESSAGE_QUERY_READ] = {"read",       VALUE_NONE  },
    [MESSAGE_QUERY_FLAGGED] = {"flagged",    VALUE_NONE  },
    [MESSAGE_QUERY_ANSWERED] = {"answered",   VALUE_NONE  },
    [MESSAGE_QUERY_DRAFT] = {"draft",      VALUE_NONE  },
    [MESSAGE_QUERY_ATTACHMENT] = {"attachment", VALUE_NONE  },
};

/* ---- words ---- */

struct word {
    bool negated;
    char text[MESSAGE_QUERY_MAX + 1]; /* without its quotes */
    size_t len;
    size_t plain; /* bytes before the first quote: only there may a key stand */
    bool quoted;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* Reads from the quote at *at past the one that ends it; false: there is none. */
static bool take_quoted(const char *text, size_t len, size_t *at, struct word *word)
{
    for (size_t i = *at + 1; i < len; i++) {
        if (text[i] == '"') {
            *at = i + 1;
            return true;
        }
        if (text[i] == '\\' && i + 1 < len && (text[i + 1] == '"' || text[i + 1] == '\\'))
            i++;
        word->text[word->len++] = text[i] == '\t' ? ' ' : text[i];
    }
    return false;
}

/* The next word; *at == len: there was none. False: a quote is open. */
static bool take_word(const char *text, size_t len, size_t *at, struct word *word)
{
    word->negated = word->quoted = false;
    word->len = word->plain = 0;
    while (*at < len && is_space(text[*at]))
        ++*at;
    if (*at + 1 < len && text[*at] == '-' && !is_space(text[*at + 1])) {
        word->negated = true;
        ++*at;
    }
    while (*at < len && !is_space(text[*at])) {
        if (text[*at] == '"') {
            if (!word->quoted)
                word->plain = word->len;
            word->quoted = true;
            if (!take_quoted(text, len, at, word))
                return false;
        } else {
            word->text[word->len++] = text[(*at)++];
        }
    }
    if (!word->quoted)
        word->plain = word->len;
    word->text[word->len] = '\0';
    return true;
}

/* ---- values ---- */

static bool refuse(char *why, const char *reason)
{
    snprintf(why, MESSAGE_QUERY_WHY, "%s", reason);
    return false;
}

/* `before`, as much of the value as is good for, and `after`. */
static bool refuse_value(char *why, const char *before, const char *value, const char *after)
{
    char shown[64];
    size_t len = unicode_prefix(value, strlen(value), sizeof shown - 1);
    memcpy(shown, value, len);
    shown[len] = '\0';
    snprintf(why, MESSAGE_QUERY_WHY, "%s%s%s", before, shown, after);
    return false;
}

static bool leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_in_month(int64_t year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && leap(year) ? 29 : days[month - 1];
}

/* The days from 1970 to the first of January. */
static int64_t days_to_year(int64_t year)
{
    int64_t before = year - 1;
    return 365 * (year - 1970) + (before / 4 - before / 100 + before / 400) - 477;
}

static bool read_digits(const char *text, size_t count, int *number)
{
    *number = 0;
    for (size_t i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *number = *number * 10 + (text[i] - '0');
    }
    return true;
}

static bool read_date(const char *value, int64_t *days)
{
    int year = 0, month = 0, day = 0;
    if (strlen(value) != 10 || value[4] != '-' || value[7] != '-' ||
        !read_digits(value, 4, &year) || !read_digits(value + 5, 2, &month) ||
        !read_digits(value + 8, 2, &day))
        return false;
    if (year < 1900 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
        return false;
    *days = days_to_year(year) + day - 1;
    for (int m = 1; m < month; m++)
        *days += days_in_month(year, m);
    return true;
}

void message_query_date(int64_t days, int *year, int *month, int *day)
{
    *year = (int)(1970 + days / 366); /* at most a few years early */
    if (days < 0)
        *year = (int)(1970 + days / 365 - 1);
    while (days >= days_to_year(*year + 1))
        ++*year;
    days -= days_to_year(*year);
    for (*month = 1; days >= days_in_month(*year, *month); ++*month)
        days -= days_in_month(*year, *month);
    *day = (int)days + 1;
}

/* Bytes, or with K or M; as far as the server's numbers go (RFC 3501 section 9). */
static bool read_size(const char *value, int64_t *bytes)
{
    size_t digits = strspn(value, "0123456789");
    const char *unit = value + digits;
    int shift = *unit == 'K' || *unit == 'k' ? 10 : *unit == 'M' || *unit == 'm' ? 20 : 0;
    if (digits == 0 || digits > 10 || unit[shift > 0] != '\0')
        return false;
    *bytes = strtoll(value, NULL, 10) << shift;
    return *bytes <= UINT32_MAX;
}

/* RFC 5322 section 3.6.8; without the quote, which could not be written. */
static bool is_field_name(const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (name[i] <= ' ' || name[i] > '~' || name[i] == ':' || name[i] == '"')
            return false;
    }
    return len > 0;
}

static char *copy_value(const char *value)
{
    char *normal = unicode_normalize(value, strlen(value));
    char *copy = normal != NULL ? strdup(normal) : NULL;
    g_free(normal);
    return copy;
}

static bool take_text(struct message_query_term *term, const char *value, char *why)
{
    term->value = copy_value(value);
    term->folded = term->value != NULL ? message_fold(term->value, strlen(term->value)) : NULL;
    return term->folded != NULL || refuse(why, "no memory");
}

static bool take_header(struct message_query_term *term, const char *value, char *why)
{
    const char *colon = strchr(value, ':');
    if (colon == NULL || !is_field_name(value, (size_t)(colon - value)))
        return refuse_value(why, "\"header:", value, "\" is not header:NAME:VALUE");
    term->name = strndup(value, (size_t)(colon - value));
    return (term->name != NULL || refuse(why, "no memory")) && take_text(term, colon + 1, why);
}

static bool take_value(struct message_query_term *term, const char *value, char *why)
{
    enum value_kind kind = keys[term->key].kind;
    if (value[0] == '\0') {
        return refuse_value(why, "\"", keys[term->key].name, ":\" says nothing to look for");
    }
    switch (kind) {
    case VALUE_HEADER:
        return take_header(term, value, why);
    case VALUE_DATE:
        return read_date(value, &term->number) ||
               refuse_value(why, "\"", value, "\" is not a date, which is written YYYY-MM-DD");
    case VALUE_SIZE:
        return read_size(value, &term->number) ||
               refuse_value(why, "\"", value,
                            "\" is not a size: bytes, or with K or M, below 4 GiB");
    default:
        return take_text(term, value, why);
    }
}

/* ---- terms ---- */

static bool same_word(const char *a, size_t len, const char *b)
{
    return strlen(b) == len && g_ascii_strncasecmp(a, b, len) == 0;
}

static enum message_query_key find_key(const char *word, size_t len)
{
    unsigned key = 0;
    while (key < MESSAGE_QUERY_KEYS && !same_word(word, len, keys[key].name))
        key++;
    return (enum message_query_key)key;
}

static bool all_letters(const char *word, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!g_ascii_isalpha(word[i]))
            return false;
    }
    return len > 0;
}

/* A word with a colon, whose key is known. */
static bool take_keyed(struct message_query_term *term, const char *value, char *why)
{
    if (keys[term->key].kind != VALUE_NONE)
        return take_value(term, value, why);
    return refuse_value(why, "\"", keys[term->key].name, "\" stands alone, without a colon");
}

static bool take_bare(struct message_query_term *term, const struct word *word, char *why)
{
    if (!word->quoted && term->key < MESSAGE_QUERY_KEYS && keys[term->key].kind == VALUE_NONE)
        return true;
    term->key = MESSAGE_QUERY_TEXT;
    return word->len > 0 ? take_value(term, word->text, why)
                         : refuse(why, "\"\" says nothing to look for");
}

static bool take_term(struct message_query_term *term, const struct word *word, char *why)
{
    const char *colon = memchr(word->text, ':', word->plain);
    size_t len = colon != NULL ? (size_t)(colon - word->text) : word->len;
    *term = (struct message_query_term){.negated = word->negated, .key = find_key(word->text, len)};
    if (colon == NULL)
        return take_bare(term, word, why);
    if (term->key < MESSAGE_QUERY_KEYS)
        return take_keyed(term, colon + 1, why);
    if (all_letters(word->text, len))
        return refuse_value(why, "there is no word \"", word->text, "\"; quotes make text of it");
    term->key = MESSAGE_QUERY_TEXT;
    return take_value(term, word->text, why);
}

static bool check_bytes(const char *text, size_t len, char *why)
{
    if (len > MESSAGE_QUERY_MAX) {
        snprintf(why, MESSAGE_QUERY_WHY, "the query is longer than %d bytes", MESSAGE_QUERY_MAX);
        return false;
    }
    if (!g_utf8_validate(text, (gssize)len, NULL))
        return refuse(why, "the query is not UTF-8");
    const char *end = text + len;
    for (const char *at = len > 0 ? text : NULL; at != NULL; at = g_utf8_find_next_char(at, end)) {
        gunichar c = g_utf8_get_char(at);
        if (c != '\t' && unicode_is_control(c))
            return refuse(why, "the query has a control character");
    }
    return true;
}

static bool take_terms(const char *text, size_t len, struct message_query *query, char *why)
{
    struct word word;
    for (size_t at = 0;;) {
        if (!take_word(text, len, &at, &word))
            return refuse(why, "a quote is not closed");
        if (word.len == 0 && !word.quoted)
            break;
        if (query->count == MESSAGE_QUERY_TERMS)
            return refuse(why, "the query has too many words");
        if (!take_term(&query->terms[query->count++], &word, why))
            return false;
    }
    return query->count > 0 || refuse(why, "the query is empty");
}

bool message_query_parse(const char *text, size_t len, struct message_query *query, char *why)
{
    query->count = 0;
    if (check_bytes(text, len, why) && take_terms(text, len, query, why))
        return true;
    message_query_free(query);
    return false;
}

void message_query_free(struct message_query *query)
{
    for (size_t i = 0; i < query->count; i++) {
        free(query->terms[i].name);
        free(query->terms[i].value);
        free(query->terms[i].folded);
    }
    query->count = 0;
}

/* ---- printing ---- */

static bool print_value(const char *value, struct buffer *out)
{
    if (value[0] != '\0' && strpbrk(value, " \t\"") == NULL)
        return buffer_append_text(out, value);
    bool good = buffer_append_byte(out, '"');
    for (; good && *value != '\0'; value++)
        good = (*value != '"' && *value != '\\' ? true : buffer_append_byte(out, '\\')) &&
               buffer_append_byte(out, *value);
    return good && buffer_append_byte(out, '"');
}

static bool print_number(const struct message_query_term *term, struct buffer *out)
{
    int year, month, day;
    if (keys[term->key].kind == VALUE_SIZE)
        return buffer_printf(out, "%lld", (long long)term->number);
    message_query_date(term->number, &year, &month, &day);
    return buffer_printf(out, "%04d-%02d-%02d", year, month, day);
}

bool message_query_print_term(const struct message_query_term *term, struct buffer *out)
{
    enum value_kind kind = keys[term->key].kind;
    if ((term->negated && !buffer_append_byte(out, '-')) ||
        !buffer_append_text(out, keys[term->key].name))
        return false;
    if (kind == VALUE_NONE)
        return true;
    if (!buffer_append_byte(out, ':'))
        return false;
    if (kind == VALUE_HEADER && !buffer_printf(out, "%s:", term->name))
        return false;
    if (kind == VALUE_HEADER && term->value[0] == '\0')
        return true;
    return term->value != NULL ? print_value(term->value, out) : print_number(term, out);
}

bool message_query_print(const struct message_query *query, struct buffer *out)
{
    for (size_t i = 0; i < query->count; i++) {
        if ((i > 0 && !buffer_append_byte(out, ' ')) ||
            !message_query_print_term(&query->terms[i], out))
            return false;
    }
    return true;
}
