/* See clock.h. */
#include "base/clock.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

int64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_asleep_ms(void)
{
    struct timespec awake;
    int64_t now = clock_ms(); /* first, so that it never comes out too long */
    clock_gettime(CLOCK_MONOTONIC, &awake);
    int64_t asleep = now - ((int64_t)awake.tv_sec * 1000 + awake.tv_nsec / 1000000);
    return asleep > 0 ? asleep : 0;
}

int64_t clock_wall(void)
{
    return (int64_t)time(NULL);
}

int64_t clock_wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void clock_text(int64_t wall, char text[CLOCK_TEXT_MAX])
{
    time_t then = (time_t)wall, now = time(NULL);
    struct tm at = {0}, today = {0};
    localtime_r(&now, &today);
    if (localtime_r(&then, &at) == NULL) {
        snprintf(text, CLOCK_TEXT_MAX, "%lld", (long long)wall);
        return;
    }
    bool same_day = at.tm_year == today.tm_year && at.tm_yday == today.tm_yday;
    strftime(text, CLOCK_TEXT_MAX, same_day ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &at);
}

int clock_until(int64_t deadline)
{
    int64_t left = deadline - clock_ms();
    if (left <= 0)
        return 0;
    return left > INT_MAX ? INT_MAX : (int)left;
}
