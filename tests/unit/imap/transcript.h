/*
 * Runs a server's bytes through the parser and writes down, as text, everything that came out: one
 * line a response, and the bodies that the sink was given. Two runs that differ only in how the
 * bytes were cut must write the same. Used by the unit tests and by the fuzz target.
 */
#ifndef OUTLOOKFS_TESTS_UNIT_IMAP_TRANSCRIPT_H
#define OUTLOOKFS_TESTS_UNIT_IMAP_TRANSCRIPT_H

#include "base/buffer.h"
#include "imap/parser.h"

struct transcript {
    struct imap_parser_limits limits;
    bool refuse_body;    /* the sink refuses at begin */
    uint64_t body_bytes; /* the sink refuses what goes beyond, counted over all bodies */
};

extern const struct transcript transcript_default;

/* Feeds the first `cut` bytes at once, the rest in pieces of `piece` (0: at once), and appends to
 * `log`. It ends with "idle", "cut", "bad" or "too large". */
void transcript_run(const struct transcript *t, const char *data, size_t len, size_t cut,
                    size_t piece, struct buffer *log);

#endif
