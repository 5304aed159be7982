/*
 * Everything that would change something: EROFS. The mount is read-only, so the kernel answers most
 * of these itself; what reaches us all the same (a remount, a kernel that asks first) ends here.
 */
#include "fs/internal.h"

#include <errno.h>
#include <string.h>

static void refuse(fuse_req_t req)
{
    fuse_reply_err(req, EROFS);
}

static void ro_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
                       struct fuse_file_info *fi)
{
    refuse(req);
}

static void ro_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
    refuse(req);
}

static void ro_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
    refuse(req);
}

/* unlink and rmdir */
static void ro_remove(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    refuse(req);
}

static void ro_symlink(fuse_req_t req, const char *link, fuse_ino_t parent, const char *name)
{
    refuse(req);
}

static void ro_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent,
                      const char *newname, unsigned flags)
{
    refuse(req);
}

static void ro_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t newparent, const char *newname)
{
    refuse(req);
}

static void ro_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
                      struct fuse_file_info *fi)
{
    refuse(req);
}

static void ro_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t offset,
                     struct fuse_file_info *fi)
{
    refuse(req);
}

static void ro_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length,
                         struct fuse_file_info *fi)
{
    refuse(req);
}

/* Other namespaces than user.* are not supported at all (CONTRACT.md section 2). */
static int xattr_errno(const char *name)
{
    return strncmp(name, "user.", 5) == 0 ? EROFS : EOPNOTSUPP;
}

static void ro_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
                        size_t size, int flags)
{
    fuse_reply_err(req, xattr_errno(name));
}

static void ro_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
    fuse_reply_err(req, xattr_errno(name));
}

void readonly_fill(struct fuse_lowlevel_ops *ops)
{
    ops->setattr = ro_setattr;
    ops->mknod = ro_mknod;
    ops->mkdir = ro_mkdir;
    ops->unlink = ro_remove;
    ops->rmdir = ro_remove;
    ops->symlink = ro_symlink;
    ops->rename = ro_rename;
    ops->link = ro_link;
    ops->create = ro_create;
    ops->write = ro_write;
    ops->fallocate = ro_fallocate;
    ops->setxattr = ro_setxattr;
    ops->removexattr = ro_removexattr;
}
