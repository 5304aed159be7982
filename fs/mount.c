/*
 * From settings to a mounted session, and back. The options that make the mount safe come after the
 * user's, so that they win: libfuse applies options in order. auto_unmount has libfuse mount
 * through fusermount3, which stays and unmounts when this process dies, however that happens.
 *
 * The life of a mount: fs_mount (the caller's thread: session, mount, helpers' threads), fs_serve
 * (serve.c), fs_unmount.
 */
#include "fs/internal.h"
#include "fs/searches.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

/* libfuse's last complaint, for the line that the user sees. Written while mounting, by one thread.
 */
static _Thread_local char complaint[200];

__attribute__((format(printf, 2, 0))) static void fuse_log_to_log(enum fuse_log_level level,
                                                                  const char *format, va_list args)
{
    char line[400];
    size_t len;

    vsnprintf(line, sizeof(line), format, args);
    len = strlen(line);
    while (len > 0 && line[len - 1] == '\n')
        line[--len] = '\0';
    if (len == 0)
        return;
    if (level <= FUSE_LOG_ERR) {
        snprintf(complaint, sizeof(complaint), "%.199s", line);
        log_warn("libfuse: %s", line);
    } else {
        log_debug("libfuse: %s", line);
    }
}

/* The value of libfuse's -o. Caller frees. */
static char *option_string(const struct fs_settings *settings)
{
    static const char *const always[] = {
        "nosuid", "nodev", "noexec", "auto_unmount", "default_permissions", "subtype=outlookfs"};
    char *options = NULL, *source = NULL;
    bool ok = true;

    if (settings->fuse_options != NULL && *settings->fuse_options != '\0')
        ok = fuse_opt_add_opt(&options, settings->fuse_options) == 0;
    for (size_t i = 0; i < sizeof(always) / sizeof(always[0]) && ok; i++)
        ok = fuse_opt_add_opt(&options, always[i]) == 0;
    if (ok && settings->read_only)
        ok = fuse_opt_add_opt(&options, "ro") == 0;
    ok = ok && asprintf(&source, "fsname=%s", settings->account) > 0 &&
         fuse_opt_add_opt_escaped(&options, source) == 0;
    if (ok && settings->debug)
        ok = fuse_opt_add_opt(&options, "debug") == 0;
    free(source);
    if (!ok) {
        free(options);
        return NULL;
    }
    return options;
}

static bool session_new(struct fs *fs, const struct fs_settings *settings)
{
    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
    char *options = option_string(settings);

    complaint[0] = '\0';
    fuse_set_log_func(fuse_log_to_log);
    if (options != NULL && fuse_opt_add_arg(&args, "outlookfs") == 0 &&
        fuse_opt_add_arg(&args, "-o") == 0 && fuse_opt_add_arg(&args, options) == 0)
        fs->session = fuse_session_new(&args, operations_get(fs->read_only),
                                       sizeof(struct fuse_lowlevel_ops), fs);
    fuse_opt_free_args(&args);
    free(options);
    return fs->session != NULL;
}

/* Each large file that is being written has a descriptor. */
static void raise_descriptors(void)
{
    const rlim_t enough = 65536;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= enough)
        return;
    limit.rlim_cur = limit.rlim_max < enough ? limit.rlim_max : enough;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        log_debug("the limit of open files stays: %s", strerror(errno));
}

static struct fs *fs_new(const struct fs_settings *settings, struct sync *sync)
{
    struct fs *fs = calloc(1, sizeof(*fs));
    struct wait_ops ops;

    if (fs == NULL)
        return NULL;
    fs->sync = sync;
    fs->cache = sync_cache(sync);
    fs->uid = getuid();
    fs->gid = getgid();
    operations_wait_ops(fs, &ops);
    waits_init(&fs->waits, &ops);
    pthread_mutex_init(&fs->handles_lock, NULL);
    sem_init(&fs->leave, 0, 0);
    fs->read_only = settings->read_only;
    fs->mark_seen = settings->mark_seen && !settings->read_only;
    fs->told = told_new();
    fs->rooms_told = told_new();
    fs->errands = errands_new();
    fs->searches = searches_new(fs);
    if (!fs->read_only) {
        fs->staging = staging_new();
        fs->moved = moved_new();
        raise_descriptors();
    }
    if (!fs->read_only && settings->raiser != NULL) {
        fs->gate = gate_new();
        fs->raise = raise_new(fs, settings->raiser);
    }
    fs->mountpoint = strdup(settings->mountpoint);
    if (settings->spool_dir != NULL)
        fs->spool_dir = strdup(settings->spool_dir);
    if (settings->state_dir != NULL)
        fs->state_dir = strdup(settings->state_dir);
    if (fs->told == NULL || fs->rooms_told == NULL || fs->mountpoint == NULL ||
        fs->errands == NULL || fs->searches == NULL || (fs->gate != NULL && fs->raise == NULL) ||
        (!fs->read_only && (fs->staging == NULL || fs->moved == NULL)))
        fs_unmount(&fs);
    return fs;
}

static bool mountpoint_good(const char *path, char *text)
{
    struct stat st;

    stale_clear(path);
    if (stat(path, &st) != 0) {
        snprintf(text, SYNC_TEXT_MAX, "cannot mount on %.200s: %s%s", path, strerror(errno),
                 errno == ENOENT ? "; make it with mkdir" : "");
        return false;
    }
    if (!S_ISDIR(st.st_mode)) {
        snprintf(text, SYNC_TEXT_MAX, "cannot mount on %.200s: it is not a directory", path);
        return false;
    }
    return true;
}

static bool start_events(struct fs *fs)
{
    const struct event_ops ops = {.ctx = fs, .raise = raise_event};

    fs->events = events_start(&ops);
    return fs->events != NULL;
}

static bool start_helpers(struct fs *fs, const struct fs_settings *settings)
{
    struct notify_ops ops;

    if (!dirops_enable(fs))
        return false;
    operations_notify_ops(fs, &ops);
    fs->notifier = notifier_start(&ops);
    if (fs->notifier == NULL)
        return false;
    if (fs->raise != NULL && !start_events(fs))
        return false;
    fs->bridge = bridge_new(fs);
    if (fs->bridge == NULL)
        return false;
    if (settings->whole && settings->read_only)
        fs->whole = whole_start(fs);
    return fs->whole != NULL || !settings->whole || !settings->read_only;
}

struct fs *fs_mount(const struct fs_settings *settings, struct sync *sync, char *text)
{
    struct fs *fs;

    text[0] = '\0';
    if (!mountpoint_good(settings->mountpoint, text))
        return NULL;
    fs = fs_new(settings, sync);
    if (fs == NULL) {
        snprintf(text, SYNC_TEXT_MAX, "cannot mount: no memory");
        return NULL;
    }
    if (!session_new(fs, settings)) {
        snprintf(text, SYNC_TEXT_MAX, "cannot mount on %.200s: %s; see outlookfs mount --help",
                 settings->mountpoint, *complaint ? complaint : "bad mount options");
    } else if (fuse_session_mount(fs->session, settings->mountpoint) != 0) {
        snprintf(text, SYNC_TEXT_MAX, "cannot mount on %.200s: %s", settings->mountpoint,
                 *complaint ? complaint : "refused; are fuse3 installed and /dev/fuse accessible?");
    } else {
        fs->mounted = true;
        if (start_helpers(fs, settings))
            return fs;
        snprintf(text, SYNC_TEXT_MAX, "cannot mount on %.200s: no memory or threads",
                 settings->mountpoint);
    }
    fs_unmount(&fs);
    return NULL;
}

void fs_unmount(struct fs **fsp)
{
    struct fs *fs = *fsp;

    if (fs == NULL)
        return;
    serve_settle(fs);
    if (fs->mounted)
        fuse_session_unmount(fs->session);
    whole_stop(&fs->whole);
    while (fs->handles != NULL)
        handle_free(fs, fs->handles);
    if (fs->errands != NULL)
        errands_settle(fs, 0);
    if (fs->session != NULL)
        fuse_session_destroy(fs->session);
    notifier_stop(&fs->notifier);
    events_stop(&fs->events);
    raise_free(&fs->raise);
    gate_free(&fs->gate);
    staging_free(fs);
    moved_free(&fs->moved);
    errands_free(&fs->errands);
    searches_free(&fs->searches);
    told_free(&fs->told);
    told_free(&fs->rooms_told);
    waits_destroy(&fs->waits);
    pthread_mutex_destroy(&fs->handles_lock);
    sem_destroy(&fs->leave);
    free(fs->spool_dir);
    free(fs->state_dir);
    free(fs->mountpoint);
    free(fs);
    *fsp = NULL;
}
