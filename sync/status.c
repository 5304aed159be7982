/*
 * What `outlookfs status` and the file .status tell. One function gathers, cJSON writes it down,
 * and the text for people is made from the same gathering, so the two never disagree.
 */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "sync/internal.h"

enum { STATUS_MAX = 262144 };

struct connection_state {
    enum worker_state state;
    int64_t mailbox;
    unsigned active;
};

struct gathered {
    struct connection_state connections[WORKERS_MAX];
    unsigned connection_count;
    size_t pending, under_way;
    bool offline, throttled;
    int64_t wait_s; /* until the next attempt or the end of the back-off */
    char problem[SYNC_TEXT_MAX];
    int64_t last_contact;
    struct cache_figures figures;
};

static const char *const state_names[] = {"offline", "connecting", "ready", "stopped"};

static void gather_locked(struct sync *sync, struct gathered *g)
{
    int64_t now = clock_ms();
    bool ready = false;
    g->connection_count = sync->worker_count;
    for (unsigned i = 0; i < sync->worker_count; i++) {
        const struct worker *w = &sync->workers[i];
        g->connections[i] = (struct connection_state){w->state, w->mailbox, w->active};
        ready |= w->state == WORKER_READY;
    }
    for (struct job *job = sync->jobs; job != NULL; job = job->next)
        *(job->state == JOB_PENDING ? &g->pending : &g->under_way) += 1;
    g->offline = !ready && sync->outage.until != 0;
    g->throttled = sync->limiter_until > now;
    g->last_contact = sync->last_contact;
    if (g->offline)
        memcpy(g->problem, sync->outage.text, sizeof g->problem);
    int64_t until = g->throttled ? sync->limiter_until : g->offline ? sync->outage.until : now;
    g->wait_s = until > now ? (until - now + 999) / 1000 : 0;
}

static void gather(struct sync *sync, struct gathered *g)
{
    *g = (struct gathered){0};
    pthread_mutex_lock(&sync->lock);
    gather_locked(sync, g);
    pthread_mutex_unlock(&sync->lock);
    (void)!cache_figures_get(sync->cache, &g->figures); /* zeros where the cache does not answer */
}

static const char *state_of(const struct gathered *g)
{
    return g->throttled           ? "waiting"
           : g->offline           ? "offline"
           : g->last_contact != 0 ? "online"
                                  : "connecting";
}

static void connections_json(struct sync *sync, const struct gathered *g, cJSON *array)
{
    for (unsigned i = 0; i < g->connection_count && array != NULL; i++) {
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "state", state_names[g->connections[i].state]);
        cJSON_AddNumberToObject(item, "jobs", g->connections[i].active);
        struct cache_mailbox row = {0};
        struct cache_inode inode = {0};
        if (g->connections[i].mailbox != 0 &&
            cache_mailbox_get(sync->cache, g->connections[i].mailbox, &row) == CACHE_OK &&
            cache_inode_get(sync->cache, row.ino, &inode) == CACHE_OK)
            cJSON_AddStringToObject(item, "mailbox", inode.name);
        cache_mailbox_free(&row);
        cJSON_AddItemToArray(array, item);
    }
}

bool sync_status_json(struct sync *sync, struct buffer *out)
{
    struct gathered g;
    gather(sync, &g);
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "account", sync->account);
    cJSON_AddStringToObject(root, "host", sync->host);
    cJSON_AddNumberToObject(root, "port", sync->imap.port);
    cJSON_AddStringToObject(root, "state", state_of(&g));
    if (g.problem[0] != '\0')
        cJSON_AddStringToObject(root, "problem", g.problem);
    cJSON_AddNumberToObject(root, "wait_seconds", (double)g.wait_s);
    cJSON_AddNumberToObject(root, "last_contact", (double)g.last_contact);
    connections_json(sync, &g, cJSON_AddArrayToObject(root, "connections"));
    cJSON_AddNumberToObject(root, "requests_pending", (double)g.pending);
    cJSON_AddNumberToObject(root, "requests_under_way", (double)g.under_way);
    cJSON_AddNumberToObject(root, "mailboxes", (double)g.figures.mailboxes);
    cJSON_AddNumberToObject(root, "messages", (double)g.figures.messages);
    cJSON_AddNumberToObject(root, "bodies", (double)g.figures.bodies);
    cJSON_AddNumberToObject(root, "bytes_cached", (double)g.figures.body_bytes);
    char *text = cJSON_PrintUnformatted(root);
    bool good = text != NULL && strlen(text) < STATUS_MAX && buffer_append_text(out, text);
    cJSON_free(text);
    cJSON_Delete(root);
    return good;
}

static bool append_state(const struct gathered *g, struct buffer *out)
{
    if (!buffer_printf(out, "state:      %s", state_of(g)))
        return false;
    if (g->throttled &&
        !buffer_printf(out, ", the server asked to wait %lld s more", (long long)g->wait_s))
        return false;
    if (g->problem[0] != '\0' && !buffer_printf(out, " (%s)", g->problem))
        return false;
    return buffer_append_byte(out, '\n');
}

bool sync_status_text(struct sync *sync, struct buffer *out)
{
    struct gathered g;
    gather(sync, &g);
    unsigned ready = 0;
    for (unsigned i = 0; i < g.connection_count; i++)
        ready += g.connections[i].state == WORKER_READY;
    return buffer_printf(out, "account:    %s\nserver:     %s:%u\n", sync->account, sync->host,
                         sync->imap.port) &&
           append_state(&g, out) &&
           buffer_printf(
               out,
               "connected:  %u of %u\nrequests:   %zu under way, %zu waiting\nmailboxes:  %llu\n"
               "messages:   %llu\ncached:     %llu messages, %.1f MB\n",
               ready, g.connection_count, g.under_way, g.pending,
               (unsigned long long)g.figures.mailboxes, (unsigned long long)g.figures.messages,
               (unsigned long long)g.figures.bodies, (double)g.figures.body_bytes / 1e6);
}
