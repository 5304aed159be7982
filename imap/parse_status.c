/*
 * Status responses and their codes (RFC 3501 section 7.1, RFC 4315, 5530, 7162, 7889).
 *
 * A code is found first ("[" to the "]" that closes it), then its name is looked up, then its
 * arguments are read by the shape that the table gives. A code that is unknown, or whose arguments
 * are odd, is still a code: it must not become part of the text, and it must not fail the response.
 */
#include <string.h>

#include "imap/parse.h"

bool imap_parse_status_word(struct imap_span word, enum imap_status *status)
{
    static const char *const words[] = {
        [IMAP_STATUS_OK] = "OK",   [IMAP_STATUS_NO] = "NO",           [IMAP_STATUS_BAD] = "BAD",
        [IMAP_STATUS_BYE] = "BYE", [IMAP_STATUS_PREAUTH] = "PREAUTH",
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (imap_span_is(word, words[i])) {
            *status = (enum imap_status)i;
            return true;
        }
    }
    return false;
}

enum shape {
    SHAPE_TEXT, /* what there is, as it is */
    SHAPE_LIST, /* what is between the parentheses */
    SHAPE_NUMBER32,
    SHAPE_NUMBER64,
    SHAPE_SET,       /* source */
    SHAPE_APPENDUID, /* number, source */
    SHAPE_COPYUID,   /* number, source, target */
};

static const struct {
    const char *name;
    enum imap_code_kind kind;
    enum shape shape;
} codes[] = {
    {"ALERT",                IMAP_CODE_ALERT,                SHAPE_TEXT     },
    {"BADCHARSET",           IMAP_CODE_BADCHARSET,           SHAPE_LIST     },
    {"CAPABILITY",           IMAP_CODE_CAPABILITY,           SHAPE_TEXT     },
    {"PARSE",                IMAP_CODE_PARSE,                SHAPE_TEXT     },
    {"PERMANENTFLAGS",       IMAP_CODE_PERMANENTFLAGS,       SHAPE_LIST     },
    {"READ-ONLY",            IMAP_CODE_READ_ONLY,            SHAPE_TEXT     },
    {"READ-WRITE",           IMAP_CODE_READ_WRITE,           SHAPE_TEXT     },
    {"TRYCREATE",            IMAP_CODE_TRYCREATE,            SHAPE_TEXT     },
    {"UIDNEXT",              IMAP_CODE_UIDNEXT,              SHAPE_NUMBER32 },
    {"UIDVALIDITY",          IMAP_CODE_UIDVALIDITY,          SHAPE_NUMBER32 },
    {"UNSEEN",               IMAP_CODE_UNSEEN,               SHAPE_NUMBER32 },
    {"APPENDUID",            IMAP_CODE_APPENDUID,            SHAPE_APPENDUID},
    {"COPYUID",              IMAP_CODE_COPYUID,              SHAPE_COPYUID  },
    {"UIDNOTSTICKY",         IMAP_CODE_UIDNOTSTICKY,         SHAPE_TEXT     },
    {"HIGHESTMODSEQ",        IMAP_CODE_HIGHESTMODSEQ,        SHAPE_NUMBER64 },
    {"NOMODSEQ",             IMAP_CODE_NOMODSEQ,             SHAPE_TEXT     },
    {"MODIFIED",             IMAP_CODE_MODIFIED,             SHAPE_SET      },
    {"CLOSED",               IMAP_CODE_CLOSED,               SHAPE_TEXT     },
    {"OVERQUOTA",            IMAP_CODE_OVERQUOTA,            SHAPE_TEXT     },
    {"ALREADYEXISTS",        IMAP_CODE_ALREADYEXISTS,        SHAPE_TEXT     },
    {"NONEXISTENT",          IMAP_CODE_NONEXISTENT,          SHAPE_TEXT     },
    {"NOPERM",               IMAP_CODE_NOPERM,               SHAPE_TEXT     },
    {"CANNOT",               IMAP_CODE_CANNOT,               SHAPE_TEXT     },
    {"EXPUNGEISSUED",        IMAP_CODE_EXPUNGEISSUED,        SHAPE_TEXT     },
    {"NOTIFICATIONOVERFLOW", IMAP_CODE_NOTIFICATIONOVERFLOW, SHAPE_TEXT     },
    {"INUSE",                IMAP_CODE_INUSE,                SHAPE_TEXT     },
    {"LIMIT",                IMAP_CODE_LIMIT,                SHAPE_TEXT     },
    {"UNAVAILABLE",          IMAP_CODE_UNAVAILABLE,          SHAPE_TEXT     },
    {"AUTHENTICATIONFAILED", IMAP_CODE_AUTHENTICATIONFAILED, SHAPE_TEXT     },
    {"EXPIRED",              IMAP_CODE_EXPIRED,              SHAPE_TEXT     },
    {"TOOBIG",               IMAP_CODE_TOOBIG,               SHAPE_TEXT     },
    {"APPENDLIMIT",          IMAP_CODE_APPENDLIMIT,          SHAPE_NUMBER64 },
};

/* A set up to the next single space. Outlook's "[COPYUID 14  ]" has two that are empty. */
static struct imap_span take_set(struct imap_reader *r)
{
    struct imap_span set = {0};
    if (!imap_reader_byte(r, ' '))
        return set;
    set.data = r->at;
    while (!imap_reader_at_end(r) && *r->at != ' ')
        r->at++;
    set.len = (size_t)(r->at - set.data);
    return set;
}

static void read_uids(struct imap_reader *r, struct imap_code *code, bool two)
{
    imap_reader_space(r);
    if (!imap_reader_number(r, UINT32_MAX, &code->number))
        return;
    code->source = take_set(r);
    if (two)
        code->target = take_set(r);
}

/* The arguments are all that `r` holds. A number out of range stays 0 (imap/response.h). */
static void read_arguments(struct imap_reader *r, enum shape shape, struct imap_code *code)
{
    switch (shape) {
    case SHAPE_NUMBER32:
    case SHAPE_NUMBER64:
        imap_reader_space(r);
        imap_reader_number(r, shape == SHAPE_NUMBER32 ? UINT32_MAX : INT64_MAX, &code->number);
        break;
    case SHAPE_SET:
        code->source = take_set(r);
        break;
    case SHAPE_APPENDUID:
    case SHAPE_COPYUID:
        read_uids(r, code, shape == SHAPE_COPYUID);
        break;
    case SHAPE_LIST:
        imap_reader_space(r);
        if (!imap_reader_list(r, &code->text))
            code->text = imap_reader_rest(r);
        break;
    case SHAPE_TEXT:
        if (imap_reader_space(r))
            code->text = imap_reader_rest(r);
        break;
    }
}

/* The "]" that closes the code which opens at `at`: the first one outside quotes, or the first one
 * at all where the quotes do not match. */
static char *code_end(char *at, char *end)
{
    bool quoted = false;
    char *first = memchr(at, ']', (size_t)(end - at));
    for (char *s = at; first != NULL && s < end; s++) {
        if (quoted && *s == '\\' && s + 1 < end)
            s++;
        else if (*s == '"')
            quoted = !quoted;
        else if (*s == ']' && !quoted)
            return s;
    }
    return first;
}

bool imap_parse_code(struct imap_reader *r, struct imap_code *code)
{
    char *end = imap_reader_peek(r, '[') ? code_end(r->at, r->end) : NULL;
    if (end == NULL)
        return false;
    struct imap_reader inside;
    struct imap_span name = {0};
    imap_reader_init(&inside, r->at + 1, (size_t)(end - r->at) - 1, r->depth);
    r->at = end + 1;
    *code = (struct imap_code){.kind = IMAP_CODE_OTHER, .text = imap_reader_rest(&inside)};
    if (!imap_reader_atom(&inside, &name))
        return true;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (!imap_span_is(name, codes[i].name))
            continue;
        *code = (struct imap_code){.kind = codes[i].kind};
        read_arguments(&inside, codes[i].shape, code);
        break;
    }
    return true;
}

void imap_parse_status_text(struct imap_response *response, struct imap_reader *r)
{
    imap_reader_space(r);
    if (imap_parse_code(r, &response->status.code))
        imap_reader_space(r);
    response->status.text = imap_reader_rest(r);
}
