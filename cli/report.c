/* See report.h. A line goes out through base/log.h, so that it stays whole beside a daemon's log
 * and clear of the status line. */
#include "cli/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

static __attribute__((format(printf, 2, 0))) void write_line(const char *prefix, const char *format,
                                                             va_list args)
{
    char line[CLI_TEXT_MAX + 64];
    size_t len = (size_t)snprintf(line, sizeof line, "outlookfs: %s", prefix);
    int more = vsnprintf(line + len, sizeof line - len - 1, format, args);
    if (more > 0)
        len = strlen(line);
    log_make_printable(line, len);
    line[len++] = '\n';
    log_beside(line, len);
}

void cli_report(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_line("", format, args);
    va_end(args);
}

void cli_warn(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_line("warning: ", format, args);
    va_end(args);
}

bool cli_cause(char *why, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, CLI_TEXT_MAX, format, args);
    va_end(args);
    return false;
}
