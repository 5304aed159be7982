/*
 * Status for people (sync.h): what `outlookfs status` and the file .status show. From the same
 * gathering as the JSON, so the two never disagree. Times of day are those of this process's time
 * zone, with the time that is left beside them. What is not the case has no line.
 */
#include <stdio.h>

#include "base/clock.h"
#include "sync/status.h"

enum { DURATION_MAX = 32 };

/* A duration as a person says it, rounded up. */
static void duration(int64_t ms, char text[DURATION_MAX])
{
    long long s = (ms + 999) / 1000;
    if (s < 120)
        snprintf(text, DURATION_MAX, "%lld s", s);
    else if (s < (long long)120 * 60)
        snprintf(text, DURATION_MAX, "%lld min", s / 60);
    else
        snprintf(text, DURATION_MAX, "%lld h %lld min", s / 3600, s / 60 % 60);
}

static bool append_state(const struct status *s, struct buffer *out)
{
    return buffer_printf(out, "state:      %s", status_state(s)) &&
           (s->problem[0] == '\0' || buffer_printf(out, " (%s)", s->problem)) &&
           buffer_append_byte(out, '\n');
}

/* ---- what is waited for ---- */

/* What for, where the end is known and where it is not, and the word before the time of day. */
static const struct {
    const char *known, *open, *word;
} waits[] = {
    [SYNC_WAIT_BACKOFF] = {"the server asked to wait",  "the server asked to wait",        "until"        },
    [SYNC_WAIT_SECRET] = {"for the token or password", "for the token or password",       "until"        },
    [SYNC_WAIT_CONNECT] = {"for the connection",        "for the connection",              "until"        },
    [SYNC_WAIT_SIGN_IN] = {"to sign in again",          "for a request, to sign in again", "not before"   },
    [SYNC_WAIT_RECONNECT] = {"to connect again",          "for a request, to connect again", "not before"   },
    [SYNC_WAIT_ANSWER] = {"for the server's answer",   "for the server's answer",         "at most until"},
};

static bool append_waiting(const struct status *s, struct buffer *out)
{
    if (s->waiting == SYNC_WAIT_NOTHING)
        return true;
    char clock[CLOCK_TEXT_MAX], left[DURATION_MAX], waited[DURATION_MAX];
    bool known = s->left_ms > 0;
    clock_text((clock_wall_ms() + s->left_ms) / 1000, clock);
    duration(s->left_ms, left);
    duration(s->waited_ms, waited);
    return buffer_printf(out, "waiting:    %s",
                         known ? waits[s->waiting].known : waits[s->waiting].open) &&
           (s->waited_ms < 1000 || buffer_printf(out, ", %s so far", waited)) &&
           (!known ||
            buffer_printf(out, ", %s %s (%s more)", waits[s->waiting].word, clock, left)) &&
           buffer_append_byte(out, '\n');
}

static bool append_sign_in(const struct status *s, struct buffer *out)
{
    const struct auth_secret_state *state = &s->sign_in;
    if (!buffer_printf(out, "sign-in:    %s, kept in %s", state->kind,
                       state->kept != NULL ? state->kept : "memory alone"))
        return false;
    int64_t left_ms = state->expires * 1000 - clock_wall_ms();
    if (state->expires != 0 && left_ms > 0) {
        char clock[CLOCK_TEXT_MAX], left[DURATION_MAX];
        clock_text(state->expires, clock);
        duration(left_ms, left);
        if (!buffer_printf(out, ", good until %s (%s more)", clock, left))
            return false;
    } else if (state->expires != 0 && !buffer_append_text(out, ", to be renewed")) {
        return false;
    }
    return buffer_append_byte(out, '\n');
}

/* ---- what is under way ---- */

static bool append_doing(const struct status_connection *c, struct buffer *out)
{
    if (c->state == WORKER_OFFLINE || c->state == WORKER_STOPPED)
        return buffer_append_text(out, "not connected\n");
    if (c->mailbox != NULL && !buffer_printf(out, "%s, ", c->mailbox))
        return false;
    if (c->bodies > 0)
        return buffer_printf(out, "%s%u message%s\n",
                             c->listing ? "listing, fetching " : "fetching ", c->bodies,
                             c->bodies > 1 ? "s" : "");
    return buffer_printf(out, "%s\n",
                         c->state == WORKER_CONNECTING ? "connecting"
                         : c->tree                     ? "reading the list of mailboxes"
                         : c->listing                  ? "listing"
                         : c->search                   ? "searching"
                                                       : "idle");
}

static bool append_connections(const struct status *s, struct buffer *out)
{
    unsigned ready = 0;
    for (unsigned i = 0; i < s->connection_count; i++)
        ready += s->connections[i].state == WORKER_READY;
    bool good = buffer_printf(out, "connected:  %u of %u\n", ready, s->connection_count);
    for (unsigned i = 0; i < s->connection_count && good; i++)
        good = buffer_printf(out, "  %-10u", i + 1) && append_doing(&s->connections[i], out);
    return good;
}

static bool append_requests(const struct status *s, struct buffer *out)
{
    char longest[DURATION_MAX];
    duration(s->longest_ms, longest);
    return buffer_printf(out, "requests:   %zu under way, %zu queued", s->under_way, s->pending) &&
           (s->waiters == 0 || buffer_printf(out, "; %zu program%s waiting, for up to %s",
                                             s->waiters, s->waiters > 1 ? "s" : "", longest)) &&
           buffer_append_byte(out, '\n');
}

static bool append_listing(const struct status_listing *listing, struct buffer *out)
{
    if (!buffer_printf(out, "%s%s, ", listing->first ? "listing:    " : "refreshing: ",
                       listing->mailbox != NULL ? listing->mailbox : "a mailbox"))
        return false;
    if (listing->total == 0)
        return buffer_append_text(out, "not begun\n");
    return buffer_printf(out, "%u of %u (%u %%)\n", listing->landed, listing->total,
                         status_percent(listing->landed, listing->total));
}

static bool append_work(const struct status *s, struct buffer *out)
{
    bool good = append_requests(s, out);
    for (unsigned i = 0; i < s->listing_count && good; i++)
        good = append_listing(&s->listings[i], out);
    return good && (s->bodies == 0 ||
                    buffer_printf(out, "fetching:   %u message%s, %.1f of %.1f MB (%u %%)\n",
                                  s->bodies, s->bodies > 1 ? "s" : "", (double)s->bytes / 1e6,
                                  (double)s->bytes_expected / 1e6,
                                  status_percent(s->bytes, s->bytes_expected)));
}

static bool append_figures(const struct status *s, struct buffer *out)
{
    return buffer_printf(
        out, "mailboxes:  %llu\nmessages:   %llu\ncached:     %llu messages, %.1f MB\n",
        (unsigned long long)s->figures.mailboxes, (unsigned long long)s->figures.messages,
        (unsigned long long)s->figures.bodies, (double)s->figures.body_bytes / 1e6);
}

/* What an answer lacks, programs that see links alone learn here. */
static bool append_searches(const struct status *s, struct buffer *out)
{
    bool good = true;
    for (size_t i = 0; i < s->search_count && good; i++) {
        const struct search_noted *noted = &s->searches[i];
        good = buffer_printf(out, "search:     %s: %llu found%s%s\n", noted->query,
                             (unsigned long long)noted->found, noted->partial ? ", partial: " : "",
                             noted->note);
    }
    return good;
}

static bool append_pins(const struct status *s, struct buffer *out)
{
    bool good = true;
    for (size_t i = 0; i < s->pin_count && good; i++) {
        const struct sync_pin *pin = &s->pins[i].pin;
        good = buffer_printf(out, "pinned:     %s, %llu of %llu messages here%s%s\n",
                             s->pins[i].mailbox != NULL ? s->pins[i].mailbox : "a mailbox",
                             (unsigned long long)pin->here, (unsigned long long)pin->messages,
                             pin->text[0] != '\0' ? "; " : "", pin->text);
    }
    return good;
}

/* What waits for the server, and what waits for the user. */
static bool append_outbox(const struct status *s, struct buffer *out)
{
    static const struct {
        enum journal_state state;
        const char *text;
    } states[] = {
        {JOURNAL_INTENT,     "to be sent"  },
        {JOURNAL_SENT,       "on their way"},
        {JOURNAL_DONE,       "done"        },
        {JOURNAL_REFUSED,    "refused"     },
        {JOURNAL_UNFINISHED, "unfinished"  },
        {JOURNAL_HELD,       "held"        },
    };
    bool any = false, good = buffer_append_text(out, "outbox:     ");
    for (size_t i = 0; i < sizeof states / sizeof *states && good; i++) {
        uint64_t rows = s->outbox.rows[states[i].state];
        if (rows == 0)
            continue;
        good = buffer_printf(out, "%s%llu %s", any ? ", " : "", (unsigned long long)rows,
                             states[i].text);
        any = true;
    }
    if (good && any && s->outbox.bytes > 0)
        good = buffer_printf(out, "; %.1f MB", (double)s->outbox.bytes / 1e6);
    good = good && buffer_append_text(out, any ? "\n" : "empty\n");
    return good && (!s->braked || buffer_append_text(out, "deleting:   more than 1000 messages "
                                                          "within a minute; the next wait\n"));
}

bool sync_status_text(struct sync *sync, struct buffer *out)
{
    struct status s;
    status_gather(sync, &s);
    bool good = buffer_printf(out, "account:    %s\nserver:     %s:%u\n", sync->account, sync->host,
                              sync->imap.port) &&
                append_state(&s, out) && append_waiting(&s, out) && append_sign_in(&s, out) &&
                append_connections(&s, out) && append_work(&s, out) && append_figures(&s, out) &&
                append_pins(&s, out) && append_searches(&s, out) && append_outbox(&s, out);
    status_free(&s);
    return good;
}
