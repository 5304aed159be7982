/*
 * Parallel directory operations, in spite of libfuse.
 *
 * Without FUSE_PARALLEL_DIROPS the kernel sends one LOOKUP or READDIR of a directory at a time, so
 * a READDIR that waits for a first listing would hold up, uninterruptibly, every name in that
 * directory that the cache could answer. libfuse before 3.17 takes the wish (conn->want) but
 * forgets to hand it to the kernel (libfuse issue 112, pull request 861). So for those versions the
 * session's writes pass through here, and the flag is put into the one reply that opens the
 * connection. The bytes are the kernel's protocol, <linux/fuse.h>, which never changes for a given
 * message.
 *
 * INIT comes first and alone; afterwards both functions only pass through. libfuse's workers.
 */
#include "fs/internal.h"

#include <errno.h>
#include <linux/fuse.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FIXED_IN = FUSE_MAKE_VERSION(3, 17), OPENING_IN = 1, OPENING_DONE = 2 };

/* Notes the INIT request of a kernel that can do it. */
static ssize_t read_request(int fd, void *data, size_t size, void *userdata)
{
    struct fs *fs = userdata;
    ssize_t got = read(fd, data, size);
    struct fuse_in_header header;
    struct fuse_init_in init;

    if (atomic_load(&fs->opening) != 0 || got < (ssize_t)(sizeof(header) + 16))
        return got;
    memset(&init, 0, sizeof(init));
    memcpy(&header, data, sizeof(header));
    memcpy(&init, (const char *)data + sizeof(header), 16); /* major, minor, readahead, flags */
    if (header.opcode == FUSE_INIT && (init.flags & FUSE_PARALLEL_DIROPS) != 0) {
        fs->opening_unique = header.unique;
        atomic_store(&fs->opening, OPENING_IN);
    }
    return got;
}

static void amend(struct fs *fs, struct iovec *parts, int count)
{
    struct fuse_out_header header;
    struct fuse_init_out init;

    if (count != 2 || parts[0].iov_len != sizeof(header) || parts[1].iov_len != sizeof(init))
        return;
    memcpy(&header, parts[0].iov_base, sizeof(header));
    if (header.unique != fs->opening_unique || header.error != 0)
        return;
    memcpy(&init, parts[1].iov_base, sizeof(init));
    init.flags |= FUSE_PARALLEL_DIROPS;
    memcpy(parts[1].iov_base, &init, sizeof(init));
    atomic_store(&fs->opening, OPENING_DONE);
}

static ssize_t write_reply(int fd, struct iovec *parts, int count, void *userdata)
{
    struct fs *fs = userdata;

    if (atomic_load(&fs->opening) == OPENING_IN)
        amend(fs, parts, count);
    return writev(fd, parts, count);
}

bool dirops_enable(struct fs *fs)
{
    static const struct fuse_custom_io io = {.read = read_request, .writev = write_reply};

    if (fuse_version() >= FIXED_IN)
        return true;
    return fuse_session_custom_io(fs->session, &io, fuse_session_fd(fs->session)) == 0;
}
