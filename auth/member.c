/* See member.h. */
#include "auth/member.h"

const char *auth_member_text(const cJSON *object, const char *name, size_t max)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    if (!cJSON_IsString(item) || item->valuestring[0] == '\0')
        return NULL;
    size_t len = 0;
    for (const char *at = item->valuestring; *at != '\0'; at++, len++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7F || len >= max)
            return NULL;
    }
    return item->valuestring;
}
