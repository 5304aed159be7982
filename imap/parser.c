/*
 * See parser.h. The assembler gathers a response, and this file looks at its first words and hands
 * it to the parser of its family (parse.h).
 *
 *   "+ ..."                 a continuation
 *   "* OK ...", "A1 OK ..." a status response
 *   "* 12 WORD", "* WORD"   data, looked up in the two tables
 *   anything else           a bare line; Outlook has several (OUTLOOK.md sections 3 and 4)
 *
 * Data that is not what its keyword promises is passed on as IMAP_RESPONSE_OTHER, for the line's
 * end is certain and the connection need not suffer; but for SEARCH, of which parse_search.c says
 * why. Blank lines between responses are passed over.
 *
 * The response's memory is the assembler's text and one array; both are kept until the next call.
 */
#include "imap/parser.h"

#include <stdlib.h>

#include "imap/parse.h"

const struct imap_parser_limits imap_parser_default_limits = {
    .response = 16 * 1024 * 1024,
    .body = 4ULL * 1024 * 1024 * 1024,
    .depth = 64,
    .inline_body = 0,
};

/* More memory than this is given back between responses. */
enum { ITEMS_KEPT = 64 * 1024 };

struct imap_parser {
    struct imap_assembler assembler;
    struct buffer items;
    struct imap_response response;
    bool whole;            /* the response was given out; the next call starts anew */
    enum imap_parse ended; /* BAD or TOO_LARGE: said for ever */
};

struct imap_parser *imap_parser_new(const struct imap_parser_limits *limits,
                                    const struct imap_body_sink *sink)
{
    struct imap_parser *parser = calloc(1, sizeof *parser);
    if (parser == NULL)
        return NULL;
    if (limits == NULL)
        limits = &imap_parser_default_limits;
    imap_assembler_init(&parser->assembler, limits, sink);
    /* A SEARCH's numbers need at most twice the bytes of its text: "1 2 3". */
    buffer_init(&parser->items, limits->response * 2 + ITEMS_KEPT);
    parser->ended = IMAP_PARSE_MORE;
    return parser;
}

void imap_parser_free(struct imap_parser **parser)
{
    if (*parser == NULL)
        return;
    imap_assembler_free(&(*parser)->assembler);
    buffer_free(&(*parser)->items);
    free(*parser);
    *parser = NULL;
}

bool imap_parser_idle(const struct imap_parser *parser)
{
    const struct imap_assembler *a = &parser->assembler;
    return parser->whole ||
           (a->state == IMAP_ASSEMBLER_LINE && a->text.len == 0 && !a->cr && !a->streamed);
}

struct keyword {
    const char *word;
    enum imap_response_kind kind;
    imap_parse_fn *parse; /* NULL: nothing but the number */
    bool vital;           /* when it is malformed, the connection is of no use */
};

static const struct keyword numbered[] = {
    {"FETCH",   IMAP_RESPONSE_FETCH,   imap_parse_fetch, false},
    {"EXISTS",  IMAP_RESPONSE_EXISTS,  NULL,             false},
    {"EXPUNGE", IMAP_RESPONSE_EXPUNGE, NULL,             false},
    {"RECENT",  IMAP_RESPONSE_RECENT,  NULL,             false},
    {NULL,      IMAP_RESPONSE_OTHER,   NULL,             false},
};

static const struct keyword named[] = {
    {"CAPABILITY", IMAP_RESPONSE_CAPABILITY,     imap_parse_words,          false},
    {"LIST",       IMAP_RESPONSE_LIST,           imap_parse_list,           false},
    {"LSUB",       IMAP_RESPONSE_LSUB,           imap_parse_list,           false},
    {"STATUS",     IMAP_RESPONSE_MAILBOX_STATUS, imap_parse_mailbox_status, false},
    {"SEARCH",     IMAP_RESPONSE_SEARCH,         imap_parse_search,         true },
    {"ESEARCH",    IMAP_RESPONSE_SEARCH,         imap_parse_esearch,        true },
    {"FLAGS",      IMAP_RESPONSE_FLAGS,          imap_parse_flags_response, false},
    {"VANISHED",   IMAP_RESPONSE_VANISHED,       imap_parse_vanished,       false},
    {"NAMESPACE",  IMAP_RESPONSE_NAMESPACE,      imap_parse_namespace,      false},
    {"ID",         IMAP_RESPONSE_ID,             imap_parse_id,             false},
    {"QUOTA",      IMAP_RESPONSE_QUOTA,          imap_parse_quota,          false},
    {"QUOTAROOT",  IMAP_RESPONSE_QUOTAROOT,      imap_parse_quotaroot,      false},
    {"ENABLED",    IMAP_RESPONSE_ENABLED,        imap_parse_words,          false},
    {NULL,         IMAP_RESPONSE_OTHER,          NULL,                      false},
};

static const struct keyword *find_keyword(const struct keyword *table, struct imap_span word)
{
    for (; table->word != NULL; table++) {
        if (imap_span_is(word, table->word))
            return table;
    }
    return NULL;
}

static void begin_response(struct imap_parser *parser, enum imap_response_kind kind)
{
    parser->response = (struct imap_response){.kind = kind};
    parser->response.line =
        (struct imap_span){parser->assembler.text.data, parser->assembler.text.len};
}

static enum imap_parse parse_keyword(struct imap_parser *parser, struct imap_reader *r,
                                     const struct keyword *keyword, uint32_t number)
{
    struct imap_parse_context context = {&parser->response, &parser->assembler, &parser->items};
    begin_response(parser, keyword->kind);
    parser->response.number = number;
    if (keyword->kind == IMAP_RESPONSE_FETCH)
        parser->response.fetch.sequence = number;
    if (keyword->parse == NULL || keyword->parse(&context, r))
        return IMAP_PARSE_RESPONSE;
    if (keyword->vital)
        return IMAP_PARSE_BAD;
    begin_response(parser, IMAP_RESPONSE_OTHER);
    return IMAP_PARSE_RESPONSE;
}

/* "12 EXISTS", behind "* ". A FETCH is worth reading even when its number is out of range. */
static enum imap_parse parse_numbered(struct imap_parser *parser, struct imap_reader *r)
{
    struct imap_span word = {0}, digits = {0};
    uint64_t number = 0;
    bool valid = imap_reader_number(r, UINT32_MAX, &number);
    if (!valid)
        imap_reader_atom(r, &digits);
    const struct keyword *keyword = NULL;
    if (imap_reader_space(r) && imap_reader_atom(r, &word))
        keyword = find_keyword(numbered, word);
    /* There is no message 0 to expunge: who counts down would be one off. */
    if (keyword != NULL && keyword->kind == IMAP_RESPONSE_EXPUNGE && number == 0)
        keyword = NULL;
    if (keyword != NULL && (valid || keyword->kind == IMAP_RESPONSE_FETCH))
        return parse_keyword(parser, r, keyword, (uint32_t)number);
    begin_response(parser, IMAP_RESPONSE_OTHER);
    return IMAP_PARSE_RESPONSE;
}

static enum imap_parse parse_status(struct imap_parser *parser, struct imap_reader *r,
                                    enum imap_status status, struct imap_span tag)
{
    begin_response(parser, IMAP_RESPONSE_STATUS);
    parser->response.tag = tag;
    parser->response.status.status = status;
    imap_parse_status_text(&parser->response, r);
    return IMAP_PARSE_RESPONSE;
}

static enum imap_parse parse_untagged(struct imap_parser *parser, struct imap_reader *r)
{
    struct imap_reader start = *r;
    struct imap_span word = {0};
    enum imap_status status;
    imap_reader_atom(r, &word);
    if (imap_span_digits(word))
        return parse_numbered(parser, &start);
    if (imap_parse_status_word(word, &status))
        return parse_status(parser, r, status, (struct imap_span){0});
    const struct keyword *keyword = find_keyword(named, word);
    if (keyword != NULL)
        return parse_keyword(parser, r, keyword, 0);
    begin_response(parser, IMAP_RESPONSE_OTHER);
    return IMAP_PARSE_RESPONSE;
}

/* "A1 OK text". Only OK, NO and BAD are ever tagged (RFC 3501 section 7.1). */
static bool is_tagged(struct imap_reader *r, struct imap_span *tag, enum imap_status *status)
{
    struct imap_span word;
    return imap_reader_atom(r, tag) && imap_reader_space(r) && imap_reader_atom(r, &word) &&
           imap_parse_status_word(word, status) && *status <= IMAP_STATUS_BAD;
}

static enum imap_parse parse_bare(struct imap_parser *parser, struct imap_reader *r)
{
    begin_response(parser, IMAP_RESPONSE_BARE);
    imap_parse_code(r, &parser->response.status.code);
    return IMAP_PARSE_RESPONSE;
}

static enum imap_parse parse_response(struct imap_parser *parser)
{
    struct imap_reader r, look;
    struct imap_span tag = {0};
    enum imap_status status = IMAP_STATUS_OK;
    imap_reader_init(&r, parser->assembler.text.data, parser->assembler.text.len,
                     parser->assembler.limits.depth);
    look = r;
    if (imap_reader_byte(&look, '+') && (imap_reader_space(&look) || imap_reader_at_end(&look))) {
        begin_response(parser, IMAP_RESPONSE_CONTINUE);
        parser->response.status.text = imap_reader_rest(&look);
        return IMAP_PARSE_RESPONSE;
    }
    look = r;
    if (imap_reader_byte(&look, '*') && imap_reader_space(&look))
        return parse_untagged(parser, &look);
    look = r;
    if (is_tagged(&look, &tag, &status))
        return parse_status(parser, &look, status, tag);
    return parse_bare(parser, &r);
}

/* Makes ready for the next response. */
static void start_anew(struct imap_parser *parser)
{
    imap_assembler_reset(&parser->assembler);
    if (parser->items.cap > ITEMS_KEPT)
        buffer_free(&parser->items);
    else
        buffer_clear(&parser->items);
    parser->whole = false;
}

enum imap_parse imap_parser_next(struct imap_parser *parser, const char *data, size_t len,
                                 size_t *used, const struct imap_response **response)
{
    enum imap_parse result = IMAP_PARSE_MORE;
    *used = 0;
    *response = NULL;
    if (parser->ended != IMAP_PARSE_MORE)
        return parser->ended;
    if (parser->whole)
        start_anew(parser);
    do {
        size_t taken = 0;
        result = imap_assembler_feed(&parser->assembler, data + *used, len - *used, &taken);
        *used += taken;
    } while (result == IMAP_PARSE_RESPONSE && parser->assembler.text.len == 0);
    if (result == IMAP_PARSE_RESPONSE)
        result = parse_response(parser);
    if (result == IMAP_PARSE_RESPONSE) {
        parser->whole = true;
        *response = &parser->response;
    } else if (result != IMAP_PARSE_MORE) {
        parser->ended = result;
    }
    return result;
}
