/*
 * From the bytes of a text part to text that can be shown: UTF-8, LF, without controls. Any thread,
 * after message_init; one reader belongs to one thread. Internal to message/.
 *
 * What is invalid in the charset is U+FFFD, and so is every control character but tab and line
 * feed, so nothing that comes out moves a terminal. CR LF and CR are LF, a form feed is one too. A
 * byte order mark at the start goes. Characters are not normalised: the text is the sender's.
 */
#ifndef OUTLOOKFS_MESSAGE_CHARSET_H
#define OUTLOOKFS_MESSAGE_CHARSET_H

#include "message/stream.h"

struct charset_reader;

/*
 * A reader of text in `charset` that gives what it makes to `sink`. NULL or a charset that is not
 * known here: UTF-8 if `is_utf8`, else windows-1252. Never fails; charset_reader_free frees it.
 */
struct charset_reader *charset_reader_new(const char *charset, bool is_utf8,
                                          const struct message_sink *sink);
void charset_reader_free(struct charset_reader *reader);

/* Takes `len` bytes, cut anywhere. False: the sink took no more. */
bool charset_reader_write(struct charset_reader *reader, const char *data, size_t len)
    __attribute__((warn_unused_result));
/* No more comes: an unfinished character is U+FFFD. */
bool charset_reader_end(struct charset_reader *reader) __attribute__((warn_unused_result));

/* Whether text of this charset has to be guessed: it names none, an unknown one, or ASCII. */
bool charset_is_vague(const char *charset);

/* Text in this charset is about to be converted, by whatever asks iconv for it. glibc loads a
 * module for most charsets with the first converter and unloads it with the last one, which is more
 * work than converting a mail: so one of each stays open from now on, of the first few charsets
 * met. */
void charset_keep(const char *charset);

/* Tells whether bytes that come in pieces are UTF-8. Starts as {0}. */
struct utf8_probe {
    bool broken;
    char held[4]; /* an unfinished character */
    size_t held_len;
};
void utf8_probe_write(struct utf8_probe *probe, const char *data, size_t len);
bool utf8_probe_end(const struct utf8_probe *probe);

#endif
