/*
 * See mime.h: cuts a message into its entities, line by line, in one pass.
 *
 * A line that is a delimiter of any multipart that is open ends everything inside of that one (RFC
 * 2046 section 5.1.2), so an entity that is cut short ends where its parent goes on. Of a header,
 * what is no field ends it, as the blank line does: the text below is then there to be read. The
 * line end before a delimiter belongs to the delimiter.
 */
#include "message/mime.h"

#include <string.h>

#include "base/buffer.h"

enum { WINDOW = 64 * 1024, DELIMITER_MAX = MIME_BOUNDARY_MAX + 64 };

enum scan_state { IN_HEADER, IN_BODY };

/* An entity that is open. */
struct level {
    int node;
    bool delimited;                       /* its delimiters count */
    char boundary[MIME_BOUNDARY_MAX + 1]; /* "" for all but multiparts */
    size_t boundary_len;
};

struct scan {
    const struct message_source *source;
    struct mime_tree *tree;
    struct level *levels; /* from the message to the entity that is being read */
    int depth;            /* how many */
    enum scan_state state;
    struct buffer header; /* of the entity that is being read */
    bool header_full;     /* the rest of it is passed over */
    bool header_line;     /* the line that goes on belongs to the header */
    bool stopped;         /* no more entities */
    size_t line_end;      /* bytes of the end of the line before */
};

static struct mime_node *current(const struct scan *scan)
{
    return &scan->tree->nodes[scan->levels[scan->depth - 1].node];
}

/* Opens an entity in the innermost open one; its header begins at `at`. */
static void open_entity(struct scan *scan, uint64_t at)
{
    struct mime_tree *tree = scan->tree;
    if (tree->count == tree->room) {
        tree->room = tree->room == 0 ? 8 : tree->room * 2;
        tree->nodes = g_renew(struct mime_node, tree->nodes, tree->room);
    }
    tree->nodes[tree->count] = (struct mime_node){
        .parent = scan->depth > 0 ? scan->levels[scan->depth - 1].node : -1,
        .depth = scan->depth,
        .header = at,
        .begin = at,
    };
    scan->levels[scan->depth++] = (struct level){.node = (int)tree->count++};
    scan->state = IN_HEADER;
    buffer_clear(&scan->header);
    scan->header_full = false;
}

/* The header of the current entity is over: its content begins at `at`. */
static bool end_header(struct scan *scan, uint64_t at)
{
    struct level *level = &scan->levels[scan->depth - 1];
    struct mime_node *node = current(scan);
    bool digest =
        node->parent >= 0 && mime_is(&scan->tree->nodes[node->parent], "multipart", "digest");
    const char *header = scan->header.data != NULL ? scan->header.data : "";
    if (at < node->header) /* an empty part: the line end before its header is the delimiter's */
        at = node->header;
    node->begin = at;
    scan->state = IN_BODY;
    if (!mime_header_read(node, header, scan->header.len, digest, level->boundary))
        return false;
    if (scan->tree->count >= MIME_NODES_MAX || node->depth >= MIME_DEPTH_MAX) {
        if (node->kind != MIME_LEAF)
            scan->tree->truncated = true;
        node->kind = MIME_LEAF;
    }
    level->boundary_len = strlen(level->boundary);
    level->delimited = node->kind == MIME_MULTIPART;
    if (node->kind == MIME_MESSAGE)
        open_entity(scan, at);
    return true;
}

/* Closes the entities that are open beyond the first `depth`; their bytes end at `end`. */
static bool close_entities(struct scan *scan, int depth, uint64_t end)
{
    while (scan->depth > depth) {
        /* The end of a header may open another entity. */
        while (scan->state == IN_HEADER) {
            if (!end_header(scan, end))
                return false;
        }
        struct mime_node *node = current(scan);
        node->end = end > node->begin ? end : node->begin;
        node->after = (int)scan->tree->count;
        if (node->kind == MIME_MULTIPART && &scan->tree->nodes[node->after - 1] == node)
            mime_make_text(node);
        scan->depth--;
    }
    return true;
}

/* Whether `line`, after its "--", is a delimiter of this boundary: 1, its last one: 2, else 0. */
static int is_delimiter(const struct level *level, const char *line, size_t len)
{
    size_t at = level->boundary_len;
    if (!level->delimited || len < at || memcmp(line, level->boundary, at) != 0)
        return 0;
    bool last = len >= at + 2 && line[at] == '-' && line[at + 1] == '-';
    for (size_t i = last ? at + 2 : at; i < len; i++) {
        if (line[i] != ' ' && line[i] != '\t')
            return 0;
    }
    return last ? 2 : 1;
}

/* A line that begins with "--", without its end. False without memory; *taken: it was one. */
static bool delimit(struct scan *scan, uint64_t at, const char *line, size_t len, uint64_t next,
                    bool *taken)
{
    for (int i = scan->depth - 1; i >= 0; i--) {
        struct level *level = &scan->levels[i];
        int found = is_delimiter(level, line + 2, len - 2);
        if (found == 0)
            continue;
        *taken = true;
        if (scan->tree->count >= MIME_NODES_MAX && found == 1) {
            scan->tree->truncated = scan->stopped = true;
            return true;
        }
        if (!close_entities(scan, i + 1, at > scan->line_end ? at - scan->line_end : 0))
            return false;
        scan->state = IN_BODY;
        level->delimited = found == 1;
        if (found == 1)
            open_entity(scan, next);
        return true;
    }
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Whether the line is a field or goes on with one (RFC 5322 section 2.2). Also taken: blanks before
 * the colon, and the line that an mbox puts first. */
static bool is_header_line(const struct scan *scan, const char *line, size_t len)
{
    size_t name = 0;
    bool first = scan->header.len == 0 && !scan->header_full;
    if (is_blank(line[0]))
        return !first;
    if (first && (strncmp(line, "From ", len < 5 ? len : 5) == 0) && len >= 5)
        return true;
    while (name < len && line[name] > ' ' && line[name] < 0x7F && line[name] != ':')
        name++;
    while (name < len && is_blank(line[name]))
        name++;
    return name < len && line[name] == ':';
}

/* Keeps a piece of a line of the header, as far as there is room. */
static bool keep_header(struct scan *scan, const char *data, size_t len)
{
    if (scan->header.max - scan->header.len < len)
        scan->header_full = true;
    return scan->header_full || buffer_append(&scan->header, data, len);
}

/* The beginning of a line: `len` bytes without its end, as far as they stand in the window; `next`
 * is where the line after it begins. */
static bool line_begins(struct scan *scan, uint64_t at, const char *line, size_t len, uint64_t next,
                        bool *header)
{
    bool taken = false;
    *header = false;
    if (len >= 2 && len <= DELIMITER_MAX && line[0] == '-' && line[1] == '-') {
        if (!delimit(scan, at, line, len, next, &taken))
            return false;
        if (taken)
            return true;
    }
    if (scan->state != IN_HEADER)
        return true;
    if (len == 0)
        return end_header(scan, next);
    *header = is_header_line(scan, line, len);
    if (*header)
        return true;
    /* Text where a header belongs; of a message in this place, the same line is its first. */
    return end_header(scan, at) && (scan->state != IN_HEADER || end_header(scan, at));
}

/* All lines of `len` bytes at `at`; *rest gets how many of them make no whole line. */
static bool scan_window(struct scan *scan, const char *data, size_t len, uint64_t at, bool *begun,
                        size_t *rest)
{
    size_t pos = 0;
    while (pos < len && !scan->stopped) {
        const char *end = memchr(data + pos, '\n', len - pos);
        size_t stop = end != NULL ? (size_t)(end - data) : len;
        size_t next = end != NULL ? stop + 1 : len;
        if (end == NULL && pos > 0 && at + len < scan->source->size)
            break; /* the window moves, then the line is looked at */
        size_t text = stop > pos && end != NULL && data[stop - 1] == '\r' ? stop - 1 : stop;
        if (!*begun &&
            !line_begins(scan, at + pos, data + pos, text - pos, at + next, &scan->header_line))
            return false;
        if (scan->header_line && !keep_header(scan, data + pos, next - pos))
            return false;
        *begun = end == NULL;
        scan->line_end = next - text;
        pos = next;
    }
    *rest = len - pos;
    return true;
}

static enum message_result scan_all(struct scan *scan, char *window)
{
    size_t held = 0;
    uint64_t at = 0;
    bool begun = false;
    while (at + held < scan->source->size && !scan->stopped) {
        ssize_t got =
            scan->source->read(scan->source->ctx, at + held, window + held, WINDOW - held);
        if (got <= 0)
            return MESSAGE_UNREADABLE;
        size_t len = held + (size_t)got;
        if (!scan_window(scan, window, len, at, &begun, &held))
            return MESSAGE_NO_MEMORY;
        at += len - held;
        memmove(window, window + (len - held), held);
    }
    if (!close_entities(scan, 0, scan->source->size))
        return MESSAGE_NO_MEMORY;
    return MESSAGE_OK;
}

enum message_result mime_tree_read(struct mime_tree *tree, const struct message_source *source)
{
    struct scan scan = {.source = source, .tree = tree};
    *tree = (struct mime_tree){0};
    scan.levels = g_new0(struct level, MIME_DEPTH_MAX + 2);
    buffer_init(&scan.header, MIME_HEADER_MAX);
    open_entity(&scan, 0);
    char *window = g_malloc(WINDOW);
    enum message_result result = scan_all(&scan, window);
    g_free(window);
    buffer_free(&scan.header);
    g_free(scan.levels);
    return result;
}
