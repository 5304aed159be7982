/*
 * See keyring.h: where the bus is, and the bound.
 *
 * libsecret and GDBus block, in many round trips. So each question has a thread of its own, and the
 * caller waits for it 4.5 s, then cancels it and waits half a second more. What cannot be cancelled
 * is a bus that accepts and authenticates us and then does not answer the first call (GDBus waits
 * 25 s for that): then the thread is left to itself. What it works on is the question's, never the
 * caller's, and whoever of the two is done last frees it.
 *
 * The thread has all signals blocked, and so have those that GLib starts from it and never ends
 * (they sleep): a signal for the process must not be taken there.
 *
 * Only a bus at a Unix socket counts. `autolaunch:` would start one, and a key does not travel over
 * TCP. Of the two places, the second counts only where it is this user's own: a sudo that keeps the
 * caller's environment must not leave a key in another's keyring.
 */
#include "auth/keyring.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/keyring_service.h"
#include "base/clock.h"
#include "base/condition.h"

enum { GRACE_MS = 500 };

const char *auth_keyring_cause(enum auth_keyring_error error)
{
    static const char *const causes[] = {
        [AUTH_KEYRING_OK] = "the keyring gave the key",
        [AUTH_KEYRING_NO_BUS] = "there is no session bus to a keyring",
        [AUTH_KEYRING_NO_SERVICE] = "no keyring runs in this session",
        [AUTH_KEYRING_NO_COLLECTION] = "the keyring has no default collection",
        [AUTH_KEYRING_LOCKED] = "the keyring is locked",
        [AUTH_KEYRING_NO_KEY] = "the keyring has no key for it",
        [AUTH_KEYRING_SILENT] = "the keyring does not answer",
        [AUTH_KEYRING_FAILED] = "the keyring fails",
    };
    return causes[error];
}

/* ---- the bus ---- */

static bool all_unix(const char *addresses)
{
    static const char scheme[] = "unix:";
    for (const char *at = addresses; at != NULL; at = strchr(at, ';')) {
        at += *at == ';';
        if (strncmp(at, scheme, sizeof scheme - 1) != 0)
            return false;
    }
    return true;
}

static char *runtime_bus(void)
{
    struct stat st;
    char *path = NULL;
    char *address = NULL;
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    if (runtime == NULL || runtime[0] != '/' || asprintf(&path, "%s/bus", runtime) < 0)
        return NULL;
    if (stat(path, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_uid == geteuid()) {
        char *escaped = g_dbus_address_escape_value(path);
        if (asprintf(&address, "unix:path=%s", escaped) < 0)
            address = NULL;
        g_free(escaped);
    }
    free(path);
    return address;
}

/* Where the session bus is; the caller frees it. NULL: there is none. */
static char *bus_address(void)
{
    const char *given = getenv("DBUS_SESSION_BUS_ADDRESS");
    if (given == NULL || given[0] == '\0')
        return runtime_bus();
    return all_unix(given) ? strdup(given) : NULL;
}

/* ---- the question and its thread ---- */

struct question {
    enum auth_keyring_request request; /* these four never change */
    char *address, *account;
    GCancellable *cancel;
    pthread_mutex_t lock;
    pthread_cond_t over;
    bool done; /* these five are protected by lock */
    bool abandoned;
    enum auth_keyring_error result;
    unsigned char key[AUTH_SEAL_KEY];
};

static void question_free(struct question *q)
{
    explicit_bzero(q->key, sizeof q->key);
    if (q->cancel != NULL)
        g_object_unref(q->cancel);
    pthread_cond_destroy(&q->over);
    pthread_mutex_destroy(&q->lock);
    free(q->address);
    free(q->account);
    free(q);
}

/* Takes `address`. */
static struct question *question_new(char *address, enum auth_keyring_request request,
                                     const char *account)
{
    struct question *q = calloc(1, sizeof *q);
    if (q == NULL) {
        free(address);
        return NULL;
    }
    pthread_mutex_init(&q->lock, NULL);
    condition_init(&q->over);
    q->request = request;
    q->address = address;
    q->account = strdup(account);
    q->cancel = g_cancellable_new();
    if (q->account != NULL)
        return q;
    question_free(q);
    return NULL;
}

static void *run(void *arg)
{
    struct question *q = arg;
    unsigned char key[AUTH_SEAL_KEY] = {0};
    enum auth_keyring_error result =
        auth_keyring_service_ask(q->address, q->request, q->account, q->cancel, key);
    pthread_mutex_lock(&q->lock);
    memcpy(q->key, key, sizeof key);
    explicit_bzero(key, sizeof key);
    q->result = result;
    q->done = true;
    bool abandoned = q->abandoned;
    pthread_cond_signal(&q->over);
    pthread_mutex_unlock(&q->lock);
    if (abandoned)
        question_free(q);
    return NULL;
}

static bool start(struct question *q, pthread_t *thread)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(thread, NULL, run, q) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

/* With the lock held. */
static void wait_done(struct question *q, int ms)
{
    int64_t until = clock_ms() + ms;
    while (!q->done && condition_wait(&q->over, &q->lock, until))
        continue;
}

/* Waits for the answer, within the bound, and frees the question unless its thread will. */
static enum auth_keyring_error await(struct question *q, pthread_t thread, unsigned char *key)
{
    enum auth_keyring_error result = AUTH_KEYRING_SILENT;
    pthread_mutex_lock(&q->lock);
    wait_done(q, AUTH_KEYRING_WAIT_MS - GRACE_MS);
    if (!q->done) {
        pthread_mutex_unlock(&q->lock);
        g_cancellable_cancel(q->cancel);
        pthread_mutex_lock(&q->lock);
        wait_done(q, GRACE_MS);
    }
    bool done = q->done;
    if (done && q->result == AUTH_KEYRING_OK)
        memcpy(key, q->key, sizeof q->key);
    if (done)
        result = q->result;
    else
        pthread_detach(thread);
    q->abandoned = !done;
    pthread_mutex_unlock(&q->lock);
    if (done) {
        pthread_join(thread, NULL);
        question_free(q);
    }
    return result;
}

enum auth_keyring_error auth_keyring_ask(enum auth_keyring_request request, const char *account,
                                         unsigned char key[AUTH_SEAL_KEY])
{
    static _Atomic pid_t asked; /* the process in which GDBus has its threads; 0: none yet */
    pthread_t thread;
    pid_t none = 0;
    char *address = bus_address();
    if (address == NULL)
        return AUTH_KEYRING_NO_BUS;
    if (!atomic_compare_exchange_strong(&asked, &none, getpid()) && none != getpid()) {
        free(address);
        return AUTH_KEYRING_FAILED;
    }
    struct question *q = question_new(address, request, account);
    if (q == NULL)
        return AUTH_KEYRING_FAILED;
    if (!start(q, &thread)) {
        question_free(q);
        return AUTH_KEYRING_FAILED;
    }
    return await(q, thread, key);
}
