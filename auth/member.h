/* Members of JSON from outside, taken with care. Pure. Internal to auth/. */
#ifndef OUTLOOKFS_AUTH_MEMBER_H
#define OUTLOOKFS_AUTH_MEMBER_H

#include <cjson/cJSON.h>
#include <stddef.h>

/* The member `name` of `object` when it is a string of 1 to `max` bytes without control characters;
 * else NULL. Belongs to the object. */
const char *auth_member_text(const cJSON *object, const char *name, size_t max);

#endif
