/* How a function of auth/ says why it fails, in one line. Any thread. Internal to auth/. */
#ifndef OUTLOOKFS_AUTH_FAIL_H
#define OUTLOOKFS_AUTH_FAIL_H

#include "auth/error.h"

/* Writes `text` (AUTH_TEXT_MAX bytes) and returns `error`. */
enum auth_error auth_fail(char *text, enum auth_error error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
