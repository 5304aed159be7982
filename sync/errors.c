/*
 * What goes wrong in imap/, seen from a request: whether it may be tried again is imap's to say,
 * what the caller is told is decided here, and what it means for the account as a whole (the
 * outage, the limiter) is noted here too.
 *
 * An outage is a recent failure to sign in. While it lasts, requests that need the network fail at
 * once with its error instead of each waiting for its own attempt; it is short where trying again
 * costs nobody anything (an unreachable host) and longer where servers count the attempts.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "sync/carry.h"

enum sync_error sync_error_of_imap(enum imap_error error)
{
    switch (error) {
    case IMAP_OK:
        return SYNC_OK;
    case IMAP_ERR_AUTH:
    case IMAP_ERR_AUTH_BASIC:
    case IMAP_ERR_AUTH_MECH:
    case IMAP_ERR_EXPIRED:
        return SYNC_ERR_AUTH;
    case IMAP_ERR_UNUSABLE:
    case IMAP_ERR_NO:
    case IMAP_ERR_BAD:
        return SYNC_ERR_REFUSED;
    case IMAP_ERR_THROTTLED:
        return SYNC_ERR_THROTTLED;
    case IMAP_ERR_CLEARTEXT:
        return SYNC_ERR_CONFIG;
    case IMAP_ERR_TOO_LARGE:
        return SYNC_ERR_TOO_LARGE;
    case IMAP_ERR_CANCELLED:
        return SYNC_ERR_STOPPING;
    case IMAP_ERR_MEMORY:
        return SYNC_ERR_MEMORY;
    default:
        return SYNC_ERR_UNREACHABLE;
    }
}

enum sync_error sync_error_of_cache(enum cache_error error)
{
    switch (error) {
    case CACHE_OK:
        return SYNC_OK;
    case CACHE_ERR_ABSENT:
    case CACHE_ERR_STALE:
        return SYNC_ERR_GONE;
    case CACHE_ERR_BUSY:
        return SYNC_ERR_BUSY;
    case CACHE_ERR_MEMORY:
        return SYNC_ERR_MEMORY;
    default:
        return SYNC_ERR_CACHE;
    }
}

enum imap_error imap_error_of_auth(enum auth_error error)
{
    switch (error) {
    case AUTH_OK:
        return IMAP_OK;
    case AUTH_ERR_CANCELLED:
        return IMAP_ERR_CANCELLED;
    case AUTH_ERR_NETWORK:
        return IMAP_ERR_CONNECT;
    case AUTH_ERR_MEMORY:
        return IMAP_ERR_MEMORY;
    default:
        return IMAP_ERR_AUTH;
    }
}

/* How long requests fail at once after a failed sign-in, ms. */
static int64_t outage_length(const struct imap_failure *failure)
{
    switch (sync_error_of_imap(failure->error)) {
    case SYNC_ERR_AUTH:
        return 10000;
    case SYNC_ERR_REFUSED:
        return 30000;
    case SYNC_ERR_THROTTLED:
        return failure->backoff_ms < BACKOFF_MAX_MS ? failure->backoff_ms : BACKOFF_MAX_MS;
    default:
        return 1000;
    }
}

void outage_note(struct sync *sync, const struct imap_failure *failure)
{
    pthread_mutex_lock(&sync->lock);
    sync->outage.error = sync_error_of_imap(failure->error);
    sync->outage.until = clock_ms() + outage_length(failure);
    snprintf(sync->outage.text, sizeof sync->outage.text, "%s", failure->text);
    stir_locked(sync);
    pthread_mutex_unlock(&sync->lock);
    if (failure->error == IMAP_ERR_THROTTLED)
        limiter_note(sync, failure->backoff_ms);
}

bool limiter_holds(struct sync *sync)
{
    pthread_mutex_lock(&sync->lock);
    bool holds = sync->limiter_until > clock_ms();
    pthread_mutex_unlock(&sync->lock);
    return holds;
}

void limiter_note(struct sync *sync, int64_t backoff_ms)
{
    if (backoff_ms <= 0)
        backoff_ms = 1000;
    if (backoff_ms > BACKOFF_MAX_MS)
        backoff_ms = BACKOFF_MAX_MS;
    int64_t until = clock_ms() + backoff_ms;
    pthread_mutex_lock(&sync->lock);
    if (until > sync->limiter_until)
        sync->limiter_until = until;
    stir_locked(sync);
    pthread_mutex_unlock(&sync->lock);
    log_warn("the server asks to wait %lld s", (long long)(backoff_ms + 999) / 1000);
}

enum sync_error sync_error_of_journal(enum cache_error error)
{
    return error == CACHE_ERR_FULL || error == CACHE_ERR_LIMIT ? SYNC_ERR_DISK
           : error == CACHE_ERR_ABSENT                         ? SYNC_ERR_GONE
                                                               : sync_error_of_cache(error);
}

/* The errno that the file system makes of it, for a row that a person looks at. */
int journal_code(enum sync_error error)
{
    static const int codes[] = {
        [SYNC_ERR_UNREACHABLE] = ENETUNREACH,
        [SYNC_ERR_AUTH] = EACCES,
        [SYNC_ERR_REFUSED] = EPERM,
        [SYNC_ERR_GONE] = ENOENT,
        [SYNC_ERR_THROTTLED] = EAGAIN,
        [SYNC_ERR_TOO_LARGE] = EFBIG,
        [SYNC_ERR_BUSY] = EBUSY,
        [SYNC_ERR_MEMORY] = ENOMEM,
        [SYNC_ERR_DOWN] = ENETDOWN,
        [SYNC_ERR_INVALID] = EINVAL,
        [SYNC_ERR_EXISTS] = EEXIST,
        [SYNC_ERR_NOT_EMPTY] = ENOTEMPTY,
        [SYNC_ERR_PERMISSION] = EPERM,
        [SYNC_ERR_UNSUPPORTED] = EOPNOTSUPP,
        [SYNC_ERR_QUOTA] = EDQUOT,
        [SYNC_ERR_DISK] = ENOSPC,
    };
    return error < sizeof codes / sizeof *codes && codes[error] != 0 ? codes[error] : EIO;
}
