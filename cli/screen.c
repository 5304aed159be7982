/* See screen.h. Home, overwrite, erase what is left: a terminal that gets this in one write never
 * shows an empty screen in between. */
#include "cli/screen.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/terminal.h"

static size_t count_lines(const char *text)
{
    size_t lines = 0;
    for (; *text != '\0'; text += strcspn(text, "\n"), text += *text == '\n')
        lines++;
    return lines;
}

/* The last column stays free, or some terminals would wrap. */
static bool draw_line(const char *line, size_t len, unsigned columns, struct buffer *out)
{
    return buffer_append(out, line, terminal_fit(line, len, columns - 1)) &&
           buffer_append_text(out, "\033[K\r\n");
}

/* The cursor comes to rest below the text, so the text has one row less than there are. */
bool screen_draw(const char *text, unsigned columns, unsigned rows, struct buffer *out)
{
    size_t lines = count_lines(text), room = rows > 2 ? rows - 1 : 1;
    size_t shown = lines <= room ? lines : room - 1;
    bool good = buffer_append_text(out, "\033[H");
    for (size_t i = 0; i < shown && good; i++) {
        size_t len = strcspn(text, "\n");
        good = draw_line(text, len, columns, out);
        text += len + (text[len] == '\n');
    }
    if (good && shown < lines) {
        char more[40];
        int len = snprintf(more, sizeof more, "... %zu more lines", lines - shown);
        good = draw_line(more, (size_t)len, columns, out);
    }
    return good && buffer_append_text(out, "\033[J");
}

bool screen_write(int fd, const struct buffer *out)
{
    for (size_t at = 0; at < out->len;) {
        ssize_t n = write(fd, out->data + at, out->len - at);
        if (n < 0 && errno != EINTR)
            return false;
        at += n > 0 ? (size_t)n : 0;
    }
    return true;
}
