/*
 * How anything in imap/ fails. The code says what happened, imap_error_retry what to do about it,
 * and the text is for a person: one line, printable, without secrets.
 */
#ifndef OUTLOOKFS_IMAP_ERROR_H
#define OUTLOOKFS_IMAP_ERROR_H

#include <stdint.h>

enum imap_error {
    IMAP_OK = 0,
    /* getting there */
    IMAP_ERR_HOST,      /* the host name is unknown */
    IMAP_ERR_CONNECT,   /* refused, unreachable, timed out before TCP stood */
    IMAP_ERR_TLS,       /* handshake failed: version, protocol */
    IMAP_ERR_CERT,      /* the certificate's chain is not trusted */
    IMAP_ERR_CERT_NAME, /* the certificate is for another host */
    IMAP_ERR_CLEARTEXT, /* tls=none asked for off loopback, or STARTTLS not offered */
    /* signing in */
    IMAP_ERR_AUTH,       /* token or password refused: renew once, then ask the user */
    IMAP_ERR_AUTH_BASIC, /* the server wants OAuth, a password will never do */
    IMAP_ERR_AUTH_MECH,  /* no mechanism in common */
    IMAP_ERR_UNUSABLE, /* signed in, but "User is authenticated but not connected" (OUTLOOK.md 1) */
    IMAP_ERR_EXPIRED,  /* BYE Session invalidated - AccessTokenExpired */
    /* later on */
    IMAP_ERR_CLOSED,      /* the server or the network ended the connection */
    IMAP_ERR_TIMEOUT,     /* no progress within the bound */
    IMAP_ERR_PROTOCOL,    /* bytes that are not IMAP */
    IMAP_ERR_TOO_LARGE,   /* a response passed its ceiling */
    IMAP_ERR_UNAVAILABLE, /* "Server Unavailable. 15" */
    IMAP_ERR_THROTTLED,   /* wait failure.backoff_ms */
    IMAP_ERR_NO,          /* tagged NO: the server refused this command */
    IMAP_ERR_BAD,         /* tagged BAD: the server did not understand it */
    IMAP_ERR_STALE,       /* not sent: the UIDs are not those of the mailbox that is selected */
    IMAP_ERR_SOURCE,      /* the message to send cannot be read on this side */
    IMAP_ERR_CANCELLED,   /* the caller's cancel descriptor fired */
    IMAP_ERR_MEMORY,
};

enum imap_retry { IMAP_RETRY_NOW, IMAP_RETRY_LATER, IMAP_RETRY_NEVER };

/* Why a server refused a command, where that makes a difference to the caller. It refines
 * IMAP_ERR_NO and IMAP_ERR_BAD; with every other error it is IMAP_REFUSAL_NONE. */
enum imap_refusal {
    IMAP_REFUSAL_NONE,        /* not refused, or for a reason not among these */
    IMAP_REFUSAL_TOO_BIG,     /* the message passes the server's limit */
    IMAP_REFUSAL_LINE,        /* a line of the message does, most likely */
    IMAP_REFUSAL_QUOTA,       /* no room left */
    IMAP_REFUSAL_NOT_FOUND,   /* the mailbox that is named is not there */
    IMAP_REFUSAL_GONE,        /* messages that are named are not there any more */
    IMAP_REFUSAL_EXISTS,      /* a mailbox of that name is there */
    IMAP_REFUSAL_NOT_ALLOWED, /* never: a reserved name, no permission */
    IMAP_REFUSAL_IN_USE,      /* not now: another session is at it */
};

enum { IMAP_FAILURE_TEXT = 400 };

struct imap_failure {
    enum imap_error error;
    int64_t backoff_ms; /* for IMAP_ERR_THROTTLED: what the server asked for, else 0 */
    char text[IMAP_FAILURE_TEXT];
};

/* What a command that changes nothing may do after `error`. */
enum imap_retry imap_error_retry(enum imap_error error);

/* A few words for the log ("connection closed"); never NULL. */
const char *imap_error_text(enum imap_error error);

#endif
