/*
 * From the names that a server listed to the tree that the cache keeps.
 *
 * A mailbox name is a path at its delimiter. Levels that the server did not list (RFC 3501 allows
 * it) are added as plain directories. Each name's last component, decoded from modified UTF-7 and
 * made safe, is what is shown; one that cannot be decoded is shown by its bytes. Names with an
 * empty component
 * ("a//b") have no place in a tree and are left out. With -o subscribed, what is neither
 * subscribed nor above something that is, goes too.
 *
 * Order: by depth, then by bytes, so that parents come first and the same list gives the same tree.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "imap/utf7.h"
#include "message/name.h"
#include "sync/internal.h"

enum { COMPONENT_MAX = 8192, DEPTH_MAX = 400 };

static const char *last_component(const struct tree_name *n)
{
    const char *at = n->delimiter != 0 ? strrchr(n->name, n->delimiter) : NULL;
    return at != NULL ? at + 1 : n->name;
}

static unsigned depth_of(const struct tree_name *n)
{
    unsigned depth = 0;
    for (const char *c = n->name; n->delimiter != 0 && *c != '\0'; c++)
        depth += *c == n->delimiter;
    return depth;
}

/* INBOX is the same in any case (RFC 3501 section 5.1), as a whole name and as the first level of
 * one. */
static int name_order(const void *a, const void *b)
{
    const struct tree_name *x = a, *y = b;
    unsigned dx = depth_of(x), dy = depth_of(y);
    if (dx != dy)
        return dx < dy ? -1 : 1;
    return strcmp(x->name, y->name);
}

static bool well_formed(const struct tree_name *n)
{
    if (n->delimiter == 0)
        return true;
    const char twice[] = {n->delimiter, n->delimiter, '\0'};
    size_t len = strlen(n->name);
    return n->name[0] != n->delimiter && n->name[len - 1] != n->delimiter &&
           strstr(n->name, twice) == NULL && depth_of(n) < DEPTH_MAX;
}

/* "Public/" as some servers list a level without mailbox. */
static void cut_last_delimiter(struct tree_name *n)
{
    size_t len = strlen(n->name);
    if (n->delimiter != 0 && len > 1 && n->name[len - 1] == n->delimiter) {
        n->name[len - 1] = '\0';
        n->attributes |= IMAP_LIST_NOSELECT;
    }
}

/* Drops what has no place; frees its name. */
static size_t keep_well_formed(struct tree_name *names, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        cut_last_delimiter(&names[i]);
        if (well_formed(&names[i])) {
            names[kept++] = names[i];
            continue;
        }
        log_warn("the mailbox \"%.200s\" has an empty level in its name and is left out",
                 names[i].name);
        free(names[i].name);
    }
    return kept;
}

static size_t drop_repeated(struct tree_name *names, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && strcmp(names[kept - 1].name, names[i].name) == 0) {
            if (names[kept - 1].implied && !names[i].implied) {
                free(names[kept - 1].name);
                names[kept - 1] = names[i];
            } else {
                free(names[i].name);
            }
            continue;
        }
        names[kept++] = names[i];
    }
    return kept;
}

/* The level above `n` as a name to search for; false at the top. The caller frees key->name. */
static bool parent_key(const struct tree_name *n, struct tree_name *key)
{
    const char *at = n->delimiter != 0 ? strrchr(n->name, n->delimiter) : NULL;
    if (at == NULL)
        return false;
    *key = (struct tree_name){.name = strndup(n->name, (size_t)(at - n->name)),
                              .delimiter = n->delimiter,
                              .attributes = IMAP_LIST_NOSELECT,
                              .implied = true};
    return key->name != NULL;
}

static struct tree_name *find(struct tree_name *names, size_t count, const struct tree_name *key)
{
    struct tree_name *found = bsearch(key, names, count, sizeof *names, name_order);
    for (size_t i = 0; found == NULL && i < count && depth_of(&names[i]) == 0 &&
                       strcasecmp(key->name, "INBOX") == 0;
         i++) {
        if (strcasecmp(names[i].name, "INBOX") == 0)
            found = &names[i];
    }
    return found;
}

/* Room for one more level, within the ceilings; a server could name a few very deep mailboxes that
 * imply millions. */
static bool level_fits(struct tree_name **names, size_t count, size_t *room, size_t bytes)
{
    if (count >= TREE_NAMES_MAX || bytes > TREE_BYTES_MAX) {
        log_warn("the server's mailboxes imply more levels than anybody has");
        return false;
    }
    if (count < *room)
        return true;
    size_t wanted = *room * 2 + 64;
    struct tree_name *more = realloc(*names, wanted * sizeof *more);
    if (more == NULL)
        return false;
    *names = more;
    *room = wanted;
    return true;
}

/* Adds the levels above each name that are not there. `names` is sorted; what comes out is sorted
 * too. A level that is there, or was added for the name before, has those above it already. */
static bool add_implied(struct tree_name **names, size_t *count)
{
    size_t listed = *count, room = *count, bytes = 0, before = listed;
    bool good = true;
    for (size_t i = 0; i < listed && good; i++) {
        struct tree_name key, at = (*names)[i];
        size_t first = *count;
        while (good && parent_key(&at, &key)) {
            bool there = (before < first && name_order(&(*names)[before], &key) == 0) ||
                         find(*names, listed, &key) != NULL;
            bytes += there ? 0 : strlen(key.name);
            good = there || level_fits(names, *count, &room, bytes);
            if (there || !good) {
                free(key.name);
                break;
            }
            (*names)[(*count)++] = at = key;
        }
        before = first < *count ? first : before;
    }
    qsort(*names, *count, sizeof **names, name_order);
    *count = drop_repeated(*names, *count);
    return good;
}

/* What is subscribed or above it; children come after their parents, so the walk is from the end.
 */
static size_t keep_subscribed(struct tree_name *names, size_t count)
{
    for (size_t i = count; i-- > 0;) {
        struct tree_name key;
        if (!names[i].subscribed || !parent_key(&names[i], &key))
            continue;
        struct tree_name *parent = find(names, count, &key);
        if (parent != NULL && !parent->subscribed) {
            if (strcasecmp(parent->name, "INBOX") != 0) /* which is shown, subscribed or not */
                parent->attributes |= IMAP_LIST_NOSELECT;
            parent->subscribed = true;
            parent->implied = true;
        }
        free(key.name);
    }
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (names[i].subscribed || strcasecmp(names[i].name, "INBOX") == 0)
            names[kept++] = names[i];
        else
            free(names[i].name);
    }
    return kept;
}

static bool shown_name(const struct tree_name *n, char *shown)
{
    const char *component = last_component(n);
    if (strcasecmp(n->name, "INBOX") == 0) {
        strcpy(shown, "Inbox");
        return true;
    }
    struct buffer decoded;
    buffer_init(&decoded, COMPONENT_MAX);
    size_t len = strlen(component);
    bool readable = imap_utf7_decode(component, len, &decoded) && decoded.len > 0;
    int made = message_name_directory(shown, readable ? decoded.data : component,
                                      readable ? decoded.len : len, 0);
    buffer_free(&decoded);
    if (!readable)
        log_warn("the mailbox name \"%.200s\" is not valid modified UTF-7; it is shown as it is",
                 n->name);
    return made == 0;
}

static void entry_of(struct tree_entries *entries, struct tree_name *names, size_t count, size_t i)
{
    struct tree_name *n = &names[i], key = {0};
    char *shown = entries->shown[i];
    struct tree_name *parent = NULL;
    if (parent_key(n, &key))
        parent = find(names, count, &key);
    free(key.name);
    enum cache_role role = role_of(n->attributes, shown, parent == NULL);
    if (n->malformed)
        log_warn("the server garbled the mailbox name \"%.200s\"; it may refuse to open it",
                 n->name);
    entries->items[entries->count++] = (struct cache_tree_entry){
        .name = n->name,
        .parent = parent != NULL ? parent->name : NULL,
        .shown = shown,
        .delimiter = n->delimiter,
        .role = role,
        .selectable = (n->attributes & IMAP_LIST_NOSELECT) == 0,
        .subscribed = n->subscribed && !n->implied,
    };
}

/* Two mailboxes may claim a role; the first one listed with it has it. */
static void roles_once(struct tree_entries *entries)
{
    unsigned seen = 0;
    for (size_t i = 0; i < entries->count; i++) {
        unsigned bit = 1u << entries->items[i].role;
        if (entries->items[i].role != CACHE_ROLE_NONE && seen & bit)
            entries->items[i].role = CACHE_ROLE_NONE;
        seen |= bit;
    }
}

bool tree_build(struct tree_name **names, size_t *count, bool subscribed_only,
                struct tree_entries *entries)
{
    *count = keep_well_formed(*names, *count);
    qsort(*names, *count, sizeof **names, name_order);
    *count = drop_repeated(*names, *count);
    if (!add_implied(names, count))
        return false;
    if (subscribed_only)
        *count = keep_subscribed(*names, *count);
    entries->items = calloc(*count + 1, sizeof *entries->items);
    entries->shown = calloc(*count + 1, sizeof *entries->shown);
    if (entries->items == NULL || entries->shown == NULL) {
        tree_entries_free(entries);
        return false;
    }
    for (size_t i = 0; i < *count; i++) {
        if (!shown_name(&(*names)[i], entries->shown[i]))
            strcpy(entries->shown[i], "_");
        entry_of(entries, *names, *count, i);
    }
    roles_once(entries);
    return true;
}

char *tree_parent_name(const char *name, char delimiter)
{
    const char *at = delimiter != 0 ? strrchr(name, delimiter) : NULL;
    return at != NULL ? strndup(name, (size_t)(at - name)) : NULL;
}

void tree_ordinal_name(const char *shown, unsigned ordinal, char *name)
{
    if (message_name_directory(name, shown, strlen(shown), ordinal) != 0)
        strcpy(name, "_");
}

void tree_entries_free(struct tree_entries *entries)
{
    free(entries->items);
    free(entries->shown);
    *entries = (struct tree_entries){0};
}
