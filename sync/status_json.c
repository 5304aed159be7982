/*
 * Status as one JSON object (sync.h). Its members are an interface, listed in the manual: none may
 * go or change its meaning. Without memory cJSON leaves members out; then nothing is appended.
 */
#include <cjson/cJSON.h>
#include <string.h>

#include "base/clock.h"
#include "sync/status.h"

enum { STATUS_MAX = 262144 };

static const char *const state_names[] = {"offline", "connecting", "ready", "stopped"};

static const char *const wait_names[] = {
    [SYNC_WAIT_BACKOFF] = "back-off",    [SYNC_WAIT_SECRET] = "secret",
    [SYNC_WAIT_CONNECT] = "connect",     [SYNC_WAIT_SIGN_IN] = "sign-in",
    [SYNC_WAIT_RECONNECT] = "reconnect", [SYNC_WAIT_ANSWER] = "answer",
};

/* Whole seconds: what is left is rounded up, what has passed is not. */
static int64_t seconds_left(int64_t ms)
{
    return (ms + 999) / 1000;
}

static int64_t seconds_past(int64_t ms)
{
    return ms / 1000;
}

static void add_number_or_null(cJSON *object, const char *name, bool known, double number)
{
    if (known)
        cJSON_AddNumberToObject(object, name, number);
    else
        cJSON_AddNullToObject(object, name);
}

static void add_text_or_null(cJSON *object, const char *name, const char *text)
{
    if (text != NULL)
        cJSON_AddStringToObject(object, name, text);
    else
        cJSON_AddNullToObject(object, name);
}

static void add_waiting(cJSON *root, const struct status *s)
{
    if (s->waiting == SYNC_WAIT_NOTHING) {
        cJSON_AddNullToObject(root, "waiting");
        return;
    }
    cJSON *waiting = cJSON_AddObjectToObject(root, "waiting");
    bool known = s->left_ms > 0;
    cJSON_AddStringToObject(waiting, "for", wait_names[s->waiting]);
    add_number_or_null(waiting, "until", known, (double)seconds_past(clock_wall_ms() + s->left_ms));
    add_number_or_null(waiting, "seconds", known, (double)seconds_left(s->left_ms));
    cJSON_AddNumberToObject(waiting, "waited_seconds", (double)seconds_past(s->waited_ms));
}

static void add_sign_in(cJSON *root, const struct status *s)
{
    cJSON *sign_in = cJSON_AddObjectToObject(root, "sign_in");
    cJSON_AddStringToObject(sign_in, "source", s->sign_in.kind);
    add_number_or_null(sign_in, "expires", s->sign_in.expires != 0, (double)s->sign_in.expires);
    cJSON_AddStringToObject(sign_in, "kept", s->sign_in.kept != NULL ? s->sign_in.kept : "memory");
}

static void add_connections(cJSON *root, const struct status *s)
{
    cJSON *array = cJSON_AddArrayToObject(root, "connections");
    for (unsigned i = 0; i < s->connection_count && array != NULL; i++) {
        const struct status_connection *c = &s->connections[i];
        cJSON *item = cJSON_CreateObject();
        cJSON_AddNumberToObject(item, "number", i + 1);
        cJSON_AddStringToObject(item, "state", state_names[c->state]);
        cJSON_AddStringToObject(item, "doing", status_doing(c));
        cJSON_AddNumberToObject(item, "jobs", c->jobs);
        cJSON_AddNumberToObject(item, "bodies", c->bodies);
        if (c->mailbox != NULL)
            cJSON_AddStringToObject(item, "mailbox", c->mailbox);
        cJSON_AddItemToArray(array, item);
    }
}

static void add_work(cJSON *root, const struct status *s)
{
    cJSON *array = cJSON_AddArrayToObject(root, "listings");
    for (unsigned i = 0; i < s->listing_count && array != NULL; i++) {
        const struct status_listing *listing = &s->listings[i];
        cJSON *item = cJSON_CreateObject();
        add_text_or_null(item, "mailbox", listing->mailbox);
        cJSON_AddBoolToObject(item, "first", listing->first);
        cJSON_AddNumberToObject(item, "landed", listing->landed);
        add_number_or_null(item, "total", listing->total > 0, listing->total);
        cJSON_AddItemToArray(array, item);
    }
    cJSON *downloads = cJSON_AddObjectToObject(root, "downloads");
    cJSON_AddNumberToObject(downloads, "messages", s->bodies);
    cJSON_AddNumberToObject(downloads, "bytes", (double)s->bytes);
    cJSON_AddNumberToObject(downloads, "bytes_expected", (double)s->bytes_expected);
}

static uint64_t outbox_rows(const struct status *s)
{
    uint64_t rows = 0;
    for (unsigned state = 0; state < JOURNAL_STATES; state++)
        rows += s->outbox.rows[state];
    return rows;
}

static void add_figures(cJSON *root, const struct status *s)
{
    const struct {
        const char *name;
        double value;
    } figures[] = {
        {"requests_pending",     (double)s->pending                  },
        {"requests_under_way",   (double)s->under_way                },
        {"waiters",              (double)s->waiters                  },
        {"longest_wait_seconds", (double)seconds_past(s->longest_ms) },
        {"mailboxes",            (double)s->figures.mailboxes        },
        {"messages",             (double)s->figures.messages         },
        {"bodies",               (double)s->figures.bodies           },
        {"bytes_cached",         (double)s->figures.body_bytes       },
        {"indexed",              (double)s->figures.indexed          },
        {"envelopes_indexed",    (double)s->figures.envelopes_indexed},
        {"bytes_indexed",        (double)s->figures.index_bytes      },
        {"outbox",               (double)outbox_rows(s)              },
        {"outbox_bytes",         (double)s->outbox.bytes             },
    };
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++)
        cJSON_AddNumberToObject(root, figures[i].name, figures[i].value);
}

static void add_searches(cJSON *root, const struct status *s)
{
    cJSON *array = cJSON_AddArrayToObject(root, "searches");
    for (size_t i = 0; i < s->search_count && array != NULL; i++) {
        const struct search_noted *noted = &s->searches[i];
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "query", noted->query);
        cJSON_AddNumberToObject(item, "found", (double)noted->found);
        cJSON_AddNumberToObject(item, "looked_into", (double)noted->looked);
        cJSON_AddBoolToObject(item, "partial", noted->partial);
        cJSON_AddStringToObject(item, "note", noted->note);
        cJSON_AddNumberToObject(item, "at", (double)noted->at);
        cJSON_AddItemToArray(array, item);
    }
}

static void add_pins(cJSON *root, const struct status *s)
{
    cJSON *array = cJSON_AddArrayToObject(root, "pins");
    for (size_t i = 0; i < s->pin_count && array != NULL; i++) {
        const struct sync_pin *pin = &s->pins[i].pin;
        cJSON *item = cJSON_CreateObject();
        add_text_or_null(item, "mailbox", s->pins[i].mailbox);
        cJSON_AddNumberToObject(item, "messages", (double)pin->messages);
        cJSON_AddNumberToObject(item, "here", (double)pin->here);
        cJSON_AddNumberToObject(item, "failed", (double)pin->failed);
        cJSON_AddBoolToObject(item, "done", pin->done);
        cJSON_AddStringToObject(item, "problem", pin->text);
        cJSON_AddItemToArray(array, item);
    }
    cJSON_AddBoolToObject(root, "prefetched", s->stocked);
}

static cJSON *make_object(const struct sync *sync, const struct status *s)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "account", sync->account);
    cJSON_AddStringToObject(root, "host", sync->host);
    cJSON_AddNumberToObject(root, "port", sync->imap.port);
    cJSON_AddStringToObject(root, "state", status_state(s));
    if (s->problem[0] != '\0')
        cJSON_AddStringToObject(root, "problem", s->problem);
    cJSON_AddNumberToObject(root, "wait_seconds", (double)seconds_left(s->attempt_ms));
    add_waiting(root, s);
    add_sign_in(root, s);
    cJSON_AddNumberToObject(root, "last_contact", (double)s->last_contact);
    add_connections(root, s);
    add_work(root, s);
    add_figures(root, s);
    add_searches(root, s);
    add_pins(root, s);
    return root;
}

bool sync_status_json(struct sync *sync, struct buffer *out)
{
    struct status s;
    status_gather(sync, &s);
    cJSON *root = make_object(sync, &s);
    char *text = cJSON_PrintUnformatted(root);
    bool good = text != NULL && strlen(text) < STATUS_MAX && buffer_append_text(out, text);
    cJSON_free(text);
    cJSON_Delete(root);
    status_free(&s);
    return good;
}
