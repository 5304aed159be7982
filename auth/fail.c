/* See fail.h. */
#include "auth/fail.h"

#include <stdarg.h>
#include <stdio.h>

enum auth_error auth_fail(char *text, enum auth_error error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(text, AUTH_TEXT_MAX, format, args);
    va_end(args);
    return error;
}
