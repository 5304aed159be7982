/* See message.h. All in the thread of the test. */
#include "tests/unit/test.h"

#include "tests/unit/imap/message.h"

#include <string.h>

int messages_open, messages_open_most;

static int on_open(void *ctx)
{
    struct message *m = ctx;
    if (m->open_error != 0)
        return m->open_error;
    m->opens++;
    if (++messages_open > messages_open_most)
        messages_open_most = messages_open;
    return 0;
}

static ssize_t on_read(void *ctx, uint64_t offset, char *to, size_t len)
{
    struct message *m = ctx;
    assert_int_equal(m->opens, m->closes + 1);
    assert_int_equal(offset, m->taken);
    assert_true(len > 0 && offset + len <= m->size);
    uint64_t end = m->fail_at != 0 ? m->fail_at : m->size;
    if (offset >= end)
        return -m->read_error;
    if (len > end - offset)
        len = (size_t)(end - offset);
    if (m->piece != 0 && len > m->piece)
        len = m->piece;
    memcpy(to, m->bytes + offset, len);
    m->taken += len;
    return (ssize_t)len;
}

static void on_close(void *ctx)
{
    struct message *m = ctx;
    m->closes++;
    messages_open--;
}

struct imap_literal_source message_source(struct message *message)
{
    return (struct imap_literal_source){message, message->size, on_open, on_read, on_close};
}

struct message message_of(const char *text)
{
    return (struct message){.bytes = text, .size = strlen(text)};
}

void message_append(struct imap_command *command, const char *mailbox, struct message *message)
{
    struct imap_literal_source source = message_source(message);
    imap_command_append(command, mailbox, NULL, NULL, &source);
}
