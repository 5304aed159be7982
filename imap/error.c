/*
 * The table of imap/error.h: a word for the log, and what to do next, per error.
 *
 * "Now" means a fresh connection is likely to help and nothing asks for patience; the caller still
 * counts its attempts. "Later" means that the other side, or the network, needs time. "Never" means
 * that the same request will fail the same way until a person or the caller changes something.
 */
#include "imap/error.h"

#include <stddef.h>

static const struct {
    const char *text;
    enum imap_retry retry;
} errors[] = {
    [IMAP_OK] = {"done",                                     IMAP_RETRY_NOW  },
    [IMAP_ERR_HOST] = {"host name unknown",                        IMAP_RETRY_LATER},
    [IMAP_ERR_CONNECT] = {"cannot connect",                           IMAP_RETRY_LATER},
    [IMAP_ERR_TLS] = {"TLS handshake failed",                     IMAP_RETRY_LATER},
    [IMAP_ERR_CERT] = {"certificate not trusted",                  IMAP_RETRY_NEVER},
    [IMAP_ERR_CERT_NAME] = {"certificate is for another host",          IMAP_RETRY_NEVER},
    [IMAP_ERR_CLEARTEXT] = {"no encryption",                            IMAP_RETRY_NEVER},
    [IMAP_ERR_AUTH] = {"sign-in refused",                          IMAP_RETRY_NEVER},
    [IMAP_ERR_AUTH_BASIC] = {"server wants OAuth",                       IMAP_RETRY_NEVER},
    [IMAP_ERR_AUTH_MECH] = {"no sign-in mechanism in common",           IMAP_RETRY_NEVER},
    [IMAP_ERR_UNUSABLE] = {"signed in but not connected to a mailbox", IMAP_RETRY_LATER},
    [IMAP_ERR_EXPIRED] = {"access token expired",                     IMAP_RETRY_NOW  },
    [IMAP_ERR_CLOSED] = {"connection closed",                        IMAP_RETRY_NOW  },
    [IMAP_ERR_TIMEOUT] = {"timed out",                                IMAP_RETRY_NOW  },
    [IMAP_ERR_PROTOCOL] = {"server does not speak IMAP",               IMAP_RETRY_LATER},
    [IMAP_ERR_TOO_LARGE] = {"response too large",                       IMAP_RETRY_NEVER},
    [IMAP_ERR_UNAVAILABLE] = {"server unavailable",                       IMAP_RETRY_NOW  },
    [IMAP_ERR_THROTTLED] = {"throttled by the server",                  IMAP_RETRY_LATER},
    [IMAP_ERR_NO] = {"refused by the server",                    IMAP_RETRY_NEVER},
    [IMAP_ERR_BAD] = {"not understood by the server",             IMAP_RETRY_NEVER},
    [IMAP_ERR_STALE] = {"mailbox no longer the one that was meant", IMAP_RETRY_NOW  },
    [IMAP_ERR_SOURCE] = {"message to send cannot be read",           IMAP_RETRY_NEVER},
    [IMAP_ERR_CANCELLED] = {"cancelled",                                IMAP_RETRY_NEVER},
    [IMAP_ERR_MEMORY] = {"out of memory",                            IMAP_RETRY_LATER},
};

enum { ERROR_COUNT = sizeof errors / sizeof errors[0] };

enum imap_retry imap_error_retry(enum imap_error error)
{
    return (size_t)error < ERROR_COUNT ? errors[error].retry : IMAP_RETRY_NEVER;
}

const char *imap_error_text(enum imap_error error)
{
    return (size_t)error < ERROR_COUNT ? errors[error].text : "unknown error";
}
