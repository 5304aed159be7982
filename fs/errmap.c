/*
 * The one place where an error becomes an errno. CONTRACT.md fixes ENETUNREACH (offline), EAGAIN
 * (the server's back-off) and EIO (a message that the server does not give); the rest is what a
 * program that reads files understands best. ENOTCONN is what the kernel itself says once a mount
 * is gone.
 */
#include "fs/internal.h"

#include <errno.h>

static const int sync_errno[] = {
    [SYNC_OK] = 0,
    [SYNC_ERR_UNREACHABLE] = ENETUNREACH,
    [SYNC_ERR_AUTH] = EACCES,
    [SYNC_ERR_REFUSED] = EPERM,
    [SYNC_ERR_GONE] = ENOENT,
    [SYNC_ERR_UNFETCHABLE] = EIO,
    [SYNC_ERR_THROTTLED] = EAGAIN,
    [SYNC_ERR_TOO_LARGE] = EFBIG,
    [SYNC_ERR_CACHE] = EIO,
    [SYNC_ERR_BUSY] = EBUSY,
    [SYNC_ERR_CONFIG] = EINVAL,
    [SYNC_ERR_STOPPING] = ENOTCONN,
    [SYNC_ERR_MEMORY] = ENOMEM,
    [SYNC_ERR_READONLY] = EROFS,
    [SYNC_ERR_DOWN] = ENETDOWN,
    [SYNC_ERR_INVALID] = EINVAL,
    [SYNC_ERR_EXISTS] = EEXIST,
    [SYNC_ERR_NOT_EMPTY] = ENOTEMPTY,
    [SYNC_ERR_PERMISSION] = EPERM,
    [SYNC_ERR_UNSUPPORTED] = EOPNOTSUPP,
    [SYNC_ERR_QUOTA] = EDQUOT,
    [SYNC_ERR_DISK] = ENOSPC,
    [SYNC_ERR_UNCONFIRMED] = EIO,
};

static const int cache_errno[] = {
    [CACHE_OK] = 0,
    [CACHE_ERR_ABSENT] = ENOENT,
    [CACHE_ERR_BUSY] = EBUSY,
    [CACHE_ERR_STALE] = ESTALE,
    [CACHE_ERR_FULL] = ENOSPC,
    [CACHE_ERR_IO] = EIO,
    [CACHE_ERR_MEMORY] = ENOMEM,
    [CACHE_ERR_EXISTS] = EEXIST,
    [CACHE_ERR_STATE] = EBUSY,
    [CACHE_ERR_LIMIT] = EDQUOT,
};

static int find(const int *table, size_t count, unsigned error)
{
    if (error == 0)
        return 0;
    return error < count && table[error] != 0 ? table[error] : EIO;
}

int fs_errno(enum sync_error error)
{
    return find(sync_errno, sizeof(sync_errno) / sizeof(sync_errno[0]), error);
}

int fs_errno_of_cache(enum cache_error error)
{
    return find(cache_errno, sizeof(cache_errno) / sizeof(cache_errno[0]), error);
}
