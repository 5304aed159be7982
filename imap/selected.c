/*
 * The selected mailbox, as the stream of responses describes it.
 *
 * The server answers in order, so what comes while a SELECT is the oldest command in flight is
 * about the mailbox being opened, and everything else about the one that is open. The description
 * gathers in `opening` and becomes `selected` at the tagged OK; a refusal leaves nothing selected
 * (RFC 3501 section 6.3.1). Outlook sends EXISTS, UIDVALIDITY and the rest in no fixed order.
 */
#include "imap/pipeline.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "imap/command.h"
#include "imap/flags.h"

enum {
    ALL_PERMANENT = IMAP_FLAG_SEEN | IMAP_FLAG_ANSWERED | IMAP_FLAG_FLAGGED | IMAP_FLAG_DELETED |
                    IMAP_FLAG_DRAFT | IMAP_FLAG_ANY_KEYWORD
};

void imap_selected_clear(struct imap_selected *selected)
{
    free(selected->name);
    free(selected->permanent_keywords);
    *selected = (struct imap_selected){.permanent_flags = ALL_PERMANENT};
}

/* Which of the two a response is about; `opening` starts afresh for each SELECT. */
static struct imap_selected *subject(struct imap_connection *c)
{
    const struct imap_request *oldest = imap_pipeline_oldest(c);
    if (oldest == NULL || oldest->kind != IMAP_REQUEST_SELECT)
        return &c->selected;
    if (c->opening_for != oldest) {
        imap_selected_clear(&c->opening);
        imap_selected_clear(&c->selected);
        c->opening.read_only = oldest->read_only;
        c->opening_for = oldest;
    }
    return &c->opening;
}

static void note_permanent(struct imap_selected *s, struct imap_span text)
{
    if (text.data == NULL)
        text = (struct imap_span){"", 0};
    char *copy = strndup(text.data, text.len);
    if (copy == NULL)
        return;
    free(s->permanent_keywords);
    s->permanent_keywords = copy;
    s->permanent_flags = 0;
    struct imap_span flag;
    for (size_t at = 0; imap_flag_next(text, &at, &flag);)
        s->permanent_flags |= imap_flag_bit(flag);
}

static void note_code(struct imap_selected *s, const struct imap_code *code)
{
    switch (code->kind) {
    case IMAP_CODE_UIDVALIDITY:
        s->uidvalidity = code->number <= UINT32_MAX ? (uint32_t)code->number : 0;
        break;
    case IMAP_CODE_UIDNEXT:
        s->uidnext = code->number <= UINT32_MAX ? (uint32_t)code->number : 0;
        break;
    case IMAP_CODE_HIGHESTMODSEQ:
        s->highestmodseq = code->number;
        break;
    case IMAP_CODE_PERMANENTFLAGS:
        note_permanent(s, code->text);
        break;
    case IMAP_CODE_READ_ONLY:
        s->read_only = true;
        break;
    case IMAP_CODE_READ_WRITE:
        s->read_only = false;
        break;
    default:
        break;
    }
}

/* RFC 7162 section 3.2.11: what came before was of the mailbox that was open until now. */
static void note_closed(struct imap_selected *opening)
{
    bool read_only = opening->read_only;
    imap_selected_clear(opening);
    opening->read_only = read_only;
}

/* RFC 7162 section 3.2.10: VANISHED without EARLIER counts each UID out of EXISTS. */
static void note_vanished(struct imap_selected *s, struct imap_span uids)
{
    uint32_t first = 0, last = 0;
    for (size_t at = 0; s->exists > 0 && imap_uidset_next(uids, &at, &first, &last);) {
        uint32_t gone = last - first;
        s->exists = gone < s->exists ? s->exists - gone - 1 : 0;
    }
}

void imap_selected_note(struct imap_connection *c, const struct imap_response *response)
{
    struct imap_selected *s = subject(c);
    switch (response->kind) {
    case IMAP_RESPONSE_EXISTS:
        s->exists = response->number;
        break;
    case IMAP_RESPONSE_EXPUNGE:
        s->exists -= s->exists > 0 ? 1 : 0;
        break;
    case IMAP_RESPONSE_VANISHED:
        if (!response->vanished.earlier)
            note_vanished(s, response->vanished.uids);
        break;
    case IMAP_RESPONSE_STATUS:
        if (response->status.status == IMAP_STATUS_OK)
            note_code(s, &response->status.code);
        if (response->status.code.kind == IMAP_CODE_CLOSED && s == &c->opening)
            note_closed(s);
        break;
    default:
        break;
    }
}

void imap_selected_answered(struct imap_connection *c, const struct imap_request *request,
                            bool success)
{
    if (request->kind == IMAP_REQUEST_CLOSE && success)
        imap_selected_clear(&c->selected);
    if (request->kind != IMAP_REQUEST_SELECT)
        return;
    (void)subject(c); /* a SELECT that brought nothing at all still starts afresh */
    imap_selected_clear(&c->selected);
    if (success && c->opening_for == request) {
        c->selected = c->opening;
        c->selected.name = strdup(request->mailbox);
        c->opening = (struct imap_selected){.permanent_flags = ALL_PERMANENT};
        if (c->selected.name == NULL)
            imap_connection_end_text(c, IMAP_ERR_MEMORY, "out of memory");
    }
    imap_selected_clear(&c->opening);
    c->opening_for = NULL;
}

/* Mailbox names are bytes, but for INBOX (RFC 3501 section 5.1). */
static bool same_mailbox(const char *a, const char *b)
{
    return strcmp(a, b) == 0 || (strcasecmp(a, "INBOX") == 0 && strcasecmp(b, "INBOX") == 0);
}

bool imap_selected_is(const struct imap_connection *c, const char *mailbox, uint32_t uidvalidity)
{
    const struct imap_selected *s = &c->selected;
    for (const struct imap_request *r = c->first; r != NULL; r = r->next) {
        if (!r->answered && (r->kind == IMAP_REQUEST_SELECT || r->kind == IMAP_REQUEST_CLOSE))
            return false;
    }
    return s->name != NULL && mailbox != NULL && same_mailbox(s->name, mailbox) && !s->read_only &&
           s->uidvalidity != 0 && s->uidvalidity == uidvalidity;
}
