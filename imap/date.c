/*
 * See date.h. The calendar is counted by hand: mktime and timegm look at the process's time zone
 * and locale or take years that overflow, and a date from the wire must do neither. Years have four
 * digits, so no sum here comes near the end of int64_t.
 */
#include "imap/date.h"

#include <stdio.h>
#include <strings.h>

static const char month_names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

struct cursor {
    const char *at, *end;
};

/* Between `least` and `most` digits. */
static bool take_digits(struct cursor *c, int least, int most, int *value)
{
    int count = 0;
    *value = 0;
    for (; count < most && c->at < c->end && *c->at >= '0' && *c->at <= '9'; count++)
        *value = *value * 10 + (*c->at++ - '0');
    return count >= least;
}

static bool take_byte(struct cursor *c, char byte)
{
    if (c->at == c->end || *c->at != byte)
        return false;
    c->at++;
    return true;
}

static bool take_month(struct cursor *c, int *month)
{
    if (c->end - c->at < 3)
        return false;
    for (*month = 1; *month <= 12; ++*month) {
        if (strncasecmp(c->at, month_names[*month - 1], 3) == 0) {
            c->at += 3;
            return true;
        }
    }
    return false;
}

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

/* Days from 1970-01-01, in the Gregorian calendar. */
static int64_t days_since_epoch(int year, int month, int day)
{
    int before = year - 1;
    int64_t days = (int64_t)year * 365 + before / 4 - before / 100 + before / 400;
    for (int m = 1; m < month; m++)
        days += days_in_month(year, m);
    return days + day - 1 - (1970LL * 365 + 1969 / 4 - 1969 / 100 + 1969 / 400);
}

/* "hh:mm:ss", seconds up to 60 for a leap second. */
static bool take_time(struct cursor *c, int *seconds)
{
    int h, m, s;
    if (!take_digits(c, 2, 2, &h) || !take_byte(c, ':') || !take_digits(c, 2, 2, &m) ||
        !take_byte(c, ':') || !take_digits(c, 2, 2, &s))
        return false;
    *seconds = (h * 60 + m) * 60 + s;
    return h < 24 && m < 60 && s <= 60;
}

/* "+hhmm" or "-hhmm", as seconds east of UTC. */
static bool take_zone(struct cursor *c, int *seconds)
{
    int h, m;
    bool east = take_byte(c, '+');
    if (!east && !take_byte(c, '-'))
        return false;
    if (!take_digits(c, 2, 2, &h) || !take_digits(c, 2, 2, &m) || h >= 24 || m >= 60)
        return false;
    *seconds = (h * 60 + m) * 60 * (east ? 1 : -1);
    return true;
}

bool imap_date_parse(struct imap_span text, int64_t *seconds)
{
    if (text.data == NULL)
        return false;
    struct cursor c = {text.data, text.data + text.len};
    int day, month, year, time, zone;
    take_byte(&c, ' ');
    if (!take_digits(&c, 1, 2, &day) || !take_byte(&c, '-') || !take_month(&c, &month) ||
        !take_byte(&c, '-') || !take_digits(&c, 4, 4, &year) || year < 1 || !take_byte(&c, ' ') ||
        !take_time(&c, &time) || !take_byte(&c, ' ') || !take_zone(&c, &zone) || c.at != c.end)
        return false;
    if (day < 1 || day > days_in_month(year, month))
        return false;
    *seconds = days_since_epoch(year, month, day) * 86400 + time - zone;
    return true;
}

/* Steps the year and month so that `day`, counted from their first, falls into them. */
static void find_month(int *year, int *month, int64_t *day)
{
    for (; *day >= 365 + is_leap(*year); ++*year)
        *day -= 365 + is_leap(*year);
    for (*month = 1; *day >= days_in_month(*year, *month); ++*month)
        *day -= days_in_month(*year, *month);
}

bool imap_date_print(int64_t seconds, char text[IMAP_DATE_TEXT])
{
    static const int64_t least = -62135596800, most = 253402300799; /* years 1 and 9999 */
    if (seconds < least || seconds > most)
        return false;
    int64_t day = (seconds - least) / 86400, time = (seconds - least) % 86400;
    int year = 1 + (int)(day / 146097) * 400, month = 1; /* the calendar repeats in 400 years */
    day %= 146097;
    find_month(&year, &month, &day);
    snprintf(text, IMAP_DATE_TEXT, "%2d-%s-%04d %02d:%02d:%02d +0000", (int)day + 1,
             month_names[month - 1], year, (int)(time / 3600), (int)(time / 60 % 60),
             (int)(time % 60));
    return true;
}
