/*
 * What cJSON lacks for JSON that holds secrets. It copies strings as it parses and prints, into
 * memory that it frees as it is; and it ends strings at a NUL, also at one written as an escape.
 * Internal to auth/.
 */
#ifndef OUTLOOKFS_AUTH_JSON_H
#define OUTLOOKFS_AUTH_JSON_H

#include "base/buffer.h"

/*
 * From here on everything that cJSON frees in this process is overwritten first: whole trees, those
 * of a text that does not parse, and printed text (cJSON_free). To be called before a text with a
 * secret is parsed or printed; any thread, any number of times.
 */
void auth_json_prepare(void);

/* Whether a text that is not empty holds a NUL, as a byte or as an escape: its strings would be cut
 * short. Pure. */
bool auth_json_has_nul(const struct buffer *text);

#endif
