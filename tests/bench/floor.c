/*
 * The floor: the least that any FUSE file system costs here. A tree of files is read into memory
 * and served with everything that makes libfuse fast on a mount that can be written (endless
 * timeouts, keep_cache, cached readdir, readdirplus, noflush), and with nothing else behind it: no
 * lock, no database, no lookup but an array's. What a warm `grep -r` takes here is the kernel's and
 * libfuse's; what outlookfs takes more is its own.
 *
 *     bench_floor [-n] SOURCE MOUNTPOINT
 *
 * -n: ENOSYS to open and opendir, as a read-only mount may answer that has everything. Prints one
 * JSON line ({"files":..,"bytes":..}) once it is mounted, serves in the foreground, and ends with
 * SIGTERM or an unmount.
 */
#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NODES_MAX = 4000000, DEPTH_MAX = 32, WORKERS = 10 };
#define FOREVER 1e9

/* Node n is inode n + 1, so the root, which is read first, is inode 1. Children stand in a list. */
struct node {
    char *name, *data;
    struct stat st;
    uint32_t parent, first, last, next; /* 0: none */
};

static struct {
    struct node *nodes;
    uint32_t count, room;
    uint32_t *named; /* all nodes, by parent and name */
    uint64_t files, bytes;
    bool no_open;
} tree;

static void fail(const char *what)
{
    fprintf(stderr, "bench_floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint32_t node_add(uint32_t parent, const char *name, const struct stat *st)
{
    struct node *node;
    uint32_t n = tree.count;

    if (n == tree.room) {
        tree.room = tree.room == 0 ? 1024 : 2 * tree.room;
        tree.nodes = realloc(tree.nodes, tree.room * sizeof(*tree.nodes));
    }
    if (tree.nodes == NULL || n == NODES_MAX)
        fail("too many files");
    node = &tree.nodes[n];
    *node = (struct node){.name = strdup(name), .parent = parent, .st = *st};
    node->st.st_ino = n + 1;
    node->st.st_nlink = 1;
    if (node->name == NULL)
        fail("memory");
    tree.count++;
    if (n == 0)
        return 0;
    if (tree.nodes[parent].first == 0)
        tree.nodes[parent].first = n;
    else
        tree.nodes[tree.nodes[parent].last].next = n;
    tree.nodes[parent].last = n;
    return n;
}

static void file_read(int directory, const char *name, uint32_t n)
{
    struct node *node = &tree.nodes[n];
    size_t size = (size_t)node->st.st_size, got = 0;
    int fd = openat(directory, name, O_RDONLY);

    node->data = malloc(size + 1);
    if (fd < 0 || node->data == NULL)
        fail(name);
    while (got < size) {
        ssize_t part = read(fd, node->data + got, size - got);
        if (part <= 0)
            fail(name);
        got += (size_t)part;
    }
    close(fd);
    tree.files++;
    tree.bytes += size;
}

/* Takes over `fd`. */
static void directory_read(int fd, uint32_t self, unsigned depth)
{
    DIR *directory = fdopendir(fd);
    const struct dirent *entry;
    struct stat st;

    if (directory == NULL || depth > DEPTH_MAX)
        fail("a directory");
    while ((entry = readdir(directory)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        if (S_ISREG(st.st_mode))
            file_read(fd, entry->d_name, node_add(self, entry->d_name, &st));
        else if (S_ISDIR(st.st_mode))
            directory_read(openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY),
                           node_add(self, entry->d_name, &st), depth + 1);
    }
    closedir(directory);
}

static int by_name(const void *a, const void *b)
{
    const struct node *one = &tree.nodes[*(const uint32_t *)a];
    const struct node *other = &tree.nodes[*(const uint32_t *)b];

    if (one->parent != other->parent)
        return one->parent < other->parent ? -1 : 1;
    return strcmp(one->name, other->name);
}

static void tree_read(const char *source)
{
    struct stat st;
    int fd = open(source, O_RDONLY | O_DIRECTORY);

    if (fd < 0 || fstat(fd, &st) != 0)
        fail(source);
    node_add(0, "", &st);
    directory_read(fd, 0, 0);
    tree.named = calloc(tree.count, sizeof(*tree.named));
    if (tree.named == NULL)
        fail("memory");
    for (uint32_t n = 0; n < tree.count; n++)
        tree.named[n] = n;
    qsort(tree.named + 1, tree.count - 1, sizeof(*tree.named), by_name);
}

/* ---- the callbacks ---- */

static struct fuse_entry_param entry_of(uint32_t n)
{
    return (struct fuse_entry_param){
        .ino = n + 1, .attr = tree.nodes[n].st, .attr_timeout = FOREVER, .entry_timeout = FOREVER};
}

static void floor_init(void *userdata, struct fuse_conn_info *conn)
{
    (void)userdata;
    conn->want |= conn->capable & (FUSE_CAP_READDIRPLUS | FUSE_CAP_PARALLEL_DIROPS);
    conn->want &= ~(unsigned)FUSE_CAP_READDIRPLUS_AUTO;
}

static void floor_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    uint32_t low = 1, high = tree.count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2, n = tree.named[middle];
        const struct node *node = &tree.nodes[n];
        int order = node->parent != parent - 1 ? (node->parent < parent - 1 ? -1 : 1)
                                               : strcmp(node->name, name);
        if (order == 0) {
            struct fuse_entry_param entry = entry_of(n);
            fuse_reply_entry(req, &entry);
            return;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    fuse_reply_err(req, ENOENT);
}

static void floor_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup)
{
    (void)ino;
    (void)nlookup;
    fuse_reply_none(req);
}

static void floor_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)fi;
    fuse_reply_attr(req, &tree.nodes[ino - 1].st, FOREVER);
}

static void floor_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    if (tree.no_open) {
        fuse_reply_err(req, ENOSYS);
        return;
    }
    fi->cache_readdir = fi->keep_cache = 1;
    fuse_reply_open(req, fi);
}

/* Offset n + 1 is "after node n"; 1 is "from the first". "." and ".." are left out. */
static void floor_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                              struct fuse_file_info *fi)
{
    uint32_t n = offset > 1 ? tree.nodes[offset - 1].next : tree.nodes[ino - 1].first;
    char *data = malloc(size);
    size_t used = 0;

    (void)fi;
    while (data != NULL && n != 0) {
        struct fuse_entry_param entry = entry_of(n);
        size_t need = fuse_add_direntry_plus(req, data + used, size - used, tree.nodes[n].name,
                                             &entry, (off_t)n + 1);
        if (need > size - used)
            break;
        used += need;
        n = tree.nodes[n].next;
    }
    fuse_reply_buf(req, data, used);
    free(data);
}

static void floor_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    if (tree.no_open) {
        fuse_reply_err(req, ENOSYS);
        return;
    }
    fi->keep_cache = fi->noflush = 1;
    fuse_reply_open(req, fi);
}

static void floor_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                       struct fuse_file_info *fi)
{
    const struct node *node = &tree.nodes[ino - 1];

    (void)fi;
    if (offset >= node->st.st_size)
        size = 0;
    else if ((off_t)size > node->st.st_size - offset)
        size = (size_t)(node->st.st_size - offset);
    fuse_reply_buf(req, size == 0 ? NULL : node->data + offset, size);
}

static void floor_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    (void)fi;
    fuse_reply_err(req, 0);
}

static void floor_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
    (void)ino;
    (void)name;
    (void)size;
    fuse_reply_err(req, EOPNOTSUPP);
}

static const struct fuse_lowlevel_ops callbacks = {
    .init = floor_init,
    .lookup = floor_lookup,
    .forget = floor_forget,
    .getattr = floor_getattr,
    .opendir = floor_opendir,
    .readdirplus = floor_readdirplus,
    .releasedir = floor_release,
    .open = floor_open,
    .read = floor_read,
    .release = floor_release,
    .getxattr = floor_getxattr,
};

static void serve(const char *mountpoint)
{
    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
    struct fuse_loop_config *config = fuse_loop_cfg_create();
    struct fuse_session *session = NULL;

    if (config != NULL && fuse_opt_add_arg(&args, "bench_floor") == 0 &&
        fuse_opt_add_arg(&args, "-odefault_permissions,auto_unmount,fsname=floor") == 0)
        session = fuse_session_new(&args, &callbacks, sizeof(callbacks), NULL);
    if (session == NULL || fuse_set_signal_handlers(session) != 0 ||
        fuse_session_mount(session, mountpoint) != 0)
        fail(mountpoint);
    printf("{\"files\": %" PRIu64 ", \"bytes\": %" PRIu64 "}\n", tree.files, tree.bytes);
    fflush(stdout);
    fuse_loop_cfg_set_clone_fd(config, 0);
    fuse_loop_cfg_set_idle_threads(config, WORKERS);
    fuse_loop_cfg_set_max_threads(config, WORKERS);
    fuse_session_loop_mt(session, config);
    fuse_session_unmount(session);
    fuse_remove_signal_handlers(session);
    fuse_session_destroy(session);
    fuse_loop_cfg_destroy(config);
    fuse_opt_free_args(&args);
}

int main(int argc, char **argv)
{
    int first = 1;

    if (argc > 1 && strcmp(argv[1], "-n") == 0) {
        tree.no_open = true;
        first = 2;
    }
    if (argc - first != 2) {
        fprintf(stderr, "usage: bench_floor [-n] SOURCE MOUNTPOINT\n");
        return 2;
    }
    tree_read(argv[first]);
    serve(argv[first + 1]);
    return 0;
}
