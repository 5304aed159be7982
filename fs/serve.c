/*
 * Serving, and the order in which it ends.
 *
 * fs_serve runs libfuse's loop: its worker threads call the callbacks. fs_exit (any thread, and the
 * signal handler) only posts a semaphore. The closer, a thread of its own, takes it from there
 * while the workers still answer requests: it has every waiting request
 * answered, waits for what sync is
 * publishing, and joins the notifier. That order matters: the notifier may stand in the kernel
 * behind a directory's lock whose holder waits for our answer, and would never come back once
 * nobody answers.
 *
 * Then the loop is told to end. It sits in sem_wait, which looks at the session only when a signal
 * interrupts it (libfuse expects the handler to run on that very thread; with threads of our own,
 * the kernel may pick another): so the closer sends it SIGTERM until it is out.
 */
#include "fs/internal.h"
#include "fs/searches.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "base/log.h"

enum {
    WORKERS = 10,
    ERRANDS_MS = 10000, /* what is being published when the mount ends */
};

static const int leaving_signals[] = {SIGTERM, SIGINT, SIGHUP};
enum { LEAVING_SIGNALS = sizeof(leaving_signals) / sizeof(leaving_signals[0]) };

struct dispositions {
    struct sigaction leaving[LEAVING_SIGNALS], pipe;
    sigset_t mask;
};

/* The fs that a signal ends. */
static _Atomic(struct fs *) serving;

void fs_exit(struct fs *fs)
{
    sem_post(&fs->leave);
}

static void on_signal(int number)
{
    int saved = errno;
    struct fs *fs = atomic_load(&serving);

    if (fs != NULL)
        fs_exit(fs);
    errno = saved;
}

/* Without SA_RESTART, so that sem_wait ends. What is ignored (nohup, a shell's background job)
 * stays so, but for SIGTERM, which the closer needs. */
static void signals_take(struct dispositions *old)
{
    struct sigaction leave = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN};
    sigset_t set;

    sigemptyset(&set);
    for (int i = 0; i < LEAVING_SIGNALS; i++) {
        sigaddset(&set, leaving_signals[i]);
        sigaction(leaving_signals[i], NULL, &old->leaving[i]);
        if (leaving_signals[i] == SIGTERM || old->leaving[i].sa_handler != SIG_IGN)
            sigaction(leaving_signals[i], &leave, NULL);
    }
    sigaction(SIGPIPE, &ignore, &old->pipe);
    pthread_sigmask(SIG_UNBLOCK, &set, &old->mask);
}

static void signals_give_back(const struct dispositions *old)
{
    pthread_sigmask(SIG_SETMASK, &old->mask, NULL);
    for (int i = 0; i < LEAVING_SIGNALS; i++)
        sigaction(leaving_signals[i], &old->leaving[i], NULL);
    sigaction(SIGPIPE, &old->pipe, NULL);
}

void serve_settle(struct fs *fs)
{
    whole_halt(fs->whole);
    waits_close(&fs->waits);
    searches_close(fs->searches);
    errands_settle(fs, ERRANDS_MS);
    bridge_cut(fs->bridge);
    notifier_halt(fs->notifier);
    events_halt(fs->events);
    raise_end(fs);
    moved_told(fs, 0, false);
}

static void *closer_main(void *arg)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    struct fs *fs = arg;

    while (sem_wait(&fs->leave) != 0)
        continue;
    serve_settle(fs);
    fuse_session_exit(fs->session);
    while (!atomic_load(&fs->served)) {
        pthread_kill(fs->server, SIGTERM);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static int run_loop(struct fs *fs)
{
    struct fuse_loop_config *config = fuse_loop_cfg_create();
    int error;

    if (config == NULL)
        return ENOMEM;
    fuse_loop_cfg_set_clone_fd(config, 0);
    fuse_loop_cfg_set_idle_threads(config, WORKERS);
    fuse_loop_cfg_set_max_threads(config, WORKERS);
    error = fuse_session_loop_mt(fs->session, config);
    fuse_loop_cfg_destroy(config);
    return error < 0 ? -error : 0;
}

/* The handlers stand before the closer runs and until it is gone: its SIGTERM must find one. */
int fs_serve(struct fs *fs)
{
    struct dispositions old;
    pthread_t closer;
    int error;

    fs->server = pthread_self();
    atomic_store(&fs->served, false);
    atomic_store(&serving, fs);
    signals_take(&old);
    error = pthread_create(&closer, NULL, closer_main, fs);
    if (error == 0) {
        error = run_loop(fs);
        atomic_store(&fs->served, true);
        sem_post(&fs->leave);
        pthread_join(closer, NULL);
    }
    atomic_store(&serving, NULL);
    signals_give_back(&old);
    log_debug("service ended: %s", error == 0 ? "as asked" : strerror(error));
    return error;
}
