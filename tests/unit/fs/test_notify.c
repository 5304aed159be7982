/* The notifier's queue, with a kernel that is slow to take notices. */
#include "tests/unit/test.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "fs/notify.h"

struct kernel {
    pthread_mutex_t lock;
    bool slow; /* protected by lock, as all below: notices wait until it ends */
    unsigned directories, attributes, gone, everything;
    unsigned refusals; /* so many names, less one, are to come again */
    char last_name[200];
};

static void enter(struct kernel *k)
{
    pthread_mutex_lock(&k->lock);
    while (k->slow) {
        pthread_mutex_unlock(&k->lock);
        usleep(1000);
        pthread_mutex_lock(&k->lock);
    }
}

static void on_directory(void *ctx, uint64_t ino)
{
    struct kernel *k = ctx;

    enter(k);
    k->directories++;
    pthread_mutex_unlock(&k->lock);
}

static void on_attributes(void *ctx, uint64_t ino)
{
    struct kernel *k = ctx;

    enter(k);
    k->attributes++;
    pthread_mutex_unlock(&k->lock);
}

static bool on_gone(void *ctx, uint64_t parent, uint64_t ino, const char *name)
{
    struct kernel *k = ctx;
    bool refused;

    enter(k);
    k->gone++;
    snprintf(k->last_name, sizeof(k->last_name), "%s", name);
    k->refusals -= k->refusals > 0;
    refused = k->refusals > 0;
    pthread_mutex_unlock(&k->lock);
    return !refused;
}

static void on_everything(void *ctx)
{
    struct kernel *k = ctx;

    enter(k);
    k->everything++;
    pthread_mutex_unlock(&k->lock);
}

static struct notifier *start(struct kernel *k)
{
    const struct notify_ops ops = {.ctx = k,
                                   .directory = on_directory,
                                   .attributes = on_attributes,
                                   .gone = on_gone,
                                   .everything = on_everything};

    *k = (struct kernel){.lock = PTHREAD_MUTEX_INITIALIZER};
    return notifier_start(&ops);
}

static void set_slow(struct kernel *k, bool slow)
{
    pthread_mutex_lock(&k->lock);
    k->slow = slow;
    pthread_mutex_unlock(&k->lock);
}

/* Waits up to 2 s until *count (protected by the lock) is at least `least`. */
static bool reaches(struct kernel *k, const unsigned *count, unsigned least)
{
    for (int i = 0; i < 400; i++) {
        pthread_mutex_lock(&k->lock);
        bool there = *count >= least;
        pthread_mutex_unlock(&k->lock);
        if (there)
            return true;
        usleep(5000);
    }
    return false;
}

static void repeated_directories_collapse(void **state)
{
    struct kernel k;
    struct notifier *n = start(&k);

    for (int i = 0; i < 10000; i++)
        notify_directory(n, 7);
    notify_directory(n, 8);
    assert_true(reaches(&k, &k.directories, 2));
    usleep(100000);
    notifier_stop(&n);
    assert_true(k.directories <= 4);
    assert_int_equal(k.everything, 0);
}

static void single_notices_all_arrive(void **state)
{
    struct kernel k;
    struct notifier *n = start(&k);
    char name[20];

    for (unsigned i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "n%u", i);
        notify_gone(n, 5, 100 + i, name);
        notify_attributes(n, i + 1);
    }
    assert_true(reaches(&k, &k.gone, 1000) && reaches(&k, &k.attributes, 1000));
    assert_true(reaches(&k, &k.directories, 1));
    notifier_stop(&n);
    assert_string_equal(k.last_name, "n999");
    assert_int_equal(k.everything, 0);
}

static void refused_comes_again(void **state)
{
    struct kernel k;
    struct notifier *n = start(&k);

    k.refusals = 4;
    notify_gone(n, 5, 6, "held");
    assert_true(reaches(&k, &k.gone, 4));
    usleep(100000);
    notifier_stop(&n);
    assert_int_equal(k.gone, 4);
    assert_string_equal(k.last_name, "held");
}

static void too_many_become_one(void **state)
{
    struct kernel k;
    struct notifier *n = start(&k);

    set_slow(&k, true);
    for (unsigned i = 0; i < 20000; i++)
        notify_gone(n, 5, 100 + i, "x");
    set_slow(&k, false);
    assert_true(reaches(&k, &k.everything, 1));
    notify_gone(n, 5, 1, "after");
    usleep(100000);
    notifier_stop(&n);
    assert_true(k.gone < 5000);
    assert_int_equal(k.everything, 1);
    assert_string_equal(k.last_name, "after");
}

static void too_many_directories_become_one(void **state)
{
    struct kernel k;
    struct notifier *n = start(&k);

    set_slow(&k, true);
    for (unsigned i = 0; i < 20000; i++)
        notify_directory(n, 100 + i);
    set_slow(&k, false);
    assert_true(reaches(&k, &k.everything, 1));
    notifier_stop(&n);
}

static void stops_with_work_left(void **state)
{
    struct kernel k;
    struct notifier *n = start(&k);

    for (unsigned i = 0; i < 3000; i++)
        notify_attributes(n, i + 1);
    notifier_stop(&n);
    assert_null(n);
    notifier_stop(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repeated_directories_collapse),
        cmocka_unit_test(single_notices_all_arrive),
        cmocka_unit_test(refused_comes_again),
        cmocka_unit_test(too_many_become_one),
        cmocka_unit_test(too_many_directories_become_one),
        cmocka_unit_test(stops_with_work_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
