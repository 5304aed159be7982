/*
 * The parts of a message as files: every leaf decoded under its own name, messages in the message
 * as a file and as a directory of their own parts. Bytes are those of the part, its transfer
 * encoding undone; text keeps the charset that it came in, and what is encrypted or signed is as it
 * is.
 *
 * Names are the sender's (RFC 2231, RFC 2047) made safe (message/part_name.h) and unique within
 * their directory. Without one: "body.txt" and "body.html" for the first text of the kind, else
 * "part-N.bin" (".txt", ".html", ".eml" for those types), N counting the leaves of the directory. A
 * message is NAME.eml, its directory NAME.
 *
 * Any thread, after message_init; a list belongs to one thread at a time, or to several that only
 * read it.
 */
#ifndef OUTLOOKFS_MESSAGE_PARTS_H
#define OUTLOOKFS_MESSAGE_PARTS_H

#include "message/name.h"
#include "message/stream.h"

struct message_parts;

/* An entry of the list. */
struct message_part {
    int parent;     /* index of the directory that it is in; -1: the message's own */
    bool directory; /* of a message in the message */
    uint64_t size;  /* bytes decoded, exact; 0 for a directory */
    char name[MESSAGE_NAME_MAX + 1];
};

/* At most this many entries; further parts are left out. */
enum { MESSAGE_PARTS_MAX = 4000 };

/* Lists the parts of the message: directories before what is in them, otherwise in the order of
 * the message. `*parts` is the caller's, for message_parts_free; NULL but with MESSAGE_OK. */
enum message_result message_parts_read(struct message_parts **parts,
                                       const struct message_source *source)
    __attribute__((warn_unused_result));
void message_parts_free(struct message_parts **parts);

size_t message_parts_count(const struct message_parts *parts);
const struct message_part *message_parts_get(const struct message_parts *parts, size_t index);

/* Writes the bytes of entry `index`, no directory, to `sink`. `source` is the same message. */
enum message_result message_parts_write(const struct message_parts *parts, size_t index,
                                        const struct message_source *source,
                                        const struct message_sink *sink)
    __attribute__((warn_unused_result));

#endif
