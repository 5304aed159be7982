/*
 * Time, in the two kinds that the program needs: how long (monotonic, for timeouts; counts time
 * asleep too, so that a machine that was suspended sees its deadlines pass) and when (wall clock).
 * Any thread.
 */
#ifndef OUTLOOKFS_BASE_CLOCK_H
#define OUTLOOKFS_BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds since boot (CLOCK_BOOTTIME); never goes back. */
int64_t clock_ms(void);

/* Milliseconds of these that the machine was asleep. */
int64_t clock_asleep_ms(void);

/* Seconds since 1970-01-01T00:00:00Z; the same in milliseconds. */
int64_t clock_wall(void);
int64_t clock_wall_ms(void);

/* Writes a wall clock time (seconds) for a person, in this process's time zone: "14:03:20", with
 * the date before it where that is not today. */
enum { CLOCK_TEXT_MAX = 32 };
void clock_text(int64_t wall, char text[CLOCK_TEXT_MAX]);

/* Milliseconds from now until `deadline` (of clock_ms), for poll(2): 0 when it has passed, at most
 * INT_MAX. */
int clock_until(int64_t deadline);

#endif
