/*
 * See session.h. Order: log, GMime, sync (connections and cache), FUSE, control socket, the word
 * to the waiting parent, then the loop; taken down in reverse, except that the control socket stays
 * until the end and answers "going away". The working directory is / from the start, so that a
 * relative path in a command fails at once rather than at the first renewal of a token.
 *
 * Until the mount stands, stderr belongs to the one line that says why it does not: the log is
 * quiet there, and what libfuse or fusermount3 write is caught and becomes part of that line.
 */
#include "cli/session.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/control.h"
#include "cli/paths.h"
#include "fs/fs.h"
#include "message/summary.h"
#include "sync/sync.h"

static const struct {
    enum sync_error error;
    enum cli_exit code;
} codes[] = {
    {SYNC_ERR_UNREACHABLE, CLI_UNREACHABLE},
    {SYNC_ERR_THROTTLED,   CLI_REFUSED    },
    {SYNC_ERR_AUTH,        CLI_SIGN_IN    },
    {SYNC_ERR_REFUSED,     CLI_REFUSED    },
    {SYNC_ERR_CONFIG,      CLI_USAGE      },
};

static enum cli_exit code_of(enum sync_error error)
{
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (codes[i].error == error)
            return codes[i].code;
    return CLI_OTHER;
}

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

static enum cli_exit start_sync(const struct session *session, struct sync **sync)
{
    const struct mount_options *o = &session->options;
    const struct secret_command *secret =
        o->auth == SYNC_AUTH_PASSWORD ? &o->password_command : &o->token_command;
    const struct sync_settings settings = {
        .account = session->account,
        .host = o->host,
        .port = (uint16_t)o->port,
        .tls = (enum sync_tls)o->tls,
        .cafile = o->cafile,
        .auth = (enum sync_auth)o->auth,
        .username = o->username,
        .secret_argv = secret->argv,
        .secret_shell = secret->shell,
        .cache_dir = o->cache_dir,
        .cache_size = o->cache_size,
        .connections = o->connections,
        .timeout_ms = (int)o->timeout * 1000,
        .subscribed = o->subscribed,
        .uid_names = o->names == 1,
    };
    char text[SYNC_TEXT_MAX] = "";
    enum sync_error error = sync_start(sync, &settings, text);
    if (error != SYNC_OK)
        cli_report("%s", text[0] != '\0' ? text : "the account cannot be opened; try -f -o debug");
    else if (text[0] != '\0')
        cli_warn("%s", text);
    return error != SYNC_OK ? code_of(error) : CLI_DONE;
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

static enum cli_exit start_fs(const struct session *session, struct sync *sync, struct fs **fs)
{
    const struct mount_options *o = &session->options;
    const struct fs_settings settings = {
        .mountpoint = session->mountpoint,
        .account = o->fsname != NULL ? o->fsname : session->account,
        .fuse_options = o->fuse.len > 0 ? o->fuse.data : NULL,
        .spool_dir = o->cache_dir,
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

static bool status_json(void *ctx, struct buffer *out)
{
    return sync_status_json(ctx, out);
}

static bool status_text(void *ctx, struct buffer *out)
{
    return sync_status_text(ctx, out);
}

/* Mounted: everything from the control socket to the end of the loop. */
static enum cli_exit serve(const struct session *session, struct sync *sync, struct fs *fs,
                           struct control_server **control, struct daemon *daemon)
{
    char why[CLI_TEXT_MAX];
    const struct control_source source = {.ctx = sync, .json = status_json, .text = status_text};
    *control = control_server_start(session->account, session->mountpoint, &source, why);
    if (*control == NULL) {
        cli_report("%s", why);
        return CLI_OTHER;
    }
    log_set_level(wanted_level(session));
    log_info("%s is mounted at %s", session->account, session->mountpoint);
    if (daemon != NULL)
        daemon_ready(daemon);
    int error = fs_serve(fs);
    if (error == 0)
        return CLI_DONE;
    log_error("serving ended: %s", strerror(error));
    return CLI_OTHER;
}

enum cli_exit session_run(const struct session *session, struct daemon *daemon)
{
    struct sync *sync = NULL;
    struct fs *fs = NULL;
    struct control_server *control = NULL;
    enum cli_exit result = open_log(session);
    if (result != CLI_DONE)
        return result;
    if (chdir("/") != 0 || paths_make_dir(session->options.cache_dir) != 0) {
        cli_report("cache_dir=%s: %s", session->options.cache_dir, strerror(errno));
        return CLI_OTHER;
    }
    signal(SIGPIPE, SIG_IGN);
    message_init();
    result = start_sync(session, &sync);
    if (result == CLI_DONE)
        result = start_fs(session, sync, &fs);
    if (result == CLI_DONE)
        result = serve(session, sync, fs, &control, daemon);
    control_server_detach(control);
    if (fs != NULL)
        fs_unmount(&fs);
    if (sync != NULL)
        sync_stop(&sync);
    control_server_stop(&control);
    return result;
}
