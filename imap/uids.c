/*
 * APPENDUID and COPYUID (RFC 4315), and to which request each belongs.
 *
 * In a tagged OK that is plain. But MOVE sends COPYUID untagged, ahead of its EXPUNGEs (RFC 6851
 * section 4.3), and Outlook also writes it as a bare line (OUTLOOK.md section 4). What stands
 * outside a reply is copied into its request until the reply comes. Where one request is in flight
 * that it can be about, it is that one's. Where there are several, being the oldest proves nothing:
 * Dovecot carries out pipelined MOVEs one after the other and replies to all of them at the end. So
 * then it is the one that asked for the UIDs in the source set, and nobody's where that fits two of
 * them, or none: UIDs that are not known are found again, wrong ones make one message look like
 * another.
 *
 * A server that tells of one MOVE in several pieces has them joined; a piece that says the same
 * again changes nothing. Sets are kept as sent: imap_uidpairs_init checks them when they are used.
 */
#include "imap/pipeline.h"

#include <string.h>

#include "base/log.h"

/* A set of some hundred UIDs is 3 kB. One beyond this is not kept: the caller finds the copies
 * again as it does where the server says nothing. */
enum { SET_MAX = 1024 * 1024 };

void imap_uids_free(struct imap_noted_uids *noted)
{
    buffer_free(&noted->source);
    buffer_free(&noted->target);
    noted->uidvalidity = 0;
}

/* Whether the code says what it should: UIDVALIDITY, and the sets, even if they are empty. */
static bool is_whole(const struct imap_code *code)
{
    return code->number > 0 && code->source.data != NULL &&
           (code->kind == IMAP_CODE_APPENDUID || code->target.data != NULL);
}

/* The set that UID COPY or UID MOVE names: the word behind the tag and the verb. */
static struct imap_span asked_for(const struct imap_request *r)
{
    size_t start = strlen(r->tag) + 1 + strlen(r->verb) + 1, end = start;
    while (end < r->bytes.len && r->bytes.data[end] != ' ')
        end++;
    return (struct imap_span){r->bytes.data + start, end - start};
}

/* Whether `part` lies within `all`. Both must ascend, as imap_uidset_add writes them and as servers
 * do: so one pass over each is enough, however long a server makes its set. */
static bool lies_within(struct imap_span part, struct imap_span all)
{
    uint32_t first = 0, last = 0, from = 0, to = 0;
    size_t at = 0, all_at = 0;
    while (imap_uidset_next(part, &at, &first, &last)) {
        while (to < last) {
            if (!imap_uidset_next(all, &all_at, &from, &to))
                return false;
        }
        if (first < from)
            return false;
    }
    return at > 0 && at == part.len;
}

/* The request that a code outside a reply is about; NULL: none that is sure. */
static struct imap_request *subject(const struct imap_connection *c, const struct imap_code *code)
{
    bool append = code->kind == IMAP_CODE_APPENDUID;
    enum imap_request_kind kind = append ? IMAP_REQUEST_APPEND : IMAP_REQUEST_COPY;
    struct imap_request *any = NULL, *asking = NULL;
    size_t in_flight = 0, fit = 0;
    for (struct imap_request *r = c->first; r != NULL; r = r->next) {
        if (r->answered || r->kind != kind || r->at == 0)
            continue;
        in_flight++;
        any = r;
        if (!append && lies_within(code->source, asked_for(r))) {
            fit++;
            asking = r;
        }
    }
    if (in_flight == 1)
        return any;
    return fit == 1 ? asking : NULL;
}

/* Whether the set's last piece is `piece` already. */
static bool ends_with(const struct buffer *set, struct imap_span piece)
{
    if (set->len < piece.len)
        return false;
    size_t start = set->len - piece.len;
    return (start == 0 || set->data[start - 1] == ',') &&
           memcmp(set->data + start, piece.data, piece.len) == 0;
}

static bool join(struct buffer *set, struct imap_span piece)
{
    return (set->len == 0 || buffer_append_byte(set, ',')) &&
           buffer_append(set, piece.data, piece.len);
}

/* An empty set says nothing that a former piece did not; it still says that there was a code. */
static bool keep(struct imap_noted_uids *noted, const struct imap_code *code)
{
    if (noted->uidvalidity != (uint32_t)code->number) {
        imap_uids_free(noted);
        buffer_init(&noted->source, SET_MAX);
        buffer_init(&noted->target, SET_MAX);
        noted->uidvalidity = (uint32_t)code->number;
    }
    if (code->source.len == 0 && code->target.len == 0)
        return true;
    if (noted->source.len > 0 && ends_with(&noted->source, code->source) &&
        (code->target.len == 0 || ends_with(&noted->target, code->target)))
        return true;
    return join(&noted->source, code->source) &&
           (code->target.data == NULL || join(&noted->target, code->target));
}

void imap_uids_note(struct imap_connection *c, const struct imap_code *code)
{
    if ((code->kind != IMAP_CODE_APPENDUID && code->kind != IMAP_CODE_COPYUID) || !is_whole(code))
        return;
    struct imap_request *r = subject(c, code);
    if (r == NULL)
        log_debug("imap: %s: UIDs that cannot be told apart", c->settings.host);
    else if (!keep(&r->uids, code))
        imap_uids_free(&r->uids); /* half of it would be worse than nothing */
}

static struct imap_span span_of(const struct buffer *b)
{
    return (struct imap_span){b->len > 0 ? b->data : "", b->len};
}

/* APPENDUID's set is one UID, since one message was sent. */
static bool single(struct imap_span set, uint32_t *uid)
{
    uint32_t last = 0;
    size_t at = 0;
    return imap_uidset_next(set, &at, uid, &last) && *uid == last && at == set.len;
}

/* The reply's code, where it says something and not less than what was noted. */
static const struct imap_code *tagged_code(const struct imap_response *reply,
                                           enum imap_code_kind kind,
                                           const struct imap_noted_uids *noted)
{
    const struct imap_code *code = reply != NULL ? &reply->status.code : NULL;
    if (code == NULL || code->kind != kind || !is_whole(code))
        return NULL;
    return code->source.len > 0 || noted->source.len == 0 ? code : NULL;
}

void imap_uids_tell(enum imap_request_kind kind, const struct imap_noted_uids *noted,
                    struct imap_told_uids *told, struct imap_completion *completion)
{
    bool append = kind == IMAP_REQUEST_APPEND;
    if (!append && kind != IMAP_REQUEST_COPY)
        return;
    const struct imap_code *code =
        tagged_code(completion->response, append ? IMAP_CODE_APPENDUID : IMAP_CODE_COPYUID, noted);
    struct imap_copyuid found = {noted->uidvalidity, span_of(&noted->source),
                                 span_of(&noted->target)};
    if (code != NULL)
        found = (struct imap_copyuid){(uint32_t)code->number, code->source, code->target};
    if (found.uidvalidity == 0)
        return;
    told->copyuid = found;
    told->appenduid = (struct imap_appenduid){.uidvalidity = found.uidvalidity};
    if (!append)
        completion->copyuid = &told->copyuid;
    else if (single(found.source, &told->appenduid.uid))
        completion->appenduid = &told->appenduid;
}
