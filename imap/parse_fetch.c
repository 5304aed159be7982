/*
 * FETCH (RFC 3501 section 7.4.2, RFC 7162): pairs of an item's name and its value, in any order, in
 * one list.
 *
 * Each item is looked up by name; what is unknown is passed over by its shape. When the list breaks
 * off in the middle (Outlook's BODYSTRUCTURE, OUTLOOK.md section 3) the items before it stand and
 * the line is still a FETCH, as the assembler is certain of where it ended. One exception: a body
 * is believed only when the list goes on properly after it, to its ")". A literal that announced
 * a wrong length shows in no other way, and half a message must never pass for a whole one.
 *
 * When an item comes twice the later one stands, but for the body: the sink was given the first.
 */
#include "imap/date.h"
#include "imap/parse.h"

struct item {
    struct imap_span name;    /* up to "[" */
    bool sectioned;           /* had "[...]" */
    struct imap_span section; /* what is between */
    bool partial;             /* had "<n>" */
    uint64_t origin;
};

typedef bool item_fn(struct imap_parse_context *p, struct imap_reader *r, const struct item *item);

/* The "]" of a section, past the strings of its header list. */
static bool take_section(struct imap_reader *r, struct imap_span *section)
{
    char *start = r->at;
    for (;;) {
        struct imap_span ignored;
        if (imap_reader_at_end(r))
            return false;
        if (imap_reader_byte(r, ']'))
            break;
        if (imap_reader_peek(r, '"') || imap_reader_peek(r, '{')) {
            if (!imap_reader_string(r, &ignored))
                return false;
        } else if (*r->at++ == '\n') {
            return false;
        }
    }
    *section = (struct imap_span){start, (size_t)(r->at - start) - 1};
    return true;
}

/* "<0>", or "<0.100>" where a server repeats the request. */
static bool take_origin(struct imap_reader *r, uint64_t *origin)
{
    struct imap_span ignored;
    char *dot = r->at;
    while (dot < r->end && *dot >= '0' && *dot <= '9')
        dot++;
    struct imap_reader number = {.at = r->at, .end = dot};
    if (!imap_reader_number(&number, INT64_MAX, origin))
        return false;
    return imap_reader_atom(r, &ignored) && ignored.data[ignored.len - 1] == '>';
}

/* An item's name: "UID", "BODY[HEADER.FIELDS (FROM)]", "BODY[]<0>". */
static bool take_item(struct imap_reader *r, struct item *item)
{
    *item = (struct item){0};
    char *start = r->at;
    while (!imap_reader_at_end(r) && *r->at > ' ' && *r->at != '[' && *r->at != '(' &&
           *r->at != ')' && *r->at != '"')
        r->at++;
    item->name = (struct imap_span){start, (size_t)(r->at - start)};
    if (item->name.len == 0)
        return false;
    item->sectioned = imap_reader_byte(r, '[');
    if (item->sectioned && !take_section(r, &item->section))
        return false;
    item->partial = item->sectioned && imap_reader_byte(r, '<');
    if (item->partial && !take_origin(r, &item->origin))
        return false;
    return imap_reader_space(r) || imap_reader_peek(r, '(');
}

static bool parse_uid(struct imap_parse_context *p, struct imap_reader *r, const struct item *item)
{
    uint64_t uid = 0;
    if (!imap_reader_number(r, UINT32_MAX, &uid))
        return false;
    if (uid > 0) {
        p->response->fetch.uid = (uint32_t)uid;
        p->response->fetch.present |= IMAP_FETCH_UID;
    }
    return true;
}

static bool parse_flags(struct imap_parse_context *p, struct imap_reader *r,
                        const struct item *item)
{
    if (!imap_parse_flags(r, &p->response->fetch.flags))
        return false;
    p->response->fetch.present |= IMAP_FETCH_FLAGS;
    return true;
}

/* A date that makes no sense is passed over: the message is there all the same. */
static bool parse_internaldate(struct imap_parse_context *p, struct imap_reader *r,
                               const struct item *item)
{
    struct imap_span text;
    if (!imap_reader_nstring(r, &text))
        return false;
    if (imap_date_parse(text, &p->response->fetch.internaldate))
        p->response->fetch.present |= IMAP_FETCH_INTERNALDATE;
    return true;
}

static bool parse_size(struct imap_parse_context *p, struct imap_reader *r, const struct item *item)
{
    if (!imap_reader_number(r, INT64_MAX, &p->response->fetch.size))
        return false;
    p->response->fetch.present |= IMAP_FETCH_SIZE;
    return true;
}

/* "(917162500)" */
static bool parse_modseq(struct imap_parse_context *p, struct imap_reader *r,
                         const struct item *item)
{
    struct imap_span list;
    char *start = r->at;
    if (!imap_reader_list(r, &list))
        return false;
    struct imap_reader inside = {.at = start + 1, .end = r->at - 1};
    imap_reader_space(&inside);
    if (imap_reader_number(&inside, INT64_MAX, &p->response->fetch.modseq))
        p->response->fetch.present |= IMAP_FETCH_MODSEQ;
    return true;
}

static bool parse_envelope(struct imap_parse_context *p, struct imap_reader *r,
                           const struct item *item)
{
    if (!imap_reader_list(r, &p->response->fetch.envelope))
        return false;
    p->response->fetch.present |= IMAP_FETCH_ENVELOPE;
    return true;
}

static bool parse_header(struct imap_parse_context *p, struct imap_reader *r,
                         const struct item *item)
{
    if (!imap_reader_nstring(r, &p->response->fetch.header))
        return false;
    p->response->fetch.present |= IMAP_FETCH_HEADER;
    return true;
}

/* A body that went to the sink: believed when it is that one, and all of it was taken. */
static void set_streamed(struct imap_parse_context *p, size_t at, const struct item *item)
{
    struct imap_fetch *fetch = &p->response->fetch;
    if (at != p->assembler->streamed_at)
        return;
    fetch->body = (struct imap_span){0};
    fetch->body_partial = item->partial;
    fetch->body_origin = item->origin;
    fetch->present &= ~(unsigned)IMAP_FETCH_BODY;
    if (p->assembler->delivered)
        fetch->present |= IMAP_FETCH_BODY;
}

static bool parse_body(struct imap_parse_context *p, struct imap_reader *r, const struct item *item)
{
    struct imap_fetch *fetch = &p->response->fetch;
    struct imap_span body;
    size_t at = (size_t)(r->at - p->assembler->text.data);
    if (imap_reader_streamed(r)) {
        set_streamed(p, at, item);
        return true;
    }
    if (!imap_reader_nstring(r, &body))
        return false;
    if (p->assembler->streamed || (fetch->present & IMAP_FETCH_BODY) != 0)
        return true;
    fetch->present |= IMAP_FETCH_BODY;
    fetch->body_form = body.data == NULL ? IMAP_BODY_NIL : IMAP_BODY_INLINE;
    fetch->body = body;
    fetch->body_length = body.len;
    fetch->body_partial = item->partial;
    fetch->body_origin = item->origin;
    return true;
}

static const struct {
    const char *name;
    item_fn *parse;
} items[] = {
    {"UID",           parse_uid         },
    {"FLAGS",         parse_flags       },
    {"RFC822.SIZE",   parse_size        },
    {"INTERNALDATE",  parse_internaldate},
    {"MODSEQ",        parse_modseq      },
    {"ENVELOPE",      parse_envelope    },
    {"RFC822.HEADER", parse_header      },
    {"RFC822",        parse_body        },
};

/* BODY[], BODY[HEADER], BODY[HEADER.FIELDS (...)], BODY[HEADER.FIELDS.NOT (...)] */
static item_fn *section_parser(const struct item *item)
{
    static const char *const headers[] = {"HEADER", "HEADER.FIELDS", "HEADER.FIELDS.NOT"};
    struct imap_span word = item->section;
    if (!imap_span_is(item->name, "BODY"))
        return NULL;
    if (word.len == 0)
        return parse_body;
    for (size_t i = 0; i < word.len; i++) {
        if (word.data[i] == ' ' || word.data[i] == '(')
            word.len = i;
    }
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        if (imap_span_is(word, headers[i]))
            return parse_header;
    }
    return NULL;
}

static item_fn *item_parser(const struct item *item)
{
    if (item->sectioned)
        return section_parser(item);
    for (size_t i = 0; i < sizeof items / sizeof items[0]; i++) {
        if (imap_span_is(item->name, items[i].name))
            return items[i].parse;
    }
    return NULL;
}

static bool read_items(struct imap_parse_context *p, struct imap_reader *r)
{
    imap_reader_space(r);
    if (!imap_reader_byte(r, '('))
        return false;
    for (imap_reader_space(r); !imap_reader_byte(r, ')'); imap_reader_space(r)) {
        struct item item;
        if (!take_item(r, &item))
            return false;
        item_fn *parse = item_parser(&item);
        bool known = parse != NULL && parse(p, r, &item);
        if (!known && !imap_reader_skip(r))
            return false;
        /* A value must end here; text behind a literal means that its length was wrong. */
        if (!imap_reader_peek(r, ' ') && !imap_reader_peek(r, ')'))
            return false;
    }
    imap_reader_space(r);
    return imap_reader_at_end(r);
}

bool imap_parse_fetch(struct imap_parse_context *p, struct imap_reader *r)
{
    struct imap_fetch *fetch = &p->response->fetch;
    bool sound = read_items(p, r);
    if (p->assembler->streamed) {
        fetch->body_form = IMAP_BODY_STREAMED;
        fetch->body_length = p->assembler->body_length;
    }
    if (!sound) {
        fetch->present &= ~(unsigned)IMAP_FETCH_BODY;
        fetch->body = (struct imap_span){0};
    }
    return true;
}
