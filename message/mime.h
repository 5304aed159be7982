/*
 * The MIME structure of a message (RFC 2045, 2046): which entities it has, where each one's bytes
 * begin and end, and what its header says of them. Nothing but places and a few strings is kept, so
 * memory is bounded by MIME_NODES_MAX whatever the message holds. GMime reads the header fields and
 * undoes the encodings; the lines are cut here, since GMime makes objects of every header and part
 * of a message without a ceiling, and forgets where they stood. Any thread, after message_init.
 * Internal to message/.
 */
#ifndef OUTLOOKFS_MESSAGE_MIME_H
#define OUTLOOKFS_MESSAGE_MIME_H

#include <gmime/gmime.h>

#include "message/stream.h"

enum {
    MIME_NODES_MAX = 2000, /* entities of one message; the rest counts as text of the last one */
    MIME_DEPTH_MAX = 200,  /* multiparts and messages in one another; deeper ones are leaves */
    MIME_HEADER_MAX = 256 * 1024, /* bytes of an entity's header that are looked at */
    MIME_BOUNDARY_MAX = 200,      /* RFC 2046 allows 70 */
    MIME_NAME_MAX = 1024,         /* bytes kept of a file name */
};

enum mime_kind {
    MIME_LEAF,
    MIME_MULTIPART,
    MIME_MESSAGE, /* message/rfc822 and its like: one child, the entity inside */
};

/* An entity. Nodes stand in the order of the message, each before its children. */
struct mime_node {
    enum mime_kind kind;
    int parent;                    /* index of the node that it is in; -1: the message itself */
    int depth;                     /* nodes above it */
    int after;                     /* index of the first node that is not inside of it */
    uint64_t header;               /* where its header begins */
    uint64_t begin;                /* its content: from here ... */
    uint64_t end;                  /* ... to here, encoded as it is */
    char *type, *subtype;          /* lower case; never NULL */
    char *charset;                 /* or NULL */
    char *name;                    /* file name, decoded, as the sender wrote it; or NULL */
    bool attachment;               /* Content-Disposition: attachment */
    GMimeContentEncoding encoding; /* of a leaf */
};

struct mime_tree {
    struct mime_node *nodes;
    size_t count, room;
    bool truncated; /* it has more entities than MIME_NODES_MAX */
};

/* Reads the structure. `tree` wants mime_tree_free in any case. There is always a node 0. */
enum message_result mime_tree_read(struct mime_tree *tree, const struct message_source *source)
    __attribute__((warn_unused_result));
void mime_tree_free(struct mime_tree *tree);

/* Whether the node is of this type; subtype NULL: any. */
bool mime_is(const struct mime_node *node, const char *type, const char *subtype);

/* Gives the content of a leaf to `sink`, its transfer encoding undone; of any other node its bytes
 * as they stand. */
enum message_result mime_decode(const struct message_source *source, const struct mime_node *node,
                                const struct message_sink *sink)
    __attribute__((warn_unused_result));

/* Fills in what the header of the node says, from its block of `len` bytes; `digest`: the node is
 * in a multipart/digest. *boundary (MIME_BOUNDARY_MAX + 1 bytes) is "" unless it is a multipart
 * that has one. False without memory. */
bool mime_header_read(struct mime_node *node, const char *header, size_t len, bool digest,
                      char *boundary) __attribute__((warn_unused_result));

/* What could not be cut into parts is text. */
void mime_make_text(struct mime_node *node);

#endif
