/*
 * See flags.h. A flag comes from a user (setfattr) or from another server's list, and goes into a
 * line of the protocol: imap_flag_valid is the only gate, and what passes it holds no byte that
 * could end an argument, a list or the line.
 */
#include "imap/flags.h"

#include <string.h>
#include <strings.h>

static bool same_word(struct imap_span word, const char *text, size_t len)
{
    return word.len == len && strncasecmp(word.data, text, len) == 0;
}

unsigned imap_flag_bit(struct imap_span word)
{
    static const struct {
        const char *word;
        unsigned bit;
    } flags[] = {
        {"\\Seen",     IMAP_FLAG_SEEN       },
        {"\\Answered", IMAP_FLAG_ANSWERED   },
        {"\\Flagged",  IMAP_FLAG_FLAGGED    },
        {"\\Deleted",  IMAP_FLAG_DELETED    },
        {"\\Draft",    IMAP_FLAG_DRAFT      },
        {"\\Recent",   IMAP_FLAG_RECENT     },
        {"\\*",        IMAP_FLAG_ANY_KEYWORD},
    };
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        if (same_word(word, flags[i].word, strlen(flags[i].word)))
            return flags[i].bit;
    }
    return 0;
}

/* RFC 3501 section 9, ATOM-CHAR: printable ASCII but for the atom-specials. */
static bool is_atom_char(unsigned char byte)
{
    return byte > 0x20 && byte < 0x7F && strchr("(){%*\"\\]", byte) == NULL;
}

bool imap_flag_valid(struct imap_span flag)
{
    size_t start = flag.len > 0 && flag.data[0] == '\\' ? 1 : 0;
    if (flag.len == start || imap_flag_bit(flag) == IMAP_FLAG_RECENT)
        return false;
    for (size_t i = start; i < flag.len; i++) {
        if (!is_atom_char((unsigned char)flag.data[i]))
            return false;
    }
    return true;
}

bool imap_flag_next(struct imap_span list, size_t *at, struct imap_span *flag)
{
    while (*at < list.len && list.data[*at] == ' ')
        ++*at;
    size_t start = *at;
    while (*at < list.len && list.data[*at] != ' ')
        ++*at;
    *flag = (struct imap_span){list.len > 0 ? list.data + start : NULL, *at - start};
    return flag->len > 0;
}

bool imap_flag_listed(const char *list, struct imap_span flag)
{
    struct imap_span words = {.data = list, .len = strlen(list)}, word;
    for (size_t at = 0; imap_flag_next(words, &at, &word);) {
        if (same_word(word, flag.data, flag.len))
            return true;
    }
    return false;
}

static bool lists(const char *list, struct imap_span flag)
{
    struct imap_span all = {list, strlen(list)}, word;
    for (size_t at = 0; imap_flag_next(all, &at, &word);) {
        if (same_word(word, flag.data, flag.len))
            return true;
    }
    return false;
}

bool imap_selected_permits(const struct imap_selected *selected, const char *flag)
{
    struct imap_span word = {flag, strlen(flag)};
    if (selected->name == NULL || selected->read_only || !imap_flag_valid(word))
        return false;
    unsigned bit = imap_flag_bit(word);
    if (bit != 0)
        return (selected->permanent_flags & bit) != 0;
    if (flag[0] != '\\' && (selected->permanent_flags & IMAP_FLAG_ANY_KEYWORD) != 0)
        return true;
    return selected->permanent_keywords != NULL && lists(selected->permanent_keywords, word);
}
