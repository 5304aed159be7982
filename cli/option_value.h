/*
 * The values that an option can have, each read strictly: the whole text or nothing. Pure
 * functions, any thread.
 */
#ifndef OUTLOOKFS_CLI_OPTION_VALUE_H
#define OUTLOOKFS_CLI_OPTION_VALUE_H

#include <stdbool.h>
#include <stdint.h>

/* Decimal digits alone, within min..max. */
bool option_value_number(const char *text, uint64_t min, uint64_t max, uint64_t *value);

/* Digits and at most one of K, M, G, T (powers of 1024, either case), within min..max. */
bool option_value_size(const char *text, uint64_t min, uint64_t max, uint64_t *value);

/* The place of `text` in the NULL-terminated `words`, or -1. */
int option_value_word(const char *text, const char *const *words);

#endif
