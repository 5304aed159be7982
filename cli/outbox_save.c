/*
 * `outlookfs outbox DIR save ID FILE`. The daemon gets one end of a pair of sockets and writes the
 * bytes there; this process writes the file, so that a file system that hangs, this mount among
 * them, holds up nobody else. The file is new, or it is an error; when the bytes did not come
 * whole, it is removed again. "-" is standard output.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "cli/control.h"
#include "cli/outbox.h"
#include "cli/screen.h"

enum { PART = 65536, DISK_MS = 60000 };

/* All that comes, to `to`. False with the cause. */
static bool copy(int from, int to, char *why)
{
    struct buffer part;
    struct pollfd one = {.fd = from, .events = POLLIN};
    bool good = true;
    buffer_init(&part, PART);
    for (ssize_t n = 1; n > 0 && good;) {
        buffer_clear(&part);
        char *room = buffer_reserve(&part, PART);
        if (room == NULL || poll(&one, 1, DISK_MS) != 1)
            good = cli_cause(why, "the mount's process does not send the bytes");
        else if ((n = read(from, room, PART)) < 0)
            good = cli_cause(why, "%s", strerror(errno));
        else if (n > 0) {
            buffer_commit(&part, (size_t)n);
            good = screen_write(to, &part) || cli_cause(why, "cannot write: %s", strerror(errno));
        }
    }
    buffer_free(&part);
    return good;
}

/* Whether the daemon says that these were all. */
static enum cli_exit outcome(struct ask *ask, char *why)
{
    enum cli_exit code = CLI_OTHER;
    struct buffer answer;
    buffer_init(&answer, CONTROL_ANSWER_MAX);
    cli_cause(why, "the mount's process does not answer");
    cJSON *object = NULL;
    if (control_receive(ask->fd, &answer, DISK_MS, why) == CONTROL_ANSWER)
        object = ask_parse(answer.data, why, &code);
    cJSON_Delete(object);
    buffer_free(&answer);
    return code;
}

static enum cli_exit transfer(struct ask *ask, int64_t id, int to, char *why)
{
    char request[64];
    int ends[2];
    snprintf(request, sizeof request, "{\"cmd\":\"save\",\"id\":%" PRId64 "}\n", id);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        cli_cause(why, "%s", strerror(errno));
        return CLI_OTHER;
    }
    bool good = control_send(ask->fd, request, ends[1], why);
    close(ends[1]); /* the end comes when the daemon closes its own */
    good = good && copy(ends[0], to, why);
    close(ends[0]);
    return good ? outcome(ask, why) : CLI_OTHER;
}

/* Bytes that are to be dropped next must be on the disk. */
static bool finish(int fd, char *why)
{
    bool good = fsync(fd) == 0 || errno == EINVAL || errno == EROFS;
    good = close(fd) == 0 && good;
    return good || cli_cause(why, "cannot write: %s", strerror(errno));
}

enum cli_exit outbox_save(struct ask *ask, int64_t id, const char *file)
{
    char why[CLI_TEXT_MAX];
    bool to_stdout = strcmp(file, "-") == 0;
    int fd = to_stdout ? STDOUT_FILENO : open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        cli_report("%s: %s%s", file, strerror(errno),
                   errno == EEXIST ? ", and is left as it is; name another file" : "");
        return CLI_OTHER;
    }
    enum cli_exit result = transfer(ask, id, fd, why);
    if (!to_stdout && !finish(fd, why) && result == CLI_DONE)
        result = CLI_OTHER;
    if (result == CLI_DONE)
        return result;
    if (!to_stdout)
        unlink(file);
    cli_report("%s: %" PRId64 " was not saved: %s", ask->dir, id, why);
    return result;
}
