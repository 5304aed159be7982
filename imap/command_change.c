/*
 * See change.h. All bytes from outside pass one of three gates: mailbox names go through
 * imap_command_astring, which can carry anything but NUL; sets are walked; flags are checked one by
 * one. None of them can end an argument of which it is not a part.
 */
#include "imap/change.h"

#include <stdio.h>
#include <string.h>

#include "imap/date.h"

/* Room for a list of flags: a line's worth, and the line is checked at submit. */
enum { FLAGS_MAX = IMAP_LINE_MAX };

static void add_mailbox(struct imap_command *c, const char *mailbox)
{
    imap_command_astring(c, mailbox, mailbox == NULL ? 0 : strlen(mailbox));
}

static void add_set(struct imap_command *c, const char *set)
{
    struct imap_span all = {set, set == NULL ? 0 : strlen(set)};
    uint32_t first = 0, last = 0;
    size_t at = 0;
    while (imap_uidset_next(all, &at, &first, &last))
        ;
    if (at == 0 || at != all.len)
        c->broken = true;
    imap_command_raw(c, set);
}

/* Appends " ITEM (flags)"; *count says how many flags there were. */
static void add_flags(struct imap_command *c, const char *item, const char *flags, size_t *count)
{
    struct imap_span list = {flags, flags == NULL ? 0 : strlen(flags)}, flag;
    struct buffer text;
    bool fits = true;
    buffer_init(&text, FLAGS_MAX);
    fits = buffer_printf(&text, "%s(", item);
    *count = 0;
    for (size_t at = 0; fits && imap_flag_next(list, &at, &flag);) {
        if (imap_flag_bit(flag) == IMAP_FLAG_RECENT)
            continue;
        fits = imap_flag_valid(flag) && (*count == 0 || buffer_append_byte(&text, ' ')) &&
               buffer_append(&text, flag.data, flag.len);
        ++*count;
    }
    if (fits && buffer_append_byte(&text, ')'))
        imap_command_raw(c, text.data);
    else
        c->broken = true;
    buffer_free(&text);
}

void imap_command_append(struct imap_command *c, const char *mailbox, const char *flags,
                         const int64_t *internaldate, const struct imap_literal_source *message)
{
    char date[IMAP_DATE_TEXT];
    size_t count = 0;
    imap_command_init(c, "APPEND");
    add_mailbox(c, mailbox);
    if (flags != NULL && flags[strspn(flags, " ")] != '\0')
        add_flags(c, "", flags, &count);
    if (internaldate != NULL && imap_date_print(*internaldate, date)) {
        char quoted[IMAP_DATE_TEXT + 2];
        snprintf(quoted, sizeof quoted, "\"%s\"", date);
        imap_command_raw(c, quoted);
    }
    imap_command_source(c, message);
}

void imap_command_uid_copy(struct imap_command *c, const char *set, const char *mailbox)
{
    imap_command_init(c, "UID COPY");
    add_set(c, set);
    add_mailbox(c, mailbox);
}

void imap_command_uid_move(struct imap_command *c, const char *set, const char *mailbox)
{
    imap_command_init(c, "UID MOVE");
    add_set(c, set);
    add_mailbox(c, mailbox);
}

void imap_command_uid_store(struct imap_command *c, const char *set, enum imap_store how,
                            bool silent, const char *flags)
{
    static const char *const items[][2] = {
        [IMAP_STORE_ADD] = {"+FLAGS ", "+FLAGS.SILENT "},
        [IMAP_STORE_REMOVE] = {"-FLAGS ", "-FLAGS.SILENT "},
        [IMAP_STORE_SET] = {"FLAGS ",  "FLAGS.SILENT " },
    };
    size_t count = 0;
    imap_command_init(c, "UID STORE");
    add_set(c, set);
    add_flags(c, items[how][silent ? 1 : 0], flags, &count);
    if (count == 0 && how != IMAP_STORE_SET)
        c->broken = true;
}

void imap_command_uid_expunge(struct imap_command *c, const char *set)
{
    imap_command_init(c, "UID EXPUNGE");
    add_set(c, set);
}

static void mailbox_command(struct imap_command *c, const char *verb, const char *mailbox)
{
    imap_command_init(c, verb);
    add_mailbox(c, mailbox);
}

void imap_command_create(struct imap_command *c, const char *mailbox)
{
    mailbox_command(c, "CREATE", mailbox);
}

void imap_command_delete(struct imap_command *c, const char *mailbox)
{
    mailbox_command(c, "DELETE", mailbox);
}

void imap_command_rename(struct imap_command *c, const char *from, const char *to)
{
    mailbox_command(c, "RENAME", from);
    add_mailbox(c, to);
}

void imap_command_subscribe(struct imap_command *c, const char *mailbox, bool subscribed)
{
    mailbox_command(c, subscribed ? "SUBSCRIBE" : "UNSUBSCRIBE", mailbox);
}

void imap_command_quotaroot(struct imap_command *c, const char *mailbox)
{
    mailbox_command(c, "GETQUOTAROOT", mailbox);
}
