/*
 * Mailbox data: LIST and LSUB (RFC 3501 section 7.2.2, extended by RFC 5258 and 6154), STATUS (RFC
 * 3501 section 7.2.4, RFC 7162, 8438, 7889) and NAMESPACE (RFC 2342).
 */
#include "imap/parse.h"

#include <string.h>

struct word_bit {
    const char *word;
    unsigned bit;
};

static const struct word_bit attributes[] = {
    {"\\Noinferiors",   IMAP_LIST_NOINFERIORS                     },
    {"\\Noselect",      IMAP_LIST_NOSELECT                        },
    {"\\Marked",        IMAP_LIST_MARKED                          },
    {"\\Unmarked",      IMAP_LIST_UNMARKED                        },
    {"\\HasChildren",   IMAP_LIST_HASCHILDREN                     },
    {"\\HasNoChildren", IMAP_LIST_HASNOCHILDREN                   },
    {"\\NonExistent",   IMAP_LIST_NONEXISTENT | IMAP_LIST_NOSELECT},
    {"\\Subscribed",    IMAP_LIST_SUBSCRIBED                      },
    {"\\All",           IMAP_LIST_ALL                             },
    {"\\Archive",       IMAP_LIST_ARCHIVE                         },
    {"\\Drafts",        IMAP_LIST_DRAFTS                          },
    {"\\Flagged",       IMAP_LIST_FLAGGED                         },
    {"\\Junk",          IMAP_LIST_JUNK                            },
    {"\\Sent",          IMAP_LIST_SENT                            },
    {"\\Trash",         IMAP_LIST_TRASH                           },
};

static unsigned attribute_bit(struct imap_span word)
{
    for (size_t i = 0; i < sizeof attributes / sizeof attributes[0]; i++) {
        if (imap_span_is(word, attributes[i].word))
            return attributes[i].bit;
    }
    return 0;
}

/* "(\HasNoChildren \Trash)" */
static bool read_attributes(struct imap_reader *r, unsigned *bits)
{
    struct imap_span word;
    if (!imap_reader_byte(r, '('))
        return false;
    imap_reader_space(r);
    while (imap_reader_atom(r, &word)) {
        *bits |= attribute_bit(word);
        imap_reader_space(r);
    }
    return imap_reader_byte(r, ')');
}

bool imap_parse_delimiter(struct imap_reader *r, char *delimiter)
{
    struct imap_span text;
    *delimiter = 0;
    if (imap_reader_nil(r))
        return true;
    if (!imap_reader_string(r, &text))
        return false;
    if (text.len == 1)
        *delimiter = text.data[0];
    return text.len <= 1;
}

static bool has_control(struct imap_span text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte < 0x20 || byte == 0x7F)
            return true;
    }
    return false;
}

/* Whether a well-formed name stands here, with nothing but extended data behind it (RFC 5258). Only
 * looks: a quoted name may be read once. */
static bool name_is_sound(struct imap_reader look)
{
    struct imap_span atom;
    if (imap_reader_peek(&look, '"') || imap_reader_peek(&look, '{')) {
        if (!imap_reader_skip(&look))
            return false;
    } else if (!imap_reader_atom(&look, &atom) || has_control(atom)) {
        return false;
    }
    while (imap_reader_space(&look) && imap_reader_peek(&look, '(')) {
        if (!imap_reader_skip(&look))
            return false;
    }
    return imap_reader_at_end(&look);
}

/* What is left of the line, at most to a literal's announcement. */
static struct imap_span rest_of_line(const struct imap_reader *r)
{
    struct imap_span rest = imap_reader_rest(r);
    for (size_t i = 0; i < rest.len; i++) {
        if (rest.data[i] == '\n')
            rest.len = i;
    }
    return rest;
}

bool imap_parse_list(struct imap_parse_context *p, struct imap_reader *r)
{
    struct imap_list *list = &p->response->list;
    imap_reader_space(r);
    if (!read_attributes(r, &list->attributes) || !imap_reader_space(r) ||
        !imap_parse_delimiter(r, &list->delimiter) || !imap_reader_space(r) ||
        imap_reader_at_end(r))
        return false;
    list->malformed = !name_is_sound(*r) || !imap_reader_astring(r, &list->name);
    if (list->malformed)
        list->name = rest_of_line(r);
    /* Cut at the NUL, as text is, this would name another mailbox. */
    if (list->name.len > 0 && memchr(list->name.data, '\0', list->name.len) != NULL)
        list->malformed = true;
    return true;
}

static const struct {
    const char *word;
    unsigned bit;
    uint64_t max;
} status_items[] = {
    {"MESSAGES",      IMAP_STATUS_MESSAGES,      UINT32_MAX},
    {"UIDNEXT",       IMAP_STATUS_UIDNEXT,       UINT32_MAX},
    {"UIDVALIDITY",   IMAP_STATUS_UIDVALIDITY,   UINT32_MAX},
    {"UNSEEN",        IMAP_STATUS_UNSEEN,        UINT32_MAX},
    {"HIGHESTMODSEQ", IMAP_STATUS_HIGHESTMODSEQ, INT64_MAX },
    {"SIZE",          IMAP_STATUS_SIZE,          INT64_MAX },
    {"APPENDLIMIT",   IMAP_STATUS_APPENDLIMIT,   INT64_MAX },
};

static void set_status_item(struct imap_mailbox_status *status, unsigned bit, uint64_t value)
{
    status->present |= bit;
    switch (bit) {
    case IMAP_STATUS_MESSAGES:
        status->messages = (uint32_t)value;
        break;
    case IMAP_STATUS_UIDNEXT:
        status->uidnext = (uint32_t)value;
        break;
    case IMAP_STATUS_UIDVALIDITY:
        status->uidvalidity = (uint32_t)value;
        break;
    case IMAP_STATUS_UNSEEN:
        status->unseen = (uint32_t)value;
        break;
    case IMAP_STATUS_HIGHESTMODSEQ:
        status->highestmodseq = value;
        break;
    case IMAP_STATUS_SIZE:
        status->size = value;
        break;
    default:
        status->appendlimit = value;
        break;
    }
}

/* One value; what is unknown, NIL or out of range is passed over. */
static bool read_status_item(struct imap_reader *r, struct imap_mailbox_status *status,
                             struct imap_span word)
{
    uint64_t value = 0;
    for (size_t i = 0; i < sizeof status_items / sizeof status_items[0]; i++) {
        if (!imap_span_is(word, status_items[i].word))
            continue;
        if (imap_reader_number(r, status_items[i].max, &value)) {
            set_status_item(status, status_items[i].bit, value);
            return true;
        }
    }
    return imap_reader_skip(r);
}

/* A list that breaks off in the middle gives what came before. */
bool imap_parse_mailbox_status(struct imap_parse_context *p, struct imap_reader *r)
{
    struct imap_mailbox_status *status = &p->response->mailbox_status;
    struct imap_span word;
    imap_reader_space(r);
    if (!imap_reader_astring(r, &status->name))
        return false;
    imap_reader_space(r);
    if (!imap_reader_byte(r, '('))
        return false;
    imap_reader_space(r);
    while (imap_reader_atom(r, &word)) {
        if (!imap_reader_space(r) || !read_status_item(r, status, word))
            break;
        imap_reader_space(r);
    }
    return true;
}

/* ("INBOX." "." "X-PARAM" ("FLAG1")) */
static bool read_namespace(struct imap_parse_context *p, struct imap_reader *r, unsigned kind)
{
    struct imap_namespace space = {.kind = kind};
    if (!imap_reader_byte(r, '('))
        return false;
    imap_reader_space(r);
    if (!imap_reader_string(r, &space.prefix))
        return false;
    imap_reader_space(r);
    if (!imap_parse_delimiter(r, &space.delimiter))
        return false;
    for (imap_reader_space(r); !imap_reader_byte(r, ')'); imap_reader_space(r)) {
        if (!imap_reader_skip(r))
            return false;
    }
    imap_parse_add_item(p, &space, sizeof space, &p->response->namespaces.count);
    return true;
}

static bool read_namespaces(struct imap_parse_context *p, struct imap_reader *r, unsigned kind)
{
    imap_reader_space(r);
    if (imap_reader_nil(r))
        return true;
    if (!imap_reader_byte(r, '('))
        return false;
    for (imap_reader_space(r); !imap_reader_byte(r, ')'); imap_reader_space(r)) {
        if (!read_namespace(p, r, kind))
            return false;
    }
    return true;
}

bool imap_parse_namespace(struct imap_parse_context *p, struct imap_reader *r)
{
    for (unsigned kind = 0; kind < 3; kind++) {
        if (!read_namespaces(p, r, kind))
            return false;
    }
    p->response->namespaces.items = (const struct imap_namespace *)(const void *)p->items->data;
    return true;
}
