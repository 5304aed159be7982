/* See ask.h. */
#include "cli/ask.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "base/buffer.h"
#include "cli/control.h"
#include "cli/mounts.h"

enum { DISK_MS = 60000 }; /* a journal that syncs to a slow disk */

enum cli_exit ask_absent(const char *dir, const char *path)
{
    struct mounts_entry entry;
    if (mounts_find(path, &entry) == 0 && entry.ours)
        cli_report("%s: no process of this user answers for the mount; if it ended, clear it with "
                   "outlookfs umount %s",
                   dir, dir);
    else
        cli_report("%s is not an outlookfs mount; outlookfs status lists them", dir);
    return CLI_OTHER;
}

enum cli_exit ask_open(struct ask *ask, const char *dir)
{
    ask->dir = dir;
    ask->fd = -1;
    if (mounts_resolve(dir, ask->path) != 0) {
        cli_report("%s: %s", dir, strerror(errno));
        return CLI_OTHER;
    }
    ask->fd = control_connect(ask->path, NULL);
    return ask->fd >= 0 ? CLI_DONE : ask_absent(dir, ask->path);
}

void ask_close(struct ask *ask)
{
    if (ask->fd >= 0)
        close(ask->fd);
    ask->fd = -1;
}

const char *ask_text(const cJSON *object, const char *name)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsString(member) ? member->valuestring : "";
}

double ask_number(const cJSON *object, const char *name)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsNumber(member) ? member->valuedouble : 0;
}

cJSON *ask_parse(const char *answer, char *why, enum cli_exit *code)
{
    cJSON *object = cJSON_Parse(answer);
    const char *error = ask_text(object, "error");
    double number = ask_number(object, "code");
    *code = CLI_DONE;
    if (cJSON_IsObject(object) && error[0] == '\0')
        return object;
    if (error[0] != '\0')
        cli_cause(why, "%.600s", error);
    else
        cli_cause(why, "the mount's process answers with something else");
    *code = number >= CLI_OTHER && number <= CLI_REFUSED ? (enum cli_exit)number : CLI_OTHER;
    cJSON_Delete(object);
    return NULL;
}

cJSON *ask_object(struct ask *ask, const char *request, enum cli_exit *code)
{
    char why[CLI_TEXT_MAX] = "the mount's process does not answer";
    struct buffer answer;
    cJSON *object = NULL;
    buffer_init(&answer, CONTROL_ANSWER_MAX);
    *code = CLI_OTHER;
    if (control_send(ask->fd, request, -1, why) &&
        control_receive(ask->fd, &answer, DISK_MS, why) == CONTROL_ANSWER)
        object = ask_parse(answer.data, why, code);
    if (object == NULL)
        cli_report("%s: %s", ask->dir, why);
    buffer_free(&answer);
    return object;
}
