/* See option_value.h. Digits are added one at a time against overflow; no strtoul, which takes
 * signs, blanks and locales. */
#include "cli/option_value.h"

#include <string.h>

/* Reads digits; returns what follows them, or NULL for none or too many. */
static const char *digits(const char *text, uint64_t *value)
{
    const char *at = text;
    *value = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        unsigned digit = (unsigned)(*at - '0');
        if (*value > (UINT64_MAX - digit) / 10)
            return NULL;
        *value = *value * 10 + digit;
    }
    return at == text ? NULL : at;
}

bool option_value_number(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
    const char *end = digits(text, value);
    return end != NULL && *end == '\0' && *value >= min && *value <= max;
}

bool option_value_size(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
    static const char units[] = "kmgt";
    const char *end = digits(text, value);
    if (end == NULL)
        return false;
    if (*end != '\0') {
        const char *unit = strchr(units, *end | 0x20);
        if (unit == NULL || end[1] != '\0')
            return false;
        unsigned shift = 10 * (unsigned)(unit - units + 1);
        if (*value > UINT64_MAX >> shift)
            return false;
        *value <<= shift;
    }
    return *value >= min && *value <= max;
}

int option_value_word(const char *text, const char *const *words)
{
    for (int i = 0; words[i] != NULL; i++)
        if (strcmp(words[i], text) == 0)
            return i;
    return -1;
}
