/* See rate.h. Both figures follow a better sample at once and a worse one slowly: a server that
 * takes its time now and then says nothing about the wire. */
#include "sync/rate.h"

enum { SLOWLY = 8, PRODUCTS = 4 };

void rate_answered(struct rate *rate, int64_t ms)
{
    if (ms < 1)
        ms = 1;
    if (rate->round_trip_ms == 0 || ms < rate->round_trip_ms)
        rate->round_trip_ms = ms;
    else
        rate->round_trip_ms += (ms - rate->round_trip_ms) / SLOWLY;
}

static void take_sample(struct rate *rate, int64_t ms)
{
    uint64_t sample = rate->moved * 1000 / (uint64_t)ms;
    if (sample > rate->bytes_per_s)
        rate->bytes_per_s = sample;
    else
        rate->bytes_per_s -= (rate->bytes_per_s - sample) / SLOWLY;
}

void rate_moved(struct rate *rate, uint64_t bytes, int64_t now)
{
    if (rate->from == 0 || now - rate->last > RATE_PAUSE_MS) {
        rate->from = rate->last = now;
        rate->moved = 0; /* what came first came before the sample began */
        return;
    }
    rate->moved += bytes;
    rate->last = now;
    int64_t ms = now - rate->from;
    if (ms < RATE_WINDOW_MS || ms < rate->round_trip_ms)
        return;
    take_sample(rate, ms);
    rate->from = now;
    rate->moved = 0;
}

uint64_t rate_budget(const struct rate *rate)
{
    uint64_t round_trip = rate->round_trip_ms > 0 ? (uint64_t)rate->round_trip_ms : 0;
    if (round_trip > 0 && rate->bytes_per_s > RATE_BUDGET_MAX * 1000 / PRODUCTS / round_trip)
        return RATE_BUDGET_MAX;
    uint64_t budget = PRODUCTS * rate->bytes_per_s * round_trip / 1000;
    return budget < RATE_BUDGET_MIN ? RATE_BUDGET_MIN : budget;
}
