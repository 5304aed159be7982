/*
 * What a program must know of the terminal that it writes to. Every answer holds for this moment: a
 * window is resized, a job goes to the background. Any thread; none of these waits.
 */
#ifndef OUTLOOKFS_BASE_TERMINAL_H
#define OUTLOOKFS_BASE_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

/* Whether `fd` is a terminal on which a line can be overwritten: TERM says more than "dumb". */
bool terminal_usable(int fd);

/* Whether a program in the background would draw over what somebody is typing: the terminal belongs
 * to another job now. */
bool terminal_busy(int fd);

/* Whether both are the same terminal, by whatever name it was opened. */
bool terminal_same(int a, int b);

/* Columns and rows; 80 and 24 where the terminal does not say. */
void terminal_size(int fd, unsigned *columns, unsigned *rows);

/* How many bytes of `text` (one line, printable as of log_make_printable) fit into `columns`. A
 * character outside ASCII counts as two, as wide as any is: a line never wraps. */
size_t terminal_fit(const char *text, size_t len, unsigned columns);

#endif
