/*
 * One request line (control.h). It comes from the same user, but may still be garbage: cJSON bounds
 * its nesting, the server bounds its length.
 */
#include <stdio.h>

#include <cjson/cJSON.h>

#include "cli/control.h"

/* A number of a row: cJSON has doubles, which are exact up to 2^53. */
static const double id_max = 9007199254740992.0;

static void copy(char *to, size_t size, const cJSON *from)
{
    if (cJSON_IsString(from))
        snprintf(to, size, "%s", from->valuestring);
}

const char *control_request_parse(const char *line, size_t len, struct control_request *request)
{
    *request = (struct control_request){.fd = -1};
    cJSON *object = cJSON_ParseWithLength(line, len);
    bool good = cJSON_IsObject(object);
    copy(request->cmd, sizeof request->cmd, cJSON_GetObjectItemCaseSensitive(object, "cmd"));
    copy(request->format, sizeof request->format,
         cJSON_GetObjectItemCaseSensitive(object, "format"));
    copy(request->query, sizeof request->query, cJSON_GetObjectItemCaseSensitive(object, "query"));
    copy(request->path, sizeof request->path, cJSON_GetObjectItemCaseSensitive(object, "path"));
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(object, "id");
    if (cJSON_IsNumber(id) && id->valuedouble >= 1 && id->valuedouble <= id_max)
        request->id = (int64_t)id->valuedouble;
    cJSON_Delete(object);
    return good ? NULL : "not a JSON object";
}
