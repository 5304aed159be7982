/*
 * `outlookfs mount`: arguments, configuration and the mountpoint are checked first, in the process
 * that the user started; then comes the fork (daemon.h), and the child runs the session
 * (session.h). The parent has the last word: it asks the mount itself whether it answers.
 */
#include "cli/command.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/config.h"
#include "cli/control.h"
#include "cli/daemon.h"
#include "cli/mounts.h"
#include "cli/paths.h"
#include "cli/session.h"

enum { ANSWER_MS = 10000 };

/* -o and -f, in any place among the others, and the two names. */
static enum cli_exit parse(struct session *session, int argc, char **argv, struct buffer *texts)
{
    opterr = 0;
    optind = 0;
    for (int c; (c = getopt(argc, argv, ":fo:")) != -1;) {
        if (c == 'f')
            session->foreground = true;
        else if (c == ':')
            return command_usage("mount", "-o needs options");
        else if (c == '?')
            return command_unknown_option("mount", argv);
        else if ((texts->len > 0 && !buffer_append_byte(texts, ',')) ||
                 !buffer_append_text(texts, optarg))
            return command_usage("mount", "the -o options are too long");
    }
    if (argc - optind != 2)
        return command_usage("mount", "mount takes an account and a directory");
    session->account = argv[optind];
    session->dir = argv[optind + 1];
    if (!paths_account_valid(session->account))
        return command_usage("mount", "%.200s cannot be an account's name", session->account);
    return CLI_DONE;
}

/* The configuration first, then -o, then defaults. */
static enum cli_exit configure(struct session *session, const char *texts)
{
    char why[CLI_TEXT_MAX];
    char *file = paths_config_file();
    bool good = file == NULL || config_apply(file, session->account, &session->options, why);
    free(file);
    good = good && options_set_string(&session->options, texts, why) &&
           options_finish(&session->options, session->account, why);
    if (good) {
        return CLI_DONE;
    }
    cli_report("%s", why);
    return CLI_USAGE;
}

static enum cli_exit mountpoint_failed(const char *dir, const char *cause)
{
    cli_report("%s: %s", dir, cause);
    return CLI_OTHER;
}

/* A dead daemon's mount is also taken down by auto_unmount, any moment now. */
static bool gone_meanwhile(const struct session *session)
{
    struct mounts_entry entry;
    return mounts_find(session->mountpoint, &entry) == 0 && !entry.mounted;
}

/* Something is mounted there already: a dead mount of ours is cleared, anything else stays. */
static enum cli_exit clear_stale(const struct session *session, const struct mounts_entry *entry)
{
    int control = entry->ours ? control_connect(session->mountpoint, NULL) : -1;
    if (control >= 0) {
        close(control);
        cli_report("%s: %s is mounted there already; outlookfs umount %s", session->dir,
                   entry->source, session->dir);
        return CLI_OTHER;
    }
    int error = entry->ours ? mounts_probe(session->mountpoint, ANSWER_MS / 5) : 0;
    bool dead = error == ENOTCONN || error == ECONNABORTED; /* the second while it is dying */
    if (!dead && gone_meanwhile(session))
        return CLI_DONE;
    if (!dead)
        return mountpoint_failed(session->dir, "something is mounted there already; use another "
                                               "directory");
    char text[256];
    error = mounts_unmount(session->mountpoint, true, text, sizeof text);
    if (error != 0 && !gone_meanwhile(session))
        return mountpoint_failed(session->dir, "a dead mount is there and cannot be cleared; use "
                                               "fusermount3 -uz on it");
    return CLI_DONE;
}

static enum cli_exit check_mountpoint(struct session *session)
{
    struct mounts_entry entry;
    struct stat st;
    if (strncmp(session->dir, "/dev/fd/", 8) == 0) /* mount.fuse3 has mounted it already */
        return mountpoint_failed(session->dir, "drop_privileges of mount.fuse3 does not work here; "
                                               "use setuid=USER in its place");
    if (mounts_resolve(session->dir, session->mountpoint) != 0)
        return errno == ENOENT
                   ? mountpoint_failed(session->dir, "no such directory; mkdir it first")
                   : mountpoint_failed(session->dir, strerror(errno));
    if (mounts_find(session->mountpoint, &entry) != 0)
        return mountpoint_failed(session->dir, "/proc/self/mountinfo cannot be read");
    if (entry.mounted) {
        enum cli_exit cleared = clear_stale(session, &entry);
        if (cleared != CLI_DONE)
            return cleared;
    }
    if (stat(session->mountpoint, &st) != 0)
        return mountpoint_failed(session->dir, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return mountpoint_failed(session->dir, "not a directory; use one to mount on");
    return CLI_DONE;
}

/* The child says that it is mounted; whether it also answers, only the mount can say. One that does
 * not is taken away again. */
static enum cli_exit check_answer(const struct session *session, pid_t child)
{
    char text[256];
    struct mounts_entry entry;
    int error = mounts_probe(session->mountpoint, ANSWER_MS);
    if (error == 0 && mounts_find(session->mountpoint, &entry) == 0 && entry.ours)
        return CLI_DONE;
    cli_report("%s was mounted but does not answer (%s); try -f -o debug", session->dir,
               error != 0 ? strerror(error) : "it was unmounted");
    kill(child, SIGTERM);
    if (mounts_unmount(session->mountpoint, true, text, sizeof text) != 0)
        kill(child, SIGKILL);
    return CLI_OTHER;
}

static enum cli_exit start(struct session *session)
{
    if (session->foreground)
        return session_run(session, NULL);
    struct daemon daemon = daemon_fork();
    if (daemon.child < 0) {
        cli_report("cannot start a process: %s", strerror(errno));
        return CLI_OTHER;
    }
    if (daemon.child == 0)
        return session_run(session, &daemon);
    enum cli_exit result = daemon_wait(&daemon);
    return result == CLI_DONE ? check_answer(session, daemon.child) : result;
}

enum cli_exit command_mount(int argc, char **argv)
{
    struct session session = {0};
    struct buffer texts;
    buffer_init(&texts, 65536);
    options_init(&session.options);
    enum cli_exit result = parse(&session, argc, argv, &texts);
    if (result == CLI_DONE)
        result = configure(&session, texts.data != NULL ? texts.data : "");
    if (result == CLI_DONE)
        result = check_mountpoint(&session);
    if (result == CLI_DONE)
        result = secret_choose(&session.secret, &session.options, session.account);
    if (result == CLI_DONE)
        result = start(&session);
    buffer_wipe(&texts);
    secret_choice_free(&session.secret);
    options_free(&session.options);
    return result;
}
