/*
 * Staged files: what programs write, until it is a message (CONTRACT.md section 2, "When a written
 * file is published").
 *
 * One for each inode that is open for writing, or that is no message yet, or no more than scratch;
 * its handles share it. Its bytes are, in this order: a spool, where something was written; the
 * cached body of `base`, where nothing was: its own message's, or the one that it is a copy of;
 * nothing.
 *
 * It is `busy` while sync works on it (a publication, an fsync, a rename): then nobody writes, and
 * whoever wants to waits (staged_want). Bytes can be read meanwhile: a publication hands a sealed
 * spool over and keeps a copy.
 */
#ifndef OUTLOOKFS_FS_STAGING_H
#define OUTLOOKFS_FS_STAGING_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "sync/change.h"

struct errand;
struct fs;
struct handle;
struct staging;

struct staged {
    struct fs *fs;
    uint64_t ino;

    /* staging.c's, protected by the table's lock: */
    struct staged *next;
    unsigned references;
    bool tabled; /* written with `io` held, too */

    pthread_mutex_t io;
    /* Protected by io: */
    struct cache_inode inode; /* the row as last known: name, parent, kind */
    bool info;                /* in `.Trash-UID/info`: no row shows it, its name is here */
    bool busy;
    unsigned handles;
    struct journal_spool *spool; /* NULL: nothing was written */
    bool kept;                   /* the spool is in the outbox as unfinished */
    int64_t base;                /* a pinned body; 0: none */
    uint64_t base_size;
    int64_t base_date;
    int64_t awaits;  /* whose body it has, once that is here: a copy to come; 0: none */
    bool clone;      /* a COPY of `base` is what is to be published */
    bool dirty;      /* there is something to publish: content, or another length */
    bool published;  /* at least once through the handles of now */
    bool unlinked;   /* never to be published */
    bool abandoned;  /* its writer was killed: not published unless written on */
    int failed;      /* the errno of the last publication; 0: none, or it was right */
    uint64_t shown;  /* the inode that the name stands for: its own, or its latest version's */
    int64_t message; /* what it is on the server, and what it replaces; 0: nothing yet */
    bool has_date;
    int64_t date; /* seconds: what utimes gave */
    int64_t mtime;
    char *flags; /* what setfattr gave; NULL: nothing */
};

struct staging *staging_new(void);
/* No request is left. Unpublished bytes that are nowhere else go. */
void staging_free(struct fs *fs);

/* The staged file of `ino`, with a reference; NULL: there is none. */
struct staged *staged_find(const struct fs *fs, uint64_t ino);
/* The same, made where it is missing. NULL without memory. */
struct staged *staged_get(struct fs *fs, const struct cache_inode *inode);
void staged_hold(struct staged *staged);
void staged_drop(struct staged *staged); /* NULL is fine */

/* The one called `name` in `.Trash-UID/info`; the next in ascending order above `after`. */
struct staged *staged_find_info(struct fs *fs, const char *name);
struct staged *staged_next_info(struct fs *fs, uint64_t after);
void staged_enter_info(struct staged *staged);
void staged_rename_info(struct staged *staged, const char *name);

/* Takes it out of the table; io is held. */
void staged_untable(struct staged *staged);

/* One more handle, for `handle`, which takes a reference. Returns false where it was settled
 * meanwhile: get it anew. `inode` of the handle is set. */
bool staged_attach(struct staged *staged, struct handle *handle);
/* The handle is gone: what is still to be published is. */
void staged_detach(struct handle *handle);

/* ---- with staged->io held ---- */

uint64_t staged_size(const struct staged *staged);
/* Its bytes are what the inode shows; else those of its message are. */
bool staged_live(const struct staged *staged);
bool staged_is_scratch(const struct staged *staged);
/* 0 or an errno. Disk, not network. */
int staged_read(struct staged *staged, uint64_t offset, void *data, size_t size, size_t *got);
int staged_write(struct staged *staged, uint64_t offset, const void *data, size_t size);
int staged_truncate(struct staged *staged, uint64_t size);
/* A spool with its bytes, in place of a base. */
int staged_materialize(struct staged *staged);
/* Makes the bytes those of `message`, whose body must be in the cache; `clone`: a copy of it. */
int staged_rebase(struct staged *staged, int64_t message, int64_t date, bool clone);
/* It has something to publish from now on. */
void staged_touch(struct staged *staged);
/* What it is shown as. */
void staged_show(const struct staged *staged, struct cache_inode *inode);

/* ---- without ---- */

/* Puts into *inode what is staged for it. True: something is, so the kernel must ask again. */
bool staging_overlay(const struct fs *fs, struct cache_inode *inode);

/* The inode of a staged file whose row is gone, or never was shown. */
bool staged_find_open(struct fs *fs, uint64_t ino, struct cache_inode *inode);

/* The row of `ino` changed: it may have become a message. */
void staging_row_changed(struct fs *fs, uint64_t ino);
/* The name is gone at the user's word: it is never published. */
void staging_unlinked(struct fs *fs, uint64_t ino);

/* ---- publish.c ---- */

/* Makes it busy: true; or it is, and a wait for its end is registered: *ticket, as wait.h's ask
 * returns it (errand.h). */
bool staged_begin(struct staged *staged, sync_done_fn *done, void *ctx, sync_ticket *ticket);
/* A wait until it is free, as wait.h's ask. */
sync_ticket staged_want(struct staged *staged, sync_done_fn *done, void *ctx);
/* It is free again: whoever waited goes on, and what nobody has open is settled. */
void staged_end(struct staged *staged);
/* Nobody has it open: publishes, removes or forgets it. */
void staged_settle(struct staged *staged);

/* Where a publication goes: NULL as name means where it is. */
struct staged_target {
    uint64_t parent;
    int64_t mailbox;
    const char *name;
    bool replace;
    uint64_t replaced; /* the inode that has the name now; 0: none */
    int64_t message;   /* and its message */
    bool keep;         /* see sync_publication */
};

/* Whether a flush or a release would publish it. io is held. */
bool staged_due(const struct staged *staged);

/* Publishes a busy staged file, which is free again when `done` is called. A reference goes with
 * the call. As errand_sent. */
sync_ticket staged_publish(struct staged *staged, const struct staged_target *target,
                           sync_done_fn *done, void *ctx, struct cache_inode *into);
/* The kernel knows which inode the name stands for: the publication is over. */
void publication_told(struct errand *errand);
/* Keeps the bytes of a busy one as unfinished; likewise. */
sync_ticket staged_keep(struct staged *staged, const char *reason, sync_done_fn *done, void *ctx);
/* Its writer is being killed: keeps the bytes, and publishes nothing unless it is written on. */
void staged_abandon(struct staged *staged);

/* The mailbox of a directory; 0: none that takes messages. */
int64_t staging_mailbox(struct fs *fs, uint64_t directory);

/* ---- moved.c ---- */

struct moved_table;
struct moved_table *moved_new(void);
void moved_free(struct moved_table **table);

/* Whether who asks for this inode may have walked to it by a name that stands for another one now;
 * `opened`: for an OPEN. */
bool moved_on(const struct fs *fs, uint64_t ino, bool opened);
/* The name moves on from this inode. `errand` is a publication that is over (publication_told) once
 * the kernel knows. */
void moved_note(struct fs *fs, uint64_t ino, struct errand *errand);
/* The kernel is not told for now: nobody waits for that. */
void moved_later(struct fs *fs, uint64_t ino);
/* The kernel dropped the name (0: of all of them), or (`shown`) hears of the new place. */
void moved_told(struct fs *fs, uint64_t ino, bool shown);

#endif
