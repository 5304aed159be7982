/*
 * Which bodies are being read, and which are on their way out: the agreement between readers, who
 * pin, and the writer, who removes. Holds what is in use now, nothing of the rest of the cache.
 *
 * A body is removed in two steps: the writer condemns it, which only works while nobody has pinned
 * it, and forgives all when the transaction is over; in between a pin finds the body absent. So a
 * reader never holds what a transaction under way deletes. A pinned body whose message goes is
 * doomed instead: its last unpin asks the writer for the removal.
 *
 * The last-use stamps that a pin leaves gather here too, until the writer takes them.
 */
#ifndef OUTLOOKFS_CACHE_PINS_H
#define OUTLOOKFS_CACHE_PINS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum { PINS_BUCKETS = 1024, PINS_STAMPS = 4096 };

struct pin {
    struct pin *next;
    struct pin *next_condemned;
    int64_t message;
    int64_t body; /* 0: not looked up yet */
    uint64_t size;
    unsigned holders;
    bool condemned, doomed;
    bool dying; /* condemned because it was doomed */
};

struct stamp {
    int64_t body, hour;
};

struct pins {
    pthread_mutex_t lock;
    struct pin *buckets[PINS_BUCKETS]; /* protected by lock, as all below */
    struct pin *condemned;             /* those of the transaction under way */
    unsigned doomed_ready;             /* doomed and no longer held */
    unsigned doomed_count;             /* doomed, until their bodies are gone */
    struct stamp stamps[PINS_STAMPS];
    unsigned stamp_count;
};

void pins_init(struct pins *pins);
void pins_destroy(struct pins *pins);

enum pins_hold { PINS_KNOWN, PINS_UNKNOWN, PINS_REFUSED, PINS_NO_MEMORY };
/* Holds the body of `message`. PINS_KNOWN: *body and *size are filled in. PINS_UNKNOWN: held, but
 * the caller has to look whether it exists, then call pins_resolve or pins_release. */
enum pins_hold pins_hold(struct pins *pins, int64_t message, int64_t *body, uint64_t *size);
void pins_resolve(struct pins *pins, int64_t message, int64_t body, uint64_t size);
/* What is held: false when it is not. */
bool pins_find(struct pins *pins, int64_t message, int64_t *body, uint64_t *size);
/* True: the writer has a doomed body to remove. */
bool pins_release(struct pins *pins, int64_t message);

enum pins_fate { PINS_CONDEMNED, PINS_HELD, PINS_FATE_NO_MEMORY };
/* Writer: may the body of `message` be deleted in this transaction? PINS_HELD: no; with `gone` it
 * is doomed then. */
enum pins_fate pins_condemn(struct pins *pins, int64_t message, bool gone);
/* Writer: the transaction is over, either way. */
void pins_forgive(struct pins *pins);
/* Writer: takes one doomed body that nobody holds any more; it is condemned. */
bool pins_take_doomed(struct pins *pins, int64_t *message);

/* Whether there is a body left whose message is gone. */
bool pins_any_doomed(struct pins *pins);

/* Notes a use; true when the room for stamps is half full. */
bool pins_stamp(struct pins *pins, int64_t body, int64_t hour);
/* Writer: takes up to `max` stamps. */
unsigned pins_take_stamps(struct pins *pins, struct stamp *stamps, unsigned max);

#endif
