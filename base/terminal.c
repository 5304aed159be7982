/* See terminal.h. */
#include "base/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

bool terminal_usable(int fd)
{
    const char *kind = getenv("TERM");
    return kind != NULL && kind[0] != '\0' && strcmp(kind, "dumb") != 0 && isatty(fd) == 1;
}

/* A terminal that does not control this process has no jobs of ours to tell apart. */
bool terminal_busy(int fd)
{
    pid_t owner = tcgetpgrp(fd);
    return owner >= 0 && owner != getpgrp();
}

/* TIOCGDEV sees through /dev/tty, whose own device number is another. */
bool terminal_same(int a, int b)
{
    unsigned device_a = 0, device_b = 0;
    return ioctl(a, TIOCGDEV, &device_a) == 0 && ioctl(b, TIOCGDEV, &device_b) == 0 &&
           device_a == device_b;
}

void terminal_size(int fd, unsigned *columns, unsigned *rows)
{
    struct winsize size = {0};
    bool known = ioctl(fd, TIOCGWINSZ, &size) == 0;
    *columns = known && size.ws_col > 0 ? size.ws_col : 80;
    *rows = known && size.ws_row > 0 ? size.ws_row : 24;
}

size_t terminal_fit(const char *text, size_t len, unsigned columns)
{
    size_t at = 0;
    unsigned used = 0;
    while (at < len) {
        size_t next = at + 1;
        while (next < len && ((unsigned char)text[next] & 0xC0) == 0x80)
            next++;
        used += (unsigned char)text[at] < 0x80 ? 1 : 2;
        if (used > columns)
            break;
        at = next;
    }
    return at;
}
