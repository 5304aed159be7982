/*
 * Lines made of words and breaks: what html.c writes into. White space is one space, breaks wait
 * until something follows them, and what stands before a line (quotation, indentation, bullet) is
 * written when the line begins. One thread. Internal to message/.
 */
#ifndef OUTLOOKFS_MESSAGE_HTML_LINES_H
#define OUTLOOKFS_MESSAGE_HTML_LINES_H

#include "base/buffer.h"
#include "message/stream.h"

enum { LINES_DEEP = 12 /* levels of quotation and of lists that show */ };

struct lines {
    const struct message_sink *sink;
    struct buffer out; /* gathers; given to the sink when it is large */
    bool stopped;      /* the sink took no more */
    bool any;          /* something was written */
    bool at_start;     /* of a line: nothing of it was written */
    int breaks;        /* line ends that wait: 1 or 2 */
    int between;       /* levels of quotation that go on across them */
    bool space;        /* a space waits */
    bool cell;         /* a border between two cells waits */
    int quote;         /* levels of quotation */
    int indent;        /* levels of lists */
    int pre;           /* levels of <pre>: white space stays */
    char bullet[24];   /* before the next line, in place of some indentation */
};

void lines_begin(struct lines *lines, const struct message_sink *sink);
/* Ends the last line, gives all to the sink and frees. False: the sink stopped. */
bool lines_end(struct lines *lines);

/* Text of the document. */
void lines_text(struct lines *lines, const char *text, size_t len);
/* Text of ours, as it is, after a space where the line has something. */
void lines_word(struct lines *lines, const char *text, size_t len);
/* A new line, `count` - 1 empty ones before it; several calls in a row are one. */
void lines_break(struct lines *lines, int count);
/* <br>: each one counts, up to an empty line. */
void lines_newline(struct lines *lines);
/* The next cell of a table's row begins. */
void lines_cell(struct lines *lines);

#endif
