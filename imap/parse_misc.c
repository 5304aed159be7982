/*
 * The small ones: FLAGS, CAPABILITY, ENABLED, ID (RFC 2971), QUOTA and QUOTAROOT (RFC 9208), and
 * what the other parsers share.
 */
#include "imap/flags.h"
#include "imap/parse.h"

bool imap_parse_flags(struct imap_reader *r, struct imap_flags *flags)
{
    struct imap_span word;
    struct imap_flags read = {0};
    char *start = r->at;
    if (!imap_reader_list(r, &read.text))
        return false;
    struct imap_reader inside = {.at = start + 1, .end = r->at - 1};
    imap_reader_space(&inside);
    while (imap_reader_atom(&inside, &word)) {
        read.system |= imap_flag_bit(word);
        imap_reader_space(&inside);
    }
    *flags = read;
    return true;
}

void imap_parse_add_item(struct imap_parse_context *p, const void *item, size_t size, size_t *count)
{
    if (*count < IMAP_ITEMS_MAX && buffer_append(p->items, item, size))
        ++*count;
}

bool imap_parse_flags_response(struct imap_parse_context *p, struct imap_reader *r)
{
    imap_reader_space(r);
    return imap_parse_flags(r, &p->response->flags);
}

bool imap_parse_words(struct imap_parse_context *p, struct imap_reader *r)
{
    imap_reader_space(r);
    p->response->capability = imap_reader_rest(r);
    return true;
}

/* Pairs of strings; a key without a value is left out. */
bool imap_parse_id(struct imap_parse_context *p, struct imap_reader *r)
{
    struct imap_span pair[2];
    size_t pairs = 0;
    imap_reader_space(r);
    if (imap_reader_nil(r))
        return true;
    if (!imap_reader_byte(r, '('))
        return false;
    imap_reader_space(r);
    while (imap_reader_string(r, &pair[0]) && imap_reader_space(r) &&
           imap_reader_nstring(r, &pair[1])) {
        imap_parse_add_item(p, pair, sizeof pair, &pairs);
        imap_reader_space(r);
    }
    p->response->id.items = (const struct imap_span *)(const void *)p->items->data;
    p->response->id.count = pairs * 2;
    return imap_reader_byte(r, ')');
}

/* "" (STORAGE 10 512 MESSAGE 3 1000) */
bool imap_parse_quota(struct imap_parse_context *p, struct imap_reader *r)
{
    struct imap_quota_resource resource;
    imap_reader_space(r);
    if (!imap_reader_astring(r, &p->response->quota.root) || !imap_reader_space(r) ||
        !imap_reader_byte(r, '('))
        return false;
    imap_reader_space(r);
    while (imap_reader_atom(r, &resource.name) && imap_reader_space(r) &&
           imap_reader_number(r, INT64_MAX, &resource.usage) && imap_reader_space(r) &&
           imap_reader_number(r, INT64_MAX, &resource.limit)) {
        imap_parse_add_item(p, &resource, sizeof resource, &p->response->quota.count);
        imap_reader_space(r);
    }
    p->response->quota.items = (const struct imap_quota_resource *)(const void *)p->items->data;
    return imap_reader_byte(r, ')');
}

bool imap_parse_quotaroot(struct imap_parse_context *p, struct imap_reader *r)
{
    struct imap_span root;
    imap_reader_space(r);
    if (!imap_reader_astring(r, &p->response->quotaroot.mailbox))
        return false;
    while (imap_reader_space(r) && imap_reader_astring(r, &root))
        imap_parse_add_item(p, &root, sizeof root, &p->response->quotaroot.count);
    p->response->quotaroot.roots = (const struct imap_span *)(const void *)p->items->data;
    return imap_reader_at_end(r);
}
