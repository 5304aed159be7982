/*
 * setxattr and removexattr: CONTRACT.md, end of section 2. Two values can be written: the flags of
 * a message (STORE) and the subscription of a mailbox. A file that is no message yet takes flags
 * along when it is published, so that cp --preserve=xattr keeps them; one that was published and is
 * not on the server yet gets them behind its upload. Other values that can be read
 * are EOPNOTSUPP, which programs that copy attributes pass over; unknown names are ENODATA.
 */
#include "fs/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

enum { FLAGS_MAX = 4096 };

static sync_ticket store_ask(struct wait *wait, sync_done_fn *done, void *ctx)
{
    struct request *r = (struct request *)wait;
    struct errand *errand = errand_new(r->fs, done, ctx);

    if (errand == NULL)
        return 0;
    return errand_sent(errand,
                       sync_store(r->fs->sync, r->inode.message, r->data, errand_changed, errand));
}

/* With commit=journal: it was published, and waits for its turn. */
static sync_ticket store_pending_ask(struct wait *wait, sync_done_fn *done, void *ctx)
{
    struct request *r = (struct request *)wait;
    struct errand *errand = errand_new(r->fs, done, ctx);

    if (errand == NULL)
        return 0;
    return errand_sent(
        errand, sync_store_pending(r->fs->sync, r->inode.ino, r->data, errand_changed, errand));
}

static sync_ticket subscribe_ask(struct wait *wait, sync_done_fn *done, void *ctx)
{
    struct request *r = (struct request *)wait;
    struct errand *errand = errand_new(r->fs, done, ctx);

    if (errand == NULL)
        return 0;
    return errand_sent(errand, sync_mailbox_subscribe(r->fs->sync, r->inode.mailbox,
                                                      r->data[0] == '1', errand_changed, errand));
}

static void set_resume(struct wait *wait, enum sync_error error)
{
    struct request *r = (struct request *)wait;

    fuse_reply_err(r->req, fs_errno(error));
    wait_free(wait);
}

/* What was published has no flags that could still be given with it. */
static bool on_its_way(struct fs *fs, uint64_t ino)
{
    struct journal_spool *spool = NULL;
    int64_t copy_of = 0;

    if (!sync_pending(fs->sync, ino, &spool, &copy_of))
        return false;
    if (spool != NULL)
        journal_spool_close(&spool);
    return true;
}

/* For when it is published. Frees `value`. */
static int keep_flags(struct fs *fs, const struct cache_inode *inode, char *value)
{
    struct staged *staged = staged_get(fs, inode);

    if (staged == NULL || value[0] == '+' || value[0] == '-') {
        staged_drop(staged);
        free(value);
        return staged == NULL ? ENOMEM : EINVAL;
    }
    pthread_mutex_lock(&staged->io);
    free(staged->flags);
    staged->flags = value;
    pthread_mutex_unlock(&staged->io);
    staged_drop(staged);
    return 0;
}

/* Frees `value`, or hands it over. */
static void send(fuse_req_t req, const struct cache_inode *inode, char *value,
                 sync_ticket (*ask)(struct wait *, sync_done_fn *, void *))
{
    struct request *r = request_new_change(fs_of(req), req);

    if (r == NULL) {
        free(value);
        return;
    }
    r->inode = *inode;
    r->data = value;
    r->wait.ask = ask;
    r->wait.resume = set_resume;
    wait_start(&r->wait);
}

/* It was a staged file when it was looked up; its upload may have ended since. */
static bool landed(struct fs *fs, uint64_t ino, struct cache_inode *inode)
{
    struct cache_inode now;

    if (cache_inode_get(fs->cache, ino, &now) != CACHE_OK || now.kind != CACHE_MESSAGE)
        return false;
    *inode = now;
    return true;
}

/* What the message has already: programs that copy attributes ask for nothing else. */
static bool has_flags(struct fs *fs, const struct cache_inode *inode, const char *value)
{
    struct cache_message row = {0};
    bool same;

    if (cache_message_get(fs->cache, inode->message, &row) != CACHE_OK)
        return false;
    same = strcmp(row.flags != NULL ? row.flags : "", value) == 0;
    cache_message_free(&row);
    return same;
}

/* The errno of a name that is not one of the two. */
static int refusal(enum cache_kind kind, const char *name)
{
    if (xattr_refused(name))
        return EOPNOTSUPP;
    return xattr_known(kind, name) ? EOPNOTSUPP : ENODATA;
}

static bool is_subscription(const char *value)
{
    return (value[0] == '0' || value[0] == '1') && value[1] == '\0';
}

/* Takes over `value`, malloc. */
static void set(fuse_req_t req, uint64_t ino, const char *name, char *value, int flags)
{
    struct fs *fs = fs_of(req);
    struct cache_inode inode;
    bool of_message = strcmp(name, "user.imap.flags") == 0;
    bool of_mailbox = strcmp(name, "user.imap.subscribed") == 0;
    int error = ino == FS_STATUS_INO ? EPERM : attr_get(fs, ino, &inode);

    if (error == 0)
        of_mailbox = of_mailbox && inode.kind == CACHE_DIRECTORY && inode.mailbox != 0;
    if (error == 0)
        of_message = of_message && inode.kind != CACHE_DIRECTORY;
    if (error == 0 && !of_message && !of_mailbox)
        error = refusal(inode.kind, name);
    if (error == 0 && (flags & XATTR_CREATE) != 0 && inode.kind != CACHE_STAGED)
        error = EEXIST;
    if (error == 0 && of_mailbox && !is_subscription(value))
        error = EINVAL;
    if (error != 0 || (of_message && inode.message != 0 && has_flags(fs, &inode, value))) {
        fuse_reply_err(req, error);
        free(value);
    } else if (inode.kind == CACHE_STAGED && on_its_way(fs, ino)) {
        send(req, &inode, value, store_pending_ask);
    } else if (inode.kind == CACHE_STAGED && !landed(fs, ino, &inode)) {
        fuse_reply_err(req, keep_flags(fs, &inode, value));
    } else {
        send(req, &inode, value, of_message ? store_ask : subscribe_ask);
    }
}

void fs_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size,
                 int flags)
{
    char *text;

    if (xattr_refused(name)) {
        fuse_reply_err(req, EOPNOTSUPP);
        return;
    }
    if (size > FLAGS_MAX || memchr(value, '\0', size) != NULL) {
        fuse_reply_err(req, size > FLAGS_MAX ? E2BIG : EINVAL);
        return;
    }
    text = strndup(value, size);
    if (text == NULL)
        fuse_reply_err(req, ENOMEM);
    else
        set(req, ino, name, text, flags);
}

/* Without flags, or without a subscription. */
void fs_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
    char *text;

    if (xattr_refused(name)) {
        fuse_reply_err(req, EOPNOTSUPP);
        return;
    }
    text = strdup(strcmp(name, "user.imap.subscribed") == 0 ? "0" : "");
    if (text == NULL)
        fuse_reply_err(req, ENOMEM);
    else
        set(req, ino, name, text, 0);
}
