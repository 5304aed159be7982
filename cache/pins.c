/* See pins.h. An entry lives while it is held, condemned or doomed. */
#include "cache/pins.h"

#include <stdlib.h>
#include <string.h>

void pins_init(struct pins *pins)
{
    memset(pins, 0, sizeof *pins);
    pthread_mutex_init(&pins->lock, NULL);
}

void pins_destroy(struct pins *pins)
{
    for (unsigned i = 0; i < PINS_BUCKETS; i++)
        while (pins->buckets[i] != NULL) {
            struct pin *pin = pins->buckets[i];
            pins->buckets[i] = pin->next;
            free(pin);
        }
    pthread_mutex_destroy(&pins->lock);
}

static struct pin **slot_of(struct pins *pins, int64_t message)
{
    struct pin **slot = &pins->buckets[(uint64_t)message % PINS_BUCKETS];
    while (*slot != NULL && (*slot)->message != message)
        slot = &(*slot)->next;
    return slot;
}

static struct pin *find_or_add(struct pins *pins, int64_t message)
{
    struct pin **slot = slot_of(pins, message);
    if (*slot == NULL) {
        *slot = calloc(1, sizeof **slot);
        if (*slot != NULL)
            (*slot)->message = message;
    }
    return *slot;
}

static void drop_unused(struct pins *pins, int64_t message)
{
    struct pin **slot = slot_of(pins, message);
    struct pin *pin = *slot;
    if (pin == NULL || pin->holders > 0 || pin->condemned || pin->doomed)
        return;
    *slot = pin->next;
    free(pin);
}

enum pins_hold pins_hold(struct pins *pins, int64_t message, int64_t *body, uint64_t *size)
{
    enum pins_hold result = PINS_NO_MEMORY;
    pthread_mutex_lock(&pins->lock);
    struct pin *pin = find_or_add(pins, message);
    if (pin != NULL && (pin->condemned || (pin->doomed && pin->holders == 0))) {
        result = PINS_REFUSED;
    } else if (pin != NULL) {
        pin->holders++;
        *body = pin->body;
        *size = pin->size;
        result = pin->body != 0 ? PINS_KNOWN : PINS_UNKNOWN;
    }
    pthread_mutex_unlock(&pins->lock);
    return result;
}

void pins_resolve(struct pins *pins, int64_t message, int64_t body, uint64_t size)
{
    pthread_mutex_lock(&pins->lock);
    struct pin *pin = *slot_of(pins, message);
    if (pin != NULL) {
        pin->body = body;
        pin->size = size;
    }
    pthread_mutex_unlock(&pins->lock);
}

bool pins_find(struct pins *pins, int64_t message, int64_t *body, uint64_t *size)
{
    pthread_mutex_lock(&pins->lock);
    struct pin *pin = *slot_of(pins, message);
    bool held = pin != NULL && pin->holders > 0 && pin->body != 0;
    if (held) {
        *body = pin->body;
        *size = pin->size;
    }
    pthread_mutex_unlock(&pins->lock);
    return held;
}

bool pins_release(struct pins *pins, int64_t message)
{
    bool doomed = false;
    pthread_mutex_lock(&pins->lock);
    struct pin *pin = *slot_of(pins, message);
    if (pin != NULL && pin->holders > 0 && --pin->holders == 0) {
        doomed = pin->doomed;
        pins->doomed_ready += doomed ? 1 : 0;
        drop_unused(pins, message);
    }
    pthread_mutex_unlock(&pins->lock);
    return doomed;
}

static void condemn(struct pins *pins, struct pin *pin)
{
    if (pin->condemned)
        return;
    pin->condemned = true;
    pin->next_condemned = pins->condemned;
    pins->condemned = pin;
}

enum pins_fate pins_condemn(struct pins *pins, int64_t message, bool gone)
{
    enum pins_fate fate = PINS_FATE_NO_MEMORY;
    pthread_mutex_lock(&pins->lock);
    struct pin *pin = find_or_add(pins, message);
    if (pin != NULL && pin->holders > 0) {
        pins->doomed_count += gone && !pin->doomed;
        pin->doomed = pin->doomed || gone;
        fate = PINS_HELD;
    } else if (pin != NULL) {
        condemn(pins, pin);
        fate = PINS_CONDEMNED;
    }
    pthread_mutex_unlock(&pins->lock);
    return fate;
}

void pins_forgive(struct pins *pins)
{
    pthread_mutex_lock(&pins->lock);
    while (pins->condemned != NULL) {
        struct pin *pin = pins->condemned;
        pins->condemned = pin->next_condemned;
        pin->condemned = false;
        pins->doomed_count -= pin->dying;
        pin->dying = false;
        drop_unused(pins, pin->message);
    }
    pthread_mutex_unlock(&pins->lock);
}

bool pins_take_doomed(struct pins *pins, int64_t *message)
{
    struct pin *found = NULL;
    pthread_mutex_lock(&pins->lock);
    for (unsigned i = 0; pins->doomed_ready > 0 && found == NULL && i < PINS_BUCKETS; i++)
        for (struct pin *pin = pins->buckets[i]; pin != NULL && found == NULL; pin = pin->next)
            if (pin->doomed && pin->holders == 0)
                found = pin;
    if (found != NULL) {
        *message = found->message;
        pins->doomed_ready--;
        found->doomed = false;
        found->dying = true;
        condemn(pins, found);
    }
    pthread_mutex_unlock(&pins->lock);
    return found != NULL;
}

bool pins_any_doomed(struct pins *pins)
{
    pthread_mutex_lock(&pins->lock);
    bool any = pins->doomed_count > 0;
    pthread_mutex_unlock(&pins->lock);
    return any;
}

bool pins_stamp(struct pins *pins, int64_t body, int64_t hour)
{
    pthread_mutex_lock(&pins->lock);
    if (pins->stamp_count < PINS_STAMPS)
        pins->stamps[pins->stamp_count++] = (struct stamp){body, hour};
    bool half = pins->stamp_count >= PINS_STAMPS / 2;
    pthread_mutex_unlock(&pins->lock);
    return half;
}

unsigned pins_take_stamps(struct pins *pins, struct stamp *stamps, unsigned max)
{
    pthread_mutex_lock(&pins->lock);
    unsigned taken = pins->stamp_count < max ? pins->stamp_count : max;
    pins->stamp_count -= taken;
    memcpy(stamps, pins->stamps + pins->stamp_count, taken * sizeof *stamps);
    pthread_mutex_unlock(&pins->lock);
    return taken;
}
