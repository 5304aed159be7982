/*
 * The helper's side of raiser.h. A loop without memory of its own: order, act, answer.
 *
 * It goes by the mountpoint's path each time and keeps nothing of the mount open between orders,
 * since an open directory would make unmounting fail. Whatever stands at that path by then must
 * prove to be the daemon's mount before anything is done there: statfs of it gives the order's
 * nonce, which no other file system knows. From there on names are followed downwards only.
 *
 * It ends with the daemon: by the socket's end, and by a signal in the middle of a system call.
 */
#include "fs/raiser.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Older headers lack it; the number is the kernel's for good. */
#ifndef FUSE_SUPER_MAGIC
#define FUSE_SUPER_MAGIC 0x65735546
#endif

/* The root of the mount, or -1 with errno. */
static int open_root(const char *mountpoint, uint64_t nonce)
{
    struct statfs st;
    int root = open(mountpoint, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (root < 0)
        return -1;
    if (fstatfs(root, &st) == 0 && st.f_type == FUSE_SUPER_MAGIC && (uint64_t)st.f_files == nonce)
        return root;
    close(root);
    errno = ENODEV;
    return -1;
}

static int open_below(int root, const char *path)
{
    const struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                                 .resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV |
                                            RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};

    return (int)syscall(SYS_openat2, root, path[0] != '\0' ? path : ".", &how, sizeof(how));
}

/* 0 or -1 with errno. */
static int act_in(int directory, const struct raiser_order *order)
{
    switch (order->act) {
    case RAISER_MAKE:
        return mknodat(directory, order->name, S_IFREG | 0600, 0);
    case RAISER_MAKE_DIRECTORY:
        return mkdirat(directory, order->name, 0700);
    case RAISER_REMOVE:
        return unlinkat(directory, order->name, 0);
    case RAISER_REMOVE_DIRECTORY:
        return unlinkat(directory, order->name, AT_REMOVEDIR);
    case RAISER_TOUCH: /* both times: one alone is IN_MODIFY or IN_ACCESS */
        return utimensat(directory, order->name, NULL, AT_SYMLINK_NOFOLLOW);
    default:
        errno = EINVAL;
        return -1;
    }
}

static int carry_out(const char *mountpoint, const struct raiser_order *order)
{
    int root = open_root(mountpoint, order->nonce), directory = -1, error = 0;

    if (root >= 0)
        directory = open_below(root, order->path);
    if (directory < 0 || act_in(directory, order) != 0)
        error = errno;
    if (directory >= 0)
        close(directory);
    if (root >= 0)
        close(root);
    return error;
}

/* False: the daemon is gone. */
static bool take_order(struct raiser_order *order)
{
    ssize_t got;

    do
        got = recv(STDIN_FILENO, order, sizeof(*order), 0);
    while (got < 0 && errno == EINTR);
    if (got != (ssize_t)sizeof(*order))
        return false;
    order->path[RAISER_PATH_MAX - 1] = '\0';
    order->name[RAISER_NAME_MAX] = '\0';
    return true;
}

int raiser_main(int argc, char **argv)
{
    static struct raiser_order order;

    if (argc != 2 || argv[1][0] != '/' || chdir("/") != 0)
        return 2;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_DUMPABLE, 0); /* nobody looks into it, or steers it */
    signal(SIGINT, SIG_IGN);   /* Ctrl-C is for the daemon, which ends this */
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    while (take_order(&order)) {
        const struct raiser_answer answer = {.nonce = order.nonce,
                                             .error = carry_out(argv[1], &order)};
        if (send(STDIN_FILENO, &answer, sizeof(answer), 0) != (ssize_t)sizeof(answer))
            break;
    }
    return 0;
}
