/* See parts.h. */
#include "message/parts.h"

#include <stdio.h>
#include <string.h>

#include "message/mime.h"
#include "message/part_name.h"

struct message_parts {
    struct mime_tree tree;
    struct message_part *items;
    int *nodes; /* of each item: the entity whose bytes it has */
    size_t count;
    /* While the list is made: */
    GHashTable *names;    /* "PARENT/NAME" that are taken */
    GHashTable *ordinals; /* "PARENT/WANTED": the last ordinal that was tried */
};

static bool count_bytes(void *ctx, const char *data, size_t len)
{
    *(uint64_t *)ctx += len;
    return true;
}

/* What a leaf is called that has no name. */
static void default_name(char *name, size_t size, const struct mime_node *node, unsigned number,
                         bool plain, bool html)
{
    if (mime_is(node, "text", "plain") && plain)
        snprintf(name, size, "body.txt");
    else if (mime_is(node, "text", "html") && html)
        snprintf(name, size, "body.html");
    else
        snprintf(name, size, "part-%u.%s", number,
                 mime_is(node, "text", "html")        ? "html"
                 : mime_is(node, "text", NULL)        ? "txt"
                 : mime_is(node, "message", "rfc822") ? "eml"
                                                      : "bin");
}

/* Takes the name in `parent`: false: it is taken. */
static bool take_name(struct message_parts *parts, int parent, const char *name)
{
    return g_hash_table_add(parts->names, g_strdup_printf("%d/%s", parent, name));
}

/* The ordinal to try next for a name that several want: many parts of one name must not cost the
 * square of their number. */
static unsigned next_ordinal(struct message_parts *parts, int parent, const char *wanted)
{
    char *key = g_strdup_printf("%d/%s", parent, wanted);
    unsigned next = GPOINTER_TO_UINT(g_hash_table_lookup(parts->ordinals, key)) + 1;
    g_hash_table_insert(parts->ordinals, key, GUINT_TO_POINTER(next));
    return next;
}

static struct message_part *add(struct message_parts *parts, int parent, int node)
{
    struct message_part *part = &parts->items[parts->count];
    *part = (struct message_part){.parent = parent};
    parts->nodes[parts->count++] = node;
    return part;
}

static enum message_result add_leaf(struct message_parts *parts,
                                    const struct message_source *source, int parent, int index,
                                    const char *wanted)
{
    struct message_part *part = add(parts, parent, index);
    const struct message_sink sink = {count_bytes, &part->size};
    do {
        (void)part_name_make(part->name, wanted, next_ordinal(parts, parent, wanted));
    } while (!take_name(parts, parent, part->name));
    return mime_decode(source, &parts->tree.nodes[index], &sink);
}

/* NAME.eml and NAME. */
static enum message_result add_message(struct message_parts *parts,
                                       const struct message_source *source, int parent, int index,
                                       const char *wanted, int *directory)
{
    struct message_part *part = add(parts, parent, index);
    const struct message_sink sink = {count_bytes, &part->size};
    struct message_part *inside = add(parts, parent, index);
    char stem[MESSAGE_NAME_MAX + 1];
    inside->directory = true;
    *directory = (int)(parts->count - 1);
    if (!part_name_make(stem, wanted, 1))
        strcpy(stem, "message");
    size_t len = strlen(stem);
    if (len > 4 && g_ascii_strcasecmp(stem + len - 4, ".eml") == 0)
        stem[len - 4] = '\0';
    char *file = g_strdup_printf("%s.eml", stem);
    do {
        (void)part_name_make(part->name, file, next_ordinal(parts, parent, file));
        g_strlcpy(inside->name, part->name, strlen(part->name) - 3);
    } while (!take_name(parts, parent, part->name) || !take_name(parts, parent, inside->name));
    g_free(file);
    return mime_decode(source, &parts->tree.nodes[index], &sink);
}

/* The entities from `index` to before `end`, in directory `parent`. Recursion only into messages:
 * bounded by MIME_DEPTH_MAX. */
static enum message_result list(struct message_parts *parts, const struct message_source *source,
                                int index, int end, int parent)
{
    enum message_result result = MESSAGE_OK;
    bool plain = true, html = true;
    unsigned number = 0;
    for (int i = index; i < end && result == MESSAGE_OK;) {
        const struct mime_node *node = &parts->tree.nodes[i];
        char wanted[MIME_NAME_MAX + 1], named[MESSAGE_NAME_MAX + 1];
        if (node->kind == MIME_MULTIPART) {
            i++;
            continue;
        }
        if (parts->count + 2 > MESSAGE_PARTS_MAX)
            break;
        number++;
        if (node->name != NULL && part_name_make(named, node->name, 1))
            g_strlcpy(wanted, node->name, sizeof wanted);
        else
            default_name(wanted, sizeof wanted, node, number, plain, html);
        plain &= strcmp(wanted, "body.txt") != 0;
        html &= strcmp(wanted, "body.html") != 0;
        if (node->kind == MIME_LEAF) {
            result = add_leaf(parts, source, parent, i, wanted);
        } else {
            int directory = -1;
            result = add_message(parts, source, parent, i, wanted, &directory);
            if (result == MESSAGE_OK)
                result = list(parts, source, i + 1, node->after, directory);
        }
        i = node->after;
    }
    return result;
}

enum message_result message_parts_read(struct message_parts **out,
                                       const struct message_source *source)
{
    struct message_parts *parts = g_new0(struct message_parts, 1);
    *out = NULL;
    enum message_result result = mime_tree_read(&parts->tree, source);
    size_t room = parts->tree.count * 2 + 2;
    parts->items = g_new0(struct message_part, room);
    parts->nodes = g_new0(int, room);
    parts->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    parts->ordinals = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    if (result == MESSAGE_OK)
        result = list(parts, source, 0, (int)parts->tree.count, -1);
    g_hash_table_destroy(parts->names);
    g_hash_table_destroy(parts->ordinals);
    if (result == MESSAGE_OK)
        *out = parts;
    else
        message_parts_free(&parts);
    return result;
}

void message_parts_free(struct message_parts **parts)
{
    if (*parts == NULL)
        return;
    mime_tree_free(&(*parts)->tree);
    g_free((*parts)->items);
    g_free((*parts)->nodes);
    g_free(*parts);
    *parts = NULL;
}

size_t message_parts_count(const struct message_parts *parts)
{
    return parts->count;
}

const struct message_part *message_parts_get(const struct message_parts *parts, size_t index)
{
    return &parts->items[index];
}

enum message_result message_parts_write(const struct message_parts *parts, size_t index,
                                        const struct message_source *source,
                                        const struct message_sink *sink)
{
    return mime_decode(source, &parts->tree.nodes[parts->nodes[index]], sink);
}
