/*
 * Sets of messages: SEARCH (RFC 3501 section 7.2.5, with RFC 7162's MODSEQ), ESEARCH (RFC 4731) and
 * VANISHED (RFC 7162).
 *
 * A result that cannot be read to its end is no result: a shorter one would pass for the truth, and
 * who compares it with what is cached would take the rest for expunged. A million UIDs cost the
 * line and four bytes each: the numbers are counted before their array is made.
 */
#include "imap/parse.h"

static size_t count_words(struct imap_span text)
{
    size_t words = 0;
    for (size_t i = 0; i < text.len; i++)
        words += text.data[i] != ' ' && (i == 0 || text.data[i - 1] == ' ');
    return words;
}

/* "(MODSEQ 917162500)", after the numbers. */
static bool read_modseq(struct imap_reader *r, uint64_t *modseq)
{
    struct imap_span word;
    return imap_reader_byte(r, '(') && imap_reader_atom(r, &word) && imap_span_is(word, "MODSEQ") &&
           imap_reader_space(r) && imap_reader_number(r, INT64_MAX, modseq) &&
           imap_reader_byte(r, ')');
}

bool imap_parse_search(struct imap_parse_context *p, struct imap_reader *r)
{
    struct imap_search *search = &p->response->search;
    size_t most = count_words(imap_reader_rest(r));
    uint64_t number = 0;
    uint32_t *numbers = (uint32_t *)(void *)buffer_reserve(p->items, most * sizeof *numbers);
    if (numbers == NULL)
        return false;
    while (search->count < most && imap_reader_space(r) &&
           imap_reader_number(r, UINT32_MAX, &number)) {
        if (number == 0)
            return false;
        numbers[search->count++] = (uint32_t)number;
    }
    search->numbers = numbers;
    imap_reader_space(r);
    if (imap_reader_peek(r, '(') && !read_modseq(r, &search->modseq))
        return false;
    imap_reader_space(r);
    return imap_reader_at_end(r);
}

static bool read_number32(struct imap_reader *r, uint32_t *to)
{
    uint64_t value = 0;
    if (!imap_reader_number(r, UINT32_MAX, &value))
        return false;
    *to = (uint32_t)value;
    return true;
}

static bool read_result(struct imap_reader *r, struct imap_search *search, struct imap_span word)
{
    if (imap_span_is(word, "ALL"))
        return imap_reader_atom(r, &search->all);
    if (imap_span_is(word, "MIN"))
        return read_number32(r, &search->min);
    if (imap_span_is(word, "MAX"))
        return read_number32(r, &search->max);
    if (imap_span_is(word, "COUNT"))
        return read_number32(r, &search->total);
    if (imap_span_is(word, "MODSEQ"))
        return imap_reader_number(r, INT64_MAX, &search->modseq);
    return imap_reader_skip(r);
}

/* (TAG "A282") UID MIN 2 COUNT 3 */
bool imap_parse_esearch(struct imap_parse_context *p, struct imap_reader *r)
{
    struct imap_search *search = &p->response->search;
    struct imap_span word;
    search->extended = true;
    imap_reader_space(r);
    if (imap_reader_peek(r, '(') && !imap_reader_skip(r))
        return false;
    for (imap_reader_space(r); imap_reader_atom(r, &word); imap_reader_space(r)) {
        if (imap_span_is(word, "UID"))
            search->uid = true;
        else if (!imap_reader_space(r) || !read_result(r, search, word))
            return false;
    }
    return imap_reader_at_end(r);
}

bool imap_parse_vanished(struct imap_parse_context *p, struct imap_reader *r)
{
    struct imap_span word;
    imap_reader_space(r);
    if (imap_reader_list(r, &word)) {
        p->response->vanished.earlier = imap_span_is(word, "EARLIER");
        imap_reader_space(r);
    }
    if (!imap_reader_atom(r, &p->response->vanished.uids))
        return false;
    imap_reader_space(r);
    return imap_reader_at_end(r);
}
