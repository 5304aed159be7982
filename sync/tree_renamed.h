/*
 * What tree_renamed.c and tree_renamed_note.c share: mailboxes that went and came in one LIST, and
 * which of them are one. Internal to sync/. All of it belongs to the worker that has the tree's job
 * and runs in its thread; names and entries are those of the tree's list, which outlives it.
 */
#ifndef OUTLOOKFS_SYNC_TREE_RENAMED_H
#define OUTLOOKFS_SYNC_TREE_RENAMED_H

#include "sync/internal.h"

enum { RENAMED_MAX = 20, SAMPLES = 8 };

/* A message as the cache knows it. */
struct sample {
    uint32_t uid;
    uint64_t size;
    int64_t internaldate;
    char *message_id;
};

/* A mailbox that went, with what it can be known by. */
struct gone {
    int64_t id;
    char *name;
    uint32_t uidvalidity, listed_uid;
    struct sample samples[SAMPLES]; /* ascending by UID */
    size_t sample_count;
    const struct cache_tree_entry *to; /* what it may be now; NULL: nothing */
    unsigned equal;                    /* samples that the server has, too */
    bool differs;
};

/* A mailbox that came. */
struct came {
    const struct cache_tree_entry *entry;
    struct standing standing;
};

struct listed {
    const struct cache_tree_entry *entry;
    bool known; /* to the cache, when LIST was answered */
};

struct renamed {
    struct worker *worker;
    renamed_over_fn *over;
    void *ctx;
    struct listed *list; /* all that LIST told, in order of names */
    size_t list_count;
    struct gone gone[RENAMED_MAX];
    struct came came[RENAMED_MAX];
    size_t gone_count, came_count;
    bool too_many;
    unsigned pending; /* STATUS on its way */
    size_t at;        /* of `gone`: who is compared */
    bool opened;      /* EXAMINE went out */
    bool sampling;    /* its messages are asked for */
    enum imap_error error;
};

/* The entry with this name; NULL: LIST did not tell it. */
struct listed *renamed_listed(const struct renamed *renamed, const char *name);

#endif
