/*
 * What the control server says to one line (control.h). A line comes from the same user, but may
 * still be garbage: cJSON bounds its nesting, the server bounds its length, and whatever is not a
 * known request gets {"error":...}.
 */
#include "cli/control.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

static bool append_json(struct buffer *out, cJSON *object)
{
    char *text = object != NULL ? cJSON_PrintUnformatted(object) : NULL;
    cJSON_Delete(object);
    bool good = text != NULL && buffer_append_text(out, text) && buffer_append_byte(out, '\n');
    cJSON_free(text);
    return good;
}

static bool answer_error(struct buffer *out, const char *error)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "error", error);
    return append_json(out, object);
}

static bool answer_status(struct buffer *out, const char *mountpoint, bool as_text,
                          const struct control_source *source)
{
    struct buffer state;
    buffer_init(&state, CONTROL_ANSWER_MAX / 4);
    bool filled = (as_text ? source->text : source->json)(source->ctx, &state) && state.len > 0;
    cJSON *object = NULL;
    if (filled && as_text) {
        object = cJSON_CreateObject();
        cJSON_AddStringToObject(object, "text", state.data);
    } else if (filled) {
        object = cJSON_ParseWithLength(state.data, state.len);
    }
    buffer_free(&state);
    if (!cJSON_IsObject(object)) {
        cJSON_Delete(object);
        return answer_error(out, "the state cannot be told");
    }
    cJSON_DeleteItemFromObjectCaseSensitive(object, "mountpoint");
    cJSON_DeleteItemFromObjectCaseSensitive(object, "pid");
    cJSON_AddStringToObject(object, "mountpoint", mountpoint);
    cJSON_AddNumberToObject(object, "pid", getpid());
    return append_json(out, object);
}

bool control_answer(const char *line, size_t len, const char *mountpoint,
                    const struct control_source *source, struct buffer *out)
{
    cJSON *request = cJSON_ParseWithLength(line, len);
    const cJSON *cmd = cJSON_GetObjectItemCaseSensitive(request, "cmd");
    const cJSON *format = cJSON_GetObjectItemCaseSensitive(request, "format");
    bool known = cJSON_IsString(cmd) && strcmp(cmd->valuestring, "status") == 0;
    bool as_text = cJSON_IsString(format) && strcmp(format->valuestring, "text") == 0;
    bool is_json = cJSON_IsObject(request);
    cJSON_Delete(request);
    if (!is_json)
        return answer_error(out, "not a JSON object");
    if (!known)
        return answer_error(out, "unknown command");
    if (source == NULL)
        return answer_error(out, "the mount is going away");
    return answer_status(out, mountpoint, as_text, source);
}
