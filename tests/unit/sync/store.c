/* See store.h. */
#include "tests/unit/test.h"

#include "tests/unit/sync/store.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

struct store store;

/* ---- what it holds ---- */

static struct store_mailbox *box_new(const char *name)
{
    for (size_t i = 0; i < STORE_MAILBOXES; i++) {
        struct store_mailbox *box = &store.boxes[i];
        if (box->used)
            continue;
        memset(box, 0, sizeof *box);
        snprintf(box->name, sizeof box->name, "%s", name);
        box->used = true;
        box->uidvalidity = (uint32_t)(100 + i);
        box->uidnext = 1;
        return box;
    }
    abort();
}

void store_init(void)
{
    memset(&store, 0, sizeof store);
    pthread_mutex_init(&store.lock, NULL);
    atomic_store(&store.cut_out, -1);
    atomic_store(&store.cut_in, -1);
    box_new("INBOX");
    box_new("Trash");
    box_new("Archive");
}

static void box_free(struct store_mailbox *box)
{
    for (size_t i = 0; i < box->count; i++)
        free(box->messages[i].body);
    box->count = 0;
    box->used = false;
}

void store_free(void)
{
    for (size_t i = 0; i < STORE_MAILBOXES; i++)
        box_free(&store.boxes[i]);
    pthread_mutex_destroy(&store.lock);
}

struct store_mailbox *store_box(const char *name)
{
    for (size_t i = 0; i < STORE_MAILBOXES; i++) {
        if (store.boxes[i].used && strcasecmp(store.boxes[i].name, name) == 0)
            return &store.boxes[i];
    }
    return NULL;
}

static struct store_mailbox *box_of(const char *name)
{
    struct store_mailbox *box = store_box(name);
    if (box == NULL)
        abort();
    return box;
}

static struct stored *stored_new(struct store_mailbox *box, const char *body, size_t len)
{
    if (box->count == STORE_MESSAGES)
        abort();
    struct stored *m = &box->messages[box->count++];
    *m = (struct stored){.uid = box->uidnext++, .body = malloc(len + 1), .len = len};
    memcpy(m->body, body, len);
    m->body[len] = '\0';
    snprintf(m->date, sizeof m->date, "23-Nov-2026 09:14:02 +0000");
    return m;
}

static void stored_remove(struct store_mailbox *box, size_t index)
{
    free(box->messages[index].body);
    box->count--;
    memmove(&box->messages[index], &box->messages[index + 1],
            (box->count - index) * sizeof box->messages[0]);
}

char *store_message(unsigned number, size_t *len)
{
    char *text = malloc(400);
    *len = (size_t)snprintf(text, 400,
                            "From: Jane Doe <jane@example.com>\r\nSubject: message %u\r\n"
                            "Date: Mon, 23 Nov 2026 09:14:02 +0000\r\nMessage-ID: <m%u@example.com>"
                            "\r\n\r\nText of %u.\r\n",
                            number, number, number);
    return text;
}

uint32_t store_add(const char *mailbox, unsigned number)
{
    size_t len;
    char *text = store_message(number, &len);
    pthread_mutex_lock(&store.lock);
    uint32_t uid = stored_new(box_of(mailbox), text, len)->uid;
    pthread_mutex_unlock(&store.lock);
    free(text);
    return uid;
}

static bool is_number(const struct stored *m, unsigned number)
{
    char id[64];
    snprintf(id, sizeof id, "<m%u@example.com>", number);
    return strstr(m->body, id) != NULL;
}

unsigned store_count(const char *mailbox, unsigned number)
{
    unsigned found = 0;
    pthread_mutex_lock(&store.lock);
    for (size_t b = 0; b < STORE_MAILBOXES; b++) {
        struct store_mailbox *box = &store.boxes[b];
        if (!box->used || (mailbox != NULL && strcmp(box->name, mailbox) != 0))
            continue;
        for (size_t i = 0; i < box->count; i++)
            found += is_number(&box->messages[i], number) && !box->messages[i].deleted;
    }
    pthread_mutex_unlock(&store.lock);
    return found;
}

uint32_t store_uid(const char *mailbox, unsigned number)
{
    uint32_t uid = 0;
    pthread_mutex_lock(&store.lock);
    struct store_mailbox *box = box_of(mailbox);
    for (size_t i = 0; i < box->count && uid == 0; i++) {
        if (is_number(&box->messages[i], number))
            uid = box->messages[i].uid;
    }
    pthread_mutex_unlock(&store.lock);
    return uid;
}

bool store_flagged(const char *mailbox, uint32_t uid, const char *flag)
{
    bool is = false;
    pthread_mutex_lock(&store.lock);
    struct store_mailbox *box = box_of(mailbox);
    for (size_t i = 0; i < box->count; i++)
        is |= box->messages[i].uid == uid && strstr(box->messages[i].flags, flag) != NULL;
    pthread_mutex_unlock(&store.lock);
    return is;
}

size_t store_total(const char *mailbox)
{
    pthread_mutex_lock(&store.lock);
    size_t count = box_of(mailbox)->count;
    pthread_mutex_unlock(&store.lock);
    return count;
}

void store_keep(const char *mailbox, size_t count)
{
    pthread_mutex_lock(&store.lock);
    struct store_mailbox *box = box_of(mailbox);
    while (box->count > count)
        stored_remove(box, box->count - 1);
    pthread_mutex_unlock(&store.lock);
}

void store_before(store_fn *before)
{
    pthread_mutex_lock(&store.lock);
    store.before = before;
    pthread_mutex_unlock(&store.lock);
}

void store_after(store_fn *after)
{
    pthread_mutex_lock(&store.lock);
    store.after = after;
    pthread_mutex_unlock(&store.lock);
}

/* ---- the wire ---- */

static bool put(struct session *s, const char *data, size_t len)
{
    long left = atomic_load(&store.cut_out);
    if (left >= 0 && left < (long)len) {
        atomic_store(&store.cut_out, -1);
        atomic_store(&store.was_cut, true);
        session_write(s, data, (size_t)left);
        session_hang_up(s);
        return false;
    }
    if (left >= 0)
        atomic_store(&store.cut_out, left - (long)len);
    return session_write(s, data, len);
}

static bool say(struct session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool say(struct session *s, const char *format, ...)
{
    char text[SERVER_LINE_MAX];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return put(s, text, (size_t)len);
}

/* Bytes of a command were read: false, when that is where it ends. */
static bool got(struct session *s, size_t len)
{
    atomic_fetch_add(&store.bytes_in, len);
    long left = atomic_load(&store.cut_in);
    if (left < 0)
        return true;
    if (left < (long)len) {
        atomic_store(&store.cut_in, -1);
        atomic_store(&store.was_cut, true);
        session_hang_up(s);
        return false;
    }
    atomic_store(&store.cut_in, left - (long)len);
    return true;
}

/* ---- arguments ---- */

/* The next argument, unquoted, of at most STORE_NAME bytes. */
static const char *argument(const char *at, char out[STORE_NAME])
{
    size_t len = 0;
    while (*at == ' ')
        at++;
    bool quoted = *at == '"';
    at += quoted;
    while (*at != '\0' && *at != (quoted ? '"' : ' ')) {
        if (len + 1 < STORE_NAME)
            out[len++] = *at;
        at++;
    }
    out[len] = '\0';
    return at + (quoted && *at == '"');
}

static bool is_heard(const struct session *s, uint32_t uid)
{
    return !store.deaf || uid < s->heard;
}

static bool in_set(const char *set, uint32_t uid)
{
    for (const char *at = set; *at >= '0' && *at <= '9';) {
        char *end;
        uint32_t first = (uint32_t)strtoul(at, &end, 10), last = first;
        if (*end == ':' && end[1] == '*') {
            last = UINT32_MAX;
            end += 2;
        } else if (*end == ':') {
            last = (uint32_t)strtoul(end + 1, &end, 10);
        }
        if (uid >= first && uid <= last)
            return true;
        at = *end == ',' ? end + 1 : end;
    }
    return false;
}

/* ---- commands; all with the lock held ---- */

typedef bool verb_fn(struct session *s, const char *tag, const char *args);

static bool v_capability(struct session *s, const char *tag, const char *args)
{
    return session_send(s, "* CAPABILITY IMAP4rev1 NAMESPACE%s%s%s%s\r\n%s OK done\r\n",
                        store.no_literal_plus ? "" : " LITERAL+", store.no_move ? "" : " MOVE",
                        store.no_uidplus ? "" : " UIDPLUS", store.quota ? " QUOTA" : "", tag);
}

static bool list(struct session *s, const char *tag, bool subscribed, const char *args)
{
    char reference[STORE_NAME], pattern[STORE_NAME];
    argument(argument(args, reference), pattern);
    size_t prefix = strcspn(pattern, "*%");
    for (size_t i = 0; i < STORE_MAILBOXES; i++) {
        struct store_mailbox *box = &store.boxes[i];
        if (!box->used || (subscribed && !box->subscribed) ||
            strncmp(box->name, pattern, prefix) != 0)
            continue;
        say(s, "* %s (%s) \"/\" \"%s\"\r\n", subscribed ? "LSUB" : "LIST",
            strcmp(box->name, "Trash") == 0 ? "\\Trash" : "", box->name);
    }
    return say(s, "%s OK done\r\n", tag);
}

static bool v_list(struct session *s, const char *tag, const char *args)
{
    return list(s, tag, false, args);
}

static bool v_lsub(struct session *s, const char *tag, const char *args)
{
    return list(s, tag, true, args);
}

static bool select_box(struct session *s, const char *tag, const char *args, bool read_only)
{
    char name[STORE_NAME];
    argument(args, name);
    struct store_mailbox *box = store_box(name);
    s->mailbox[0] = '\0';
    if (box == NULL)
        return say(s, "%s NO [NONEXISTENT] no such mailbox\r\n", tag);
    if (!read_only)
        atomic_fetch_add(&store.selects, 1);
    snprintf(s->mailbox, sizeof s->mailbox, "%s", box->name);
    s->heard = box->uidnext;
    if (store.permanent != NULL && !read_only)
        say(s, "* OK [PERMANENTFLAGS (%s)] \r\n", store.permanent);
    return say(s,
               "* %zu EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY %u] \r\n* OK [UIDNEXT %u] \r\n"
               "%s OK [%s] done\r\n",
               box->count, box->uidvalidity, box->uidnext, tag,
               read_only ? "READ-ONLY" : "READ-WRITE");
}

static bool v_select(struct session *s, const char *tag, const char *args)
{
    return select_box(s, tag, args, false);
}

static bool v_examine(struct session *s, const char *tag, const char *args)
{
    return select_box(s, tag, args, true);
}

static bool v_status(struct session *s, const char *tag, const char *args)
{
    char name[STORE_NAME];
    argument(args, name);
    struct store_mailbox *box = store_box(name);
    if (box == NULL)
        return say(s, "%s NO [NONEXISTENT] no such mailbox\r\n", tag);
    return say(s, "* STATUS \"%s\" (MESSAGES %zu UIDNEXT %u UIDVALIDITY %u)\r\n%s OK done\r\n",
               name, box->count, box->uidnext, box->uidvalidity, tag);
}

static void fetch_one(struct session *s, const struct stored *m, size_t index, const char *items)
{
    const char *end = strstr(m->body, "\r\n\r\n");
    int head = end != NULL ? (int)(end - m->body) + 4 : (int)m->len;
    say(s, "* %zu FETCH (UID %u", index + 1, m->uid);
    if (strstr(items, "FLAGS") != NULL)
        say(s, " FLAGS (%s%s%s)", m->flags, m->deleted && m->flags[0] != '\0' ? " " : "",
            m->deleted ? "\\Deleted" : "");
    if (strstr(items, "RFC822.SIZE") != NULL)
        say(s, " RFC822.SIZE %zu", m->len);
    if (strstr(items, "INTERNALDATE") != NULL)
        say(s, " INTERNALDATE \"%s\"", m->date);
    if (strstr(items, "HEADER.FIELDS") != NULL)
        say(s, " BODY[HEADER.FIELDS (DATE)] {%d}\r\n%.*s", head, head, m->body);
    else if (strstr(items, "BODY") != NULL)
        say(s, " BODY[] {%zu}\r\n%s", m->len, m->body);
    say(s, ")\r\n");
}

static bool v_fetch(struct session *s, const char *tag, const char *args)
{
    struct store_mailbox *box = store_box(s->mailbox);
    if (box == NULL)
        return say(s, "%s BAD nothing selected\r\n", tag);
    const char *items = strchr(args, '(');
    for (size_t i = 0; i < box->count; i++) {
        bool last = i + 1 == box->count && strstr(args, ":*") != NULL;
        if (in_set(args, box->messages[i].uid) || last)
            fetch_one(s, &box->messages[i], i, items);
    }
    return say(s, "%s OK done\r\n", tag);
}

static bool transfer(struct session *s, const char *tag, const char *args, bool move)
{
    char set[SERVER_LINE_MAX], name[STORE_NAME], from[SERVER_LINE_MAX] = "",
                                                 to[SERVER_LINE_MAX] = "";
    size_t len = strcspn(args, " ");
    memcpy(set, args, len);
    set[len] = '\0';
    argument(args + len, name);
    struct store_mailbox *box = store_box(s->mailbox), *target = store_box(name);
    atomic_fetch_add(move ? &store.moves : &store.copies, 1);
    if (box == NULL || target == NULL)
        return say(s, "%s NO [TRYCREATE] no such mailbox\r\n", tag);
    for (size_t i = 0; i < box->count; i++) {
        struct stored *m = &box->messages[i];
        if (!in_set(set, m->uid) || !is_heard(s, m->uid))
            continue;
        struct stored *copy = stored_new(target, m->body, m->len);
        memcpy(copy->flags, m->flags, sizeof copy->flags);
        memcpy(copy->date, m->date, sizeof copy->date);
        size_t at = strlen(from), at_to = strlen(to);
        snprintf(from + at, sizeof from - at, "%s%u", at > 0 ? "," : "", m->uid);
        snprintf(to + at_to, sizeof to - at_to, "%s%u", at_to > 0 ? "," : "", copy->uid);
        m->date[0] = move ? '\0' : m->date[0]; /* marks it */
    }
    bool told = !store.no_uidplus && !store.mute_copyuid;
    if (move && told)
        say(s, store.bare_copyuid ? "[COPYUID %u %s %s]\r\n" : "* OK [COPYUID %u %s %s] moved\r\n",
            target->uidvalidity, from, to);
    for (size_t i = 0; i < box->count;) {
        if (move && box->messages[i].date[0] == '\0') {
            stored_remove(box, i);
            say(s, "* %zu EXPUNGE\r\n", i + 1);
        } else {
            i++;
        }
    }
    if (!move && told && from[0] != '\0')
        return say(s, "%s OK [COPYUID %u %s %s] done\r\n", tag, target->uidvalidity, from, to);
    return say(s, "%s OK done\r\n", tag);
}

static bool v_copy(struct session *s, const char *tag, const char *args)
{
    return transfer(s, tag, args, false);
}

static bool v_move(struct session *s, const char *tag, const char *args)
{
    return transfer(s, tag, args, true);
}

static void set_flags(struct stored *m, const char *how, const char *list)
{
    bool deleted = strstr(list, "\\Deleted") != NULL;
    if (how[0] == '+') {
        m->deleted |= deleted;
        if (!deleted && strstr(m->flags, list) == NULL) {
            size_t at = strlen(m->flags);
            snprintf(m->flags + at, sizeof m->flags - at, "%s%s", at > 0 ? " " : "", list);
        }
    } else if (how[0] == '-') {
        char *at = strstr(m->flags, list);
        if (at != NULL)
            memmove(at, at + strlen(list), strlen(at + strlen(list)) + 1);
    } else {
        snprintf(m->flags, sizeof m->flags, "%s", list);
    }
}

static bool v_store(struct session *s, const char *tag, const char *args)
{
    struct store_mailbox *box = box_of(s->mailbox);
    const char *how = strchr(args, ' ') + 1, *open = strchr(how, '(');
    char listed[128];
    snprintf(listed, sizeof listed, "%s", open != NULL ? open + 1 : "");
    listed[strcspn(listed, ")")] = '\0';
    atomic_fetch_add(&store.stores, 1);
    bool deaf = atomic_load(&store.deaf_stores) > 0;
    atomic_fetch_sub(&store.deaf_stores, deaf);
    for (size_t i = 0; i < box->count && !deaf; i++) {
        if (in_set(args, box->messages[i].uid) && is_heard(s, box->messages[i].uid))
            set_flags(&box->messages[i], how, listed);
    }
    return say(s, "%s OK STORE completed.\r\n", tag);
}

static bool expunge(struct session *s, const char *tag, const char *set)
{
    struct store_mailbox *box = box_of(s->mailbox);
    atomic_fetch_add(&store.expunges, 1);
    if (atomic_load(&store.expunge_fails) > 0) {
        atomic_fetch_sub(&store.expunge_fails, 1);
        return say(s, "%s NO EXPUNGE failed\r\n", tag);
    }
    for (size_t i = 0; i < box->count;) {
        struct stored *m = &box->messages[i];
        if (m->deleted && (set == NULL || in_set(set, m->uid)) && is_heard(s, m->uid)) {
            stored_remove(box, i);
            say(s, "* %zu EXPUNGE\r\n", i + 1);
        } else {
            i++;
        }
    }
    return say(s, "%s OK done\r\n", tag);
}

static bool v_uid_expunge(struct session *s, const char *tag, const char *args)
{
    return expunge(s, tag, args);
}

static bool v_expunge(struct session *s, const char *tag, const char *args)
{
    return expunge(s, tag, NULL);
}

/* DELETED, or UID with a range. */
static bool v_search(struct session *s, const char *tag, const char *args)
{
    struct store_mailbox *box = box_of(s->mailbox);
    unsigned first = 0, last = 0;
    bool range = sscanf(args, "UID %u:%u", &first, &last) == 2;
    say(s, "* SEARCH");
    for (size_t i = 0; i < box->count; i++) {
        uint32_t uid = box->messages[i].uid;
        if (range ? first <= uid && uid <= last : box->messages[i].deleted)
            say(s, " %u", box->messages[i].uid);
    }
    return say(s, "\r\n%s OK done\r\n", tag);
}

static bool v_noop(struct session *s, const char *tag, const char *args)
{
    struct store_mailbox *box = store_box(s->mailbox);
    if (box != NULL) {
        s->heard = box->uidnext;
        say(s, "* %zu EXISTS\r\n", box->count);
    }
    return say(s, "%s OK done\r\n", tag);
}

static bool v_create(struct session *s, const char *tag, const char *args)
{
    char name[STORE_NAME];
    argument(args, name);
    if (store_box(name) != NULL)
        return say(s, "%s NO [ALREADYEXISTS] it is there\r\n", tag);
    box_new(name);
    return say(s, "%s OK done\r\n", tag);
}

static bool v_delete(struct session *s, const char *tag, const char *args)
{
    char name[STORE_NAME];
    argument(args, name);
    struct store_mailbox *box = store_box(name);
    if (box == NULL)
        return say(s, "%s NO [NONEXISTENT] no such mailbox\r\n", tag);
    box_free(box);
    return say(s, "%s OK done\r\n", tag);
}

static bool v_rename(struct session *s, const char *tag, const char *args)
{
    char from[STORE_NAME], to[STORE_NAME];
    argument(argument(args, from), to);
    struct store_mailbox *box = store_box(from);
    if (box == NULL)
        return say(s, "%s NO [NONEXISTENT] no such mailbox\r\n", tag);
    snprintf(box->name, sizeof box->name, "%s", to);
    return say(s, "%s OK done\r\n", tag);
}

static bool subscribe(struct session *s, const char *tag, const char *args, bool subscribed)
{
    char name[STORE_NAME];
    argument(args, name);
    struct store_mailbox *box = store_box(name);
    if (box != NULL)
        box->subscribed = subscribed;
    return say(s, "%s OK done\r\n", tag);
}

static bool v_subscribe(struct session *s, const char *tag, const char *args)
{
    return subscribe(s, tag, args, true);
}

static bool v_unsubscribe(struct session *s, const char *tag, const char *args)
{
    return subscribe(s, tag, args, false);
}

static bool v_quota(struct session *s, const char *tag, const char *args)
{
    atomic_fetch_add(&store.quotas, 1);
    return say(s, "* QUOTAROOT INBOX \"\"\r\n* QUOTA \"\" (STORAGE 10 100)\r\n%s OK done\r\n", tag);
}

/* The literal is read before the lock is taken. */
static bool append(struct session *s, const char *tag, const char *args)
{
    char name[STORE_NAME];
    const char *rest = argument(args, name), *brace = strrchr(args, '{');
    if (brace == NULL)
        return say(s, "%s BAD no literal\r\n", tag);
    size_t len = strtoul(brace + 1, NULL, 10);
    bool plus = strchr(brace, '+') != NULL;
    char *body = malloc(len + 1);
    if (!plus && !say(s, "+ Ready for additional command text.\r\n")) {
        free(body);
        return true;
    }
    for (size_t at = 0; at < len; at++) {
        if (!session_read(s, body + at, 1) || !got(s, 1)) {
            free(body);
            session_hang_up(s);
            return true;
        }
    }
    char end[2];
    bool whole = session_read(s, end, 2);
    pthread_mutex_lock(&store.lock);
    struct store_mailbox *box = store_box(name);
    atomic_fetch_add(&store.appends, 1);
    if (!whole || box == NULL) {
        if (whole)
            say(s, "%s NO [TRYCREATE] no such mailbox\r\n", tag);
    } else {
        struct stored *m = stored_new(box, body, len);
        const char *date = strchr(rest, '"'), *open = strchr(rest, '(');
        if (date != NULL)
            snprintf(m->date, sizeof m->date, "%.*s", (int)strcspn(date + 1, "\""), date + 1);
        if (open != NULL)
            snprintf(m->flags, sizeof m->flags, "%.*s", (int)strcspn(open + 1, ")"), open + 1);
        if (store.no_uidplus)
            say(s, "%s OK done\r\n", tag);
        else
            say(s, "* %zu EXISTS\r\n%s OK [APPENDUID %u %u] APPEND completed.\r\n", box->count, tag,
                box->uidvalidity, m->uid);
    }
    pthread_mutex_unlock(&store.lock);
    free(body);
    return true;
}

static const struct {
    const char *verb;
    verb_fn *run;
} verbs[] = {
    {"CAPABILITY",   v_capability },
    {"LIST ",        v_list       },
    {"LSUB ",        v_lsub       },
    {"SELECT ",      v_select     },
    {"EXAMINE ",     v_examine    },
    {"STATUS ",      v_status     },
    {"UID FETCH ",   v_fetch      },
    {"UID COPY ",    v_copy       },
    {"UID MOVE ",    v_move       },
    {"UID STORE ",   v_store      },
    {"UID EXPUNGE ", v_uid_expunge},
    {"UID SEARCH ",  v_search     },
    {"EXPUNGE",      v_expunge    },
    {"NOOP",         v_noop       },
    {"CREATE ",      v_create     },
    {"DELETE ",      v_delete     },
    {"RENAME ",      v_rename     },
    {"SUBSCRIBE ",   v_subscribe  },
    {"UNSUBSCRIBE ", v_unsubscribe},
    {"GETQUOTAROOT", v_quota      },
};

static bool refused(struct session *s, const char *tag, const char *command)
{
    if (store.refuse_verb == NULL ||
        strncasecmp(command, store.refuse_verb, strlen(store.refuse_verb)) != 0 ||
        atomic_load(&store.refuse_times) <= 0)
        return false;
    atomic_fetch_sub(&store.refuse_times, 1);
    if (strncasecmp(command, "APPEND", 6) == 0 && strchr(command, '+') != NULL) {
        size_t len = strtoul(strrchr(command, '{') + 1, NULL, 10);
        char byte;
        for (size_t i = 0; i < len + 2; i++)
            session_read(s, &byte, 1);
    }
    say(s, "%s %s\r\n", tag, store.refuse_reply);
    return true;
}

bool store_answer(struct session *s, const char *tag, const char *command)
{
    size_t len = strlen(tag) + strlen(command) + 3;
    if (atomic_load(&store.down)) {
        session_hang_up(s);
        return true;
    }
    if (strncasecmp(command, "LOGIN", 5) == 0 || strncasecmp(command, "NAMESPACE", 9) == 0)
        return false;
    if (len > atomic_load(&store.longest_line))
        atomic_store(&store.longest_line, (unsigned)len);
    atomic_fetch_add(&store.commands, 1);
    if (!got(s, len))
        return true;
    if (store.delay_ms > 0)
        usleep(store.delay_ms * 1000);
    if (refused(s, tag, command))
        return true;
    if (strncasecmp(command, "APPEND ", 7) == 0)
        return append(s, tag, command + 7);
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strncasecmp(command, verbs[i].verb, strlen(verbs[i].verb)) != 0)
            continue;
        pthread_mutex_lock(&store.lock);
        if (store.before != NULL)
            store.before(&store, command);
        verbs[i].run(s, tag, command + strlen(verbs[i].verb));
        if (store.after != NULL)
            store.after(&store, command);
        pthread_mutex_unlock(&store.lock);
        return true;
    }
    return false;
}
