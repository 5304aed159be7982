/*
 * The log: one line a record, to stderr or to a file.
 *
 * What is logged may come from a hostile server or message, so every record passes through one
 * filter: bytes that a terminal could act on (controls, DEL, C1, bidi controls, invalid UTF-8) are
 * written as '?'. Never log a token, a password or the text of a message. Any thread.
 *
 * Where stderr is a terminal, a status line may stand below the records.
 */
#ifndef OUTLOOKFS_BASE_LOG_H
#define OUTLOOKFS_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Sends records to the file `path` (created 0600, appended to), or to stderr where `path` is NULL.
 * Call before threads start. Returns 0, or -1 with errno when the file cannot be opened. */
int log_open(const char *path);

/* Records above `level` are dropped. The default is LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);

void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Writes a whole line, its newline with it, to stderr, wherever the log goes: for what the command
 * tells a person. It stands clear of the status line. */
void log_beside(const char *line, size_t len);

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

/*
 * The status line: the last line on the terminal that stderr is, drawn over as things go on. A
 * record or a line of log_beside takes its place, and it is drawn again below, so the two never
 * mix. It never waits for a terminal that takes nothing (Ctrl-S): it is left out until it can be
 * drawn.
 */

/* From now on log_status draws. False, and it draws nothing, where stderr is no terminal that a
 * line can be overwritten on. After log_open, before threads start. */
bool log_status_begin(void);

/* Draws `text`, made printable and cut to the terminal's width, in place of what was drawn before;
 * "" leaves nothing there. Any thread. */
void log_status(const char *text);

/* Leaves nothing there, and ends what log_status_begin began. */
void log_status_end(void);

/* Makes `text` (len bytes) safe for a terminal, in place: the filter described above.
 * For the command's own messages, which quote servers too. */
void log_make_printable(char *text, size_t len);

#endif
