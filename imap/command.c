/*
 * Building commands (RFC 3501 section 6). See command.h for what the connection does with them.
 *
 * An argument from outside goes out as the first of atom, quoted string and literal that can carry
 * its bytes, so no byte of it can end the line or start another command: CR, LF and 8-bit bytes
 * only ever stand in a literal, NUL breaks the command. "" and NIL are quoted, as the bare forms
 * would be nothing and no string (RFC 3501 section 9, nstring).
 *
 * Growth is bounded by the buffer's ceiling and IMAP_LITERALS_MAX. The first failure marks the
 * command as broken and nothing is appended after that.
 */
#include "imap/command.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

/* Bytes of a command with its literals: a token of some kB, a mailbox name; an APPEND's message is
 * not held here. */
enum { COMMAND_MAX = 256 * 1024 };

/* A longer name goes as literal: a quoted one would take up the line (IMAP_LINE_MAX). */
enum { QUOTED_MAX = 1000 };

enum string_form { FORM_ATOM, FORM_QUOTED, FORM_LITERAL, FORM_NONE };

void imap_command_init(struct imap_command *c, const char *verb)
{
    *c = (struct imap_command){0};
    buffer_init(&c->text, COMMAND_MAX);
    c->broken = verb == NULL || verb[0] == '\0' || strpbrk(verb, "\r\n") != NULL ||
                !buffer_append_text(&c->text, verb);
}

void imap_command_free(struct imap_command *c)
{
    if (c->sensitive)
        buffer_wipe(&c->text);
    else
        buffer_free(&c->text);
    c->literal_count = 0;
    c->source = (struct imap_literal_source){0};
    c->broken = false;
    c->sensitive = false;
}

/* Nothing may follow a streamed literal. */
static void append(struct imap_command *c, const char *bytes, size_t len)
{
    c->broken = c->broken || c->source.read != NULL || !buffer_append(&c->text, bytes, len);
}

static void append_text(struct imap_command *c, const char *text)
{
    append(c, text, strlen(text));
}

void imap_command_raw(struct imap_command *c, const char *text)
{
    if (text == NULL || strpbrk(text, "\r\n") != NULL)
        c->broken = true;
    if (c->broken)
        return;
    append(c, " ", 1);
    append_text(c, text);
}

/* RFC 3501 section 9: ASTRING-CHAR is an ATOM-CHAR or "]". We quote "]" too; some servers balk. */
static bool is_atom_char(unsigned char byte)
{
    return byte > 0x20 && byte < 0x7F && strchr("(){%*\"\\]", byte) == NULL;
}

static enum string_form byte_form(unsigned char byte)
{
    if (byte == 0)
        return FORM_NONE;
    /* Outlook refuses \" in a quoted name, "BAD Command Argument Error. 12". */
    if (byte == '\r' || byte == '\n' || byte >= 0x7F || byte < 0x20 || byte == '"' || byte == '\\')
        return FORM_LITERAL;
    return is_atom_char(byte) ? FORM_ATOM : FORM_QUOTED;
}

/* The least form that can carry every byte. */
static enum string_form string_form(const char *bytes, size_t len)
{
    enum string_form form = FORM_ATOM;
    if (len == 0 || (len == 3 && strncasecmp(bytes, "NIL", 3) == 0))
        form = FORM_QUOTED;
    for (size_t i = 0; i < len; i++) {
        enum string_form needs = byte_form((unsigned char)bytes[i]);
        if (needs > form)
            form = needs;
    }
    return form < FORM_LITERAL && len > QUOTED_MAX ? FORM_LITERAL : form;
}

/* Announces a literal of `size` bytes and notes the `len` of them that stand in the text. */
static bool announce(struct imap_command *c, uint64_t size, size_t len)
{
    c->broken = c->broken || c->literal_count == IMAP_LITERALS_MAX || c->source.read != NULL ||
                !buffer_printf(&c->text, " {%" PRIu64 "}\r\n", size);
    if (c->broken)
        return false;
    c->literals[c->literal_count].at = c->text.len;
    c->literals[c->literal_count].len = len;
    c->literal_count++;
    return true;
}

static void append_literal(struct imap_command *c, const char *bytes, size_t len)
{
    if (announce(c, len, len))
        append(c, bytes, len);
}

void imap_command_source(struct imap_command *c, const struct imap_literal_source *source)
{
    if (source->read == NULL || source->size == 0 || source->size > UINT32_MAX)
        c->broken = true;
    if (announce(c, source->size, 0))
        c->source = *source;
}

/* `bytes` in a form not below `least`. */
static void append_string(struct imap_command *c, const char *bytes, size_t len,
                          enum string_form least)
{
    if (bytes == NULL)
        c->broken = true;
    if (c->broken)
        return;
    enum string_form form = string_form(bytes, len);
    switch (form < least ? least : form) {
    case FORM_ATOM:
        append(c, " ", 1);
        append(c, bytes, len);
        break;
    case FORM_QUOTED:
        append(c, " \"", 2);
        append(c, bytes, len);
        append(c, "\"", 1);
        break;
    case FORM_LITERAL:
        append_literal(c, bytes, len);
        break;
    case FORM_NONE:
        c->broken = true;
        break;
    }
}

void imap_command_astring(struct imap_command *c, const char *bytes, size_t len)
{
    append_string(c, bytes, len, FORM_ATOM);
}

static void append_mailbox(struct imap_command *c, const char *mailbox)
{
    append_string(c, mailbox, mailbox == NULL ? 0 : strlen(mailbox), FORM_ATOM);
}

void imap_command_select(struct imap_command *c, const char *mailbox, bool read_only)
{
    imap_command_init(c, read_only ? "EXAMINE" : "SELECT");
    append_mailbox(c, mailbox);
}

void imap_command_resync(struct imap_command *c, uint32_t uidvalidity, uint64_t modseq,
                         uint32_t known)
{
    c->broken = c->broken || uidvalidity == 0 || modseq == 0 || known == 0 ||
                !buffer_printf(&c->text, " (QRESYNC (%" PRIu32 " %" PRIu64 " 1:%" PRIu32 "))",
                               uidvalidity, modseq, known);
}

/* " (items)", whether or not the caller wrote the parentheses. */
static void append_list(struct imap_command *c, const char *items)
{
    if (items != NULL && items[0] == '(') {
        imap_command_raw(c, items);
        return;
    }
    if (items == NULL || strpbrk(items, "\r\n") != NULL)
        c->broken = true;
    if (c->broken)
        return;
    append(c, " (", 2);
    append_text(c, items);
    append(c, ")", 1);
}

void imap_command_status(struct imap_command *c, const char *mailbox, const char *items)
{
    imap_command_init(c, "STATUS");
    append_mailbox(c, mailbox);
    append_list(c, items);
}

/* The pattern is quoted: "*" and "%" are wildcards there as well, and every server reads it. */
void imap_command_list(struct imap_command *c, bool subscribed, const char *reference,
                       const char *pattern)
{
    imap_command_init(c, subscribed ? "LSUB" : "LIST");
    append_string(c, reference, reference == NULL ? 0 : strlen(reference), FORM_QUOTED);
    append_string(c, pattern, pattern == NULL ? 0 : strlen(pattern), FORM_QUOTED);
}

void imap_command_uid_fetch(struct imap_command *c, const char *set, const char *items)
{
    imap_command_init(c, "UID FETCH");
    imap_command_raw(c, set);
    imap_command_raw(c, items);
}

void imap_command_uid_search(struct imap_command *c, const char *criteria)
{
    imap_command_init(c, "UID SEARCH");
    imap_command_raw(c, criteria);
}

/* RFC 2971: string or NIL, so never atoms. */
void imap_command_id(struct imap_command *c, const char *name, const char *version)
{
    imap_command_init(c, "ID");
    append(c, " (\"name\"", 8);
    append_string(c, name, name == NULL ? 0 : strlen(name), FORM_QUOTED);
    append(c, " \"version\"", 10);
    append_string(c, version, version == NULL ? 0 : strlen(version), FORM_QUOTED);
    append(c, ")", 1);
}
