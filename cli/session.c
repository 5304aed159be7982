/*
 * See session.h. Order: log, GMime, progress (where stderr is a terminal), sync (connections and
 * cache), FUSE, control socket, the word to the waiting parent, then the loop; taken down in
 * reverse, except that the control socket stays until the end and answers "going away", and that
 * progress, which looks at sync, goes first. The working directory is / from the start, so that a
 * relative path in a command fails at once rather than at the first renewal of a token.
 *
 * Until the mount stands, stderr belongs to the one line that says why it does not: the log is
 * quiet there, and what libfuse or fusermount3 write is caught and becomes part of that line.
 *
 * systemd, where it started this process (Type=notify), is told of the same steps: sd_notify does
 * nothing without NOTIFY_SOCKET.
 */
#include "cli/session.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "auth/secret.h"
#include "base/log.h"
#include "cli/control.h"
#include "cli/exit_code.h"
#include "cli/paths.h"
#include "cli/progress.h"
#include "cli/requests.h"
#include "fs/fs.h"
#include "message/summary.h"
#include "sync/sync.h"

static enum log_level wanted_level(const struct session *session)
{
    return session->options.debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;
}

static enum cli_exit open_log(const struct session *session)
{
    const char *path = session->options.log;
    if (path == NULL && !session->foreground)
        path = "/dev/null";
    if (log_open(path) != 0) {
        cli_report("log=%s: %s", path, strerror(errno));
        return CLI_USAGE;
    }
    bool quiet = path == NULL && !session->options.debug;
    log_set_level(quiet ? LOG_LEVEL_ERROR : wanted_level(session));
    return CLI_DONE;
}

static enum cli_exit start_sync(const struct session *session, const char *state_dir,
                                struct progress *progress, struct sync **sync)
{
    const struct mount_options *o = &session->options;
    const struct secret_choice *secret = &session->secret;
    const struct sync_settings settings = {
        .account = session->account,
        .host = o->host,
        .port = (uint16_t)o->port,
        .tls = (enum sync_tls)o->tls,
        .cafile = o->cafile,
        .compress = o->compress == 0,
        .auth = (enum sync_auth)o->auth,
        .username = o->username,
        .secret_argv = secret->command != NULL ? secret->command->argv : NULL,
        .secret_shell = secret->command != NULL ? secret->command->shell : NULL,
        .secret_text = secret->password.len > 0 ? secret->password.data : NULL,
        .login_dir = secret->login_dir,
        .cache_dir = o->cache_dir,
        .cache_size = o->cache_size,
        .connections = o->connections,
        .poll_ms = (int64_t)o->poll * 1000,
        .timeout_ms = (int)o->timeout * 1000,
        .subscribed = o->subscribed,
        .uid_names = o->names == 1,
        .read_only = o->read_only,
        .state_dir = state_dir,
        .commit = (enum sync_commit)o->commit,
        .expunge = o->delete_mode == 1,
        .trash = o->trash,
        .mark_seen = o->mark_seen,
        .prefetch = o->prefetch,
        .opened = progress != NULL ? progress_opened : NULL,
        .opened_ctx = progress,
    };
    char text[SYNC_TEXT_MAX] = "";
    enum sync_error error = sync_start(sync, &settings, text);
    if (error != SYNC_OK)
        cli_report("%s", text[0] != '\0' ? text : "the account cannot be opened; try -f -o debug");
    else if (text[0] != '\0')
        cli_warn("%s", text);
    return exit_code_of(error);
}

/* Sends stderr to memory; returns a copy of the old one, or -1. */
static int catch_stderr(int *memory)
{
    *memory = memfd_create("stderr", MFD_CLOEXEC);
    int saved = *memory >= 0 ? fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3) : -1;
    if (saved >= 0)
        dup2(*memory, STDERR_FILENO);
    return saved;
}

/* Puts stderr back; `text` (SYNC_TEXT_MAX) gets the last line that was caught. */
static void release_stderr(int saved, int memory, char *text)
{
    if (saved >= 0) {
        dup2(saved, STDERR_FILENO);
        close(saved);
    }
    text[0] = '\0';
    ssize_t n = memory >= 0 ? pread(memory, text, SYNC_TEXT_MAX - 1, 0) : 0;
    text[n > 0 ? n : 0] = '\0';
    for (size_t len = strlen(text); len > 0 && text[len - 1] == '\n'; len--)
        text[len - 1] = '\0';
    const char *last = strrchr(text, '\n');
    if (last != NULL)
        memmove(text, last + 1, strlen(last + 1) + 1);
    if (memory >= 0)
        close(memory);
}

static enum cli_exit start_fs(const struct session *session, const char *state_dir,
                              struct sync *sync, struct fs **fs)
{
    const struct mount_options *o = &session->options;
    const struct fs_settings settings = {
        .mountpoint = session->mountpoint,
        .account = o->fsname != NULL ? o->fsname : session->account,
        .fuse_options = o->fuse.len > 0 ? o->fuse.data : NULL,
        .read_only = o->read_only,
        .mark_seen = o->mark_seen,
        .state_dir = state_dir,
        .spool_dir = o->cache_dir,
        .whole = o->read_only && o->prefetch.what == SYNC_PREFETCH_ALL,
        .raiser = "/proc/self/exe",
        .debug = false, /* libfuse's own trace names files, each several times */
    };
    char text[SYNC_TEXT_MAX] = "", caught[SYNC_TEXT_MAX];
    int memory;
    int saved = catch_stderr(&memory);
    *fs = fs_mount(&settings, sync, text);
    release_stderr(saved, memory, caught);
    if (*fs != NULL)
        return CLI_DONE;
    if (caught[0] != '\0' && strstr(text, caught) == NULL)
        cli_report("%s%s%s", text, text[0] != '\0' ? ": " : "", caught);
    else
        cli_report("%s", text[0] != '\0' ? text : "cannot mount; is the package fuse3 installed?");
    return CLI_OTHER;
}

/* What an earlier mount left: what goes on by itself now, and what waits for the user's word. */
static void tell_outbox(const struct session *session, struct sync *sync)
{
    struct pending pending;
    if (!requests_pending(sync, &pending))
        return;
    uint64_t count = pending.under_way + pending.refused + pending.unfinished + pending.held;
    if (count > 0)
        cli_report("%llu change%s in the outbox; outlookfs outbox %s", (unsigned long long)count,
                   count == 1 ? " waits" : "s wait", session->dir);
}

/* Mounted: everything from the control socket to the end of the loop. */
static enum cli_exit serve(const struct session *session, struct sync *sync, struct fs *fs,
                           struct requests *requests, struct control_server **control,
                           struct progress **progress, struct daemon *daemon)
{
    char why[CLI_TEXT_MAX];
    const struct control_source source = {.ctx = requests, .take = requests_take};
    *control = control_server_start(session->account, session->mountpoint, &source, why);
    if (*control == NULL) {
        cli_report("%s", why);
        return CLI_OTHER;
    }
    tell_outbox(session, sync);
    log_set_level(wanted_level(session));
    log_info("%s is mounted at %s", session->account, session->mountpoint);
    if (daemon != NULL) {
        progress_stop(progress); /* the terminal is the shell's again */
        daemon_ready(daemon);
    }
    sd_notifyf(0, "READY=1\nSTATUS=%s is mounted", session->account);
    int error = fs_serve(fs);
    sd_notify(0, "STOPPING=1\nSTATUS=Unmounting");
    if (error == 0)
        return CLI_DONE;
    log_error("serving ended: %s", strerror(error));
    return CLI_OTHER;
}

/* Makes cache and state directory; returns the latter, or NULL, which is reported. */
static char *make_dirs(const struct session *session)
{
    if (chdir("/") != 0 || paths_make_dir(session->options.cache_dir) != 0) {
        cli_report("cache_dir=%s: %s", session->options.cache_dir, strerror(errno));
        return NULL;
    }
    char *state_dir = paths_state_dir(session->account);
    if (state_dir == NULL || paths_make_dir(state_dir) != 0) {
        cli_report("%s: %s", state_dir != NULL ? state_dir : "the state", strerror(errno));
        free(state_dir);
        return NULL;
    }
    return state_dir;
}

enum cli_exit session_run(const struct session *session, struct daemon *daemon)
{
    struct sync *sync = NULL;
    struct fs *fs = NULL;
    struct control_server *control = NULL;
    struct requests requests;
    bool serving = false;
    enum cli_exit result = open_log(session);
    if (result != CLI_DONE)
        return result;
    char *state_dir = make_dirs(session);
    if (state_dir == NULL)
        return CLI_OTHER;
    signal(SIGPIPE, SIG_IGN);
    auth_process_protect();
    message_init();
    sd_notify(0, "STATUS=Signing in");
    struct progress *progress = progress_start(session->options.host);
    result = start_sync(session, state_dir, progress, &sync);
    if (result == CLI_DONE)
        result = start_fs(session, state_dir, sync, &fs);
    serving = result == CLI_DONE;
    if (serving)
        requests_init(&requests, sync, session->mountpoint,
                      session->options.commit == SYNC_COMMIT_JOURNAL);
    if (serving)
        result = serve(session, sync, fs, &requests, &control, &progress, daemon);
    progress_stop(&progress);
    control_server_detach(control);
    if (fs != NULL)
        fs_unmount(&fs);
    if (sync != NULL)
        sync_stop(&sync);
    control_server_stop(&control);
    if (serving)
        requests_destroy(&requests);
    free(state_dir);
    return result;
}
