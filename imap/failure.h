/*
 * The words of failure: what a server's text means, and the line that a person reads.
 *
 * A failure's text names the cause and the next step, is one printable line, and never carries a
 * secret. What the server said is quoted in it, cut and made harmless. Any thread.
 */
#ifndef OUTLOOKFS_IMAP_FAILURE_H
#define OUTLOOKFS_IMAP_FAILURE_H

#include <stdbool.h>
#include <stdint.h>

#include "imap/error.h"
#include "imap/response.h"

/* Most bytes of a server's text that are quoted. */
enum { IMAP_QUOTE_MAX = 160 };

/* For "%.*s": the length and the bytes of a server's text, cut to IMAP_QUOTE_MAX. */
#define IMAP_QUOTE(span)                                                                           \
    (int)((span).len < IMAP_QUOTE_MAX ? (span).len : IMAP_QUOTE_MAX),                              \
        (span).data != NULL ? (span).data : ""

/* Fills *failure; back-off is set to 0. */
void imap_failure_set(struct imap_failure *failure, enum imap_error error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What a server's text says by itself, wherever it stands (NO, BAD, BYE, or a bare line):
 * IMAP_ERR_THROTTLED, IMAP_ERR_UNAVAILABLE, IMAP_ERR_UNUSABLE, IMAP_ERR_EXPIRED,
 * IMAP_ERR_AUTH_BASIC, or IMAP_OK when it says none of these (OUTLOOK.md sections 1, 3, 5). */
enum imap_error imap_failure_classify(struct imap_span text);

/* Why a server refused the command `verb` ("APPEND", "UID MOVE"), from its reply's code and text
 * (OUTLOOK.md sections 2 and 4, RFC 5530); IMAP_REFUSAL_NONE when neither says. */
enum imap_refusal imap_failure_refusal(const char *verb, const struct imap_code *code,
                                       struct imap_span text);

/* Milliseconds of "Suggested Backoff Time: 92415 milliseconds", at most a day; 0 when absent. */
int64_t imap_failure_backoff(struct imap_span text);

/* Fills *failure for one of the errors that imap_failure_classify returns, or for IMAP_ERR_NO,
 * IMAP_ERR_BAD and IMAP_ERR_CLOSED. `host` and `what` ("EXAMINE", "the connection") lead the text,
 * the server's words end it. */
void imap_failure_from_server(struct imap_failure *failure, enum imap_error error, const char *host,
                              const char *what, struct imap_span text);

/* Likewise for a refusal: its advice stands in the place of the error's where it has one. */
void imap_failure_from_refusal(struct imap_failure *failure, enum imap_error error,
                               enum imap_refusal refusal, const char *host, const char *verb,
                               struct imap_span text);

/* What errno `number` means; never NULL. */
const char *imap_failure_errno(int number);

#endif
