/*
 * The outbox as a client sees it: the array of rows that the daemon sends (sync/change.h,
 * sync_outbox_json), shown and searched. Members that are missing read as "" and 0.
 */
#ifndef OUTLOOKFS_CLI_OUTBOX_H
#define OUTLOOKFS_CLI_OUTBOX_H

#include <stdint.h>

#include "base/buffer.h"
#include "cli/ask.h"

/* The rows, within an object that the caller deletes; NULL, with *code, where they cannot be had:
 * it is reported. */
struct cJSON *outbox_fetch(struct ask *ask, enum cli_exit *code);

/* The row of `id`, or NULL. */
const struct cJSON *outbox_find(const struct cJSON *outbox, int64_t id);

/* Appends the rows as a table with a headline, or one JSON object a line. False without memory. */
bool outbox_table(const struct cJSON *outbox, int64_t now, struct buffer *out)
    __attribute__((warn_unused_result));
bool outbox_lines(const struct cJSON *outbox, struct buffer *out)
    __attribute__((warn_unused_result));

/* What a row is about, for a sentence: "append x.eml to Archive". `text` has CLI_TEXT_MAX bytes. */
void outbox_describe(const struct cJSON *row, char *text);

/* `outlookfs outbox DIR save ID FILE`. */
enum cli_exit outbox_save(struct ask *ask, int64_t id, const char *file);

#endif
