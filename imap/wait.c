/* See wait.h. Time comes from clock_ms, which counts sleep, so the clock is read after each poll.
 */
#include "imap/wait.h"

#include <errno.h>
#include <poll.h>

#include "base/clock.h"

enum imap_error imap_wait(const struct imap_wait *wait)
{
    for (;;) {
        struct pollfd fds[] = {
            {.fd = wait->cancel_fd, .events = POLLIN      },
            {.fd = wait->wake_fd,   .events = POLLIN      },
            {.fd = wait->fd,        .events = wait->events},
        };
        int left = wait->deadline < 0 ? -1 : clock_until(wait->deadline);
        int ready = poll(fds, 3, left);
        if (ready > 0)
            return fds[0].revents != 0 ? IMAP_ERR_CANCELLED : IMAP_OK;
        if (ready < 0 && errno != EINTR)
            return IMAP_ERR_MEMORY;
        if (ready == 0 && left == 0)
            return IMAP_ERR_TIMEOUT;
    }
}
