/* Searches for units: one finds two messages, of numbers 2 and 3, at once; one whose query begins
 * with "wait" finds none until it is cancelled or let go. */
#ifndef OUTLOOKFS_TESTS_UNIT_FS_FAKE_SEARCH_H
#define OUTLOOKFS_TESTS_UNIT_FS_FAKE_SEARCH_H

#include <stdatomic.h>
#include <stdbool.h>

extern atomic_uint fake_searches, fake_cancelled; /* runs begun; of these, cancelled */
extern atomic_bool fake_let_go;

#endif
