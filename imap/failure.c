/*
 * See failure.h. One table says which of Outlook's sentences means what (OUTLOOK.md sections 1, 3
 * and 5), one which code or sentence refuses a command for which reason, one what a person is told
 * to do about it. The sentences are looked for anywhere in the text and without regard to case,
 * because the service puts them behind other words at times.
 */
#include "imap/failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"

enum { BACKOFF_MAX_MS = 24 * 60 * 60 * 1000 };

static const struct {
    const char *words;
    enum imap_error error;
} sentences[] = {
    {"Request is throttled",                    IMAP_ERR_THROTTLED  },
    {"Suggested Backoff Time",                  IMAP_ERR_THROTTLED  },
    {"Server Unavailable",                      IMAP_ERR_UNAVAILABLE},
    {"User is authenticated but not connected", IMAP_ERR_UNUSABLE   },
    {"AccessTokenExpired",                      IMAP_ERR_EXPIRED    },
    {"Basic authentication is disabled",        IMAP_ERR_AUTH_BASIC },
};

/* The first row that fits: a code says more than words, and words only count where no code of the
 * table does. */
static const struct {
    enum imap_code_kind code; /* IMAP_CODE_NONE: by words */
    const char *words;
    const char *verb; /* NULL: any */
    enum imap_refusal refusal;
} refusals[] = {
    {IMAP_CODE_TOOBIG,        NULL,                                                   NULL,     IMAP_REFUSAL_TOO_BIG    },
    {IMAP_CODE_APPENDLIMIT,   NULL,                                                   NULL,     IMAP_REFUSAL_TOO_BIG    },
    {IMAP_CODE_OVERQUOTA,     NULL,                                                   NULL,     IMAP_REFUSAL_QUOTA      },
    {IMAP_CODE_ALREADYEXISTS, NULL,                                                   NULL,     IMAP_REFUSAL_EXISTS     },
    {IMAP_CODE_TRYCREATE,     NULL,                                                   NULL,     IMAP_REFUSAL_NOT_FOUND  },
    {IMAP_CODE_NONEXISTENT,   NULL,                                                   NULL,     IMAP_REFUSAL_NOT_FOUND  },
    {IMAP_CODE_EXPUNGEISSUED, NULL,                                                   NULL,     IMAP_REFUSAL_GONE       },
    {IMAP_CODE_CANNOT,        NULL,                                                   NULL,     IMAP_REFUSAL_NOT_ALLOWED},
    {IMAP_CODE_NOPERM,        NULL,                                                   NULL,     IMAP_REFUSAL_NOT_ALLOWED},
    {IMAP_CODE_INUSE,         NULL,                                                   NULL,     IMAP_REFUSAL_IN_USE     },
    {IMAP_CODE_NONE,          "Maximum size of appendable message has been exceeded", NULL,
     IMAP_REFUSAL_TOO_BIG                                                                                               },
    {IMAP_CODE_NONE,          "Command Error. 10",                                    "APPEND", IMAP_REFUSAL_LINE       },
    {IMAP_CODE_NONE,          "Quota exceeded",                                       NULL,     IMAP_REFUSAL_QUOTA      },
    {IMAP_CODE_NONE,          "Mailbox already exists",                               NULL,     IMAP_REFUSAL_EXISTS     },
    {IMAP_CODE_NONE,          "Folder is not found",                                  NULL,     IMAP_REFUSAL_NOT_FOUND  },
    {IMAP_CODE_NONE,          "doesn't exist",                                        NULL,     IMAP_REFUSAL_NOT_FOUND  },
    {IMAP_CODE_NONE,          "Folder name is reserved",                              NULL,     IMAP_REFUSAL_NOT_ALLOWED},
};

static const struct {
    enum imap_error error;
    const char *advice;
} advices[] = {
    {IMAP_ERR_THROTTLED,   "the server asks to wait before the next request"          },
    {IMAP_ERR_UNAVAILABLE, "the server is unavailable for now; try again later"       },
    {IMAP_ERR_UNUSABLE,
     "signed in, but the mailbox is not reachable: switch IMAP on in the account's settings (Mail "
     "> "
     "Forwarding and IMAP > \"Let devices and apps use IMAP\"), or the token is another user's or "
     "has the wrong scope, or there are too many connections"                         },
    {IMAP_ERR_EXPIRED,     "the access token has expired; a new one is needed"        },
    {IMAP_ERR_AUTH_BASIC,  "the server takes no passwords, only OAuth: outlookfs login, or "
                          "auth=xoauth2 with a token_command"},
    {IMAP_ERR_NO,          "the server refused it"                                    },
    {IMAP_ERR_BAD,         "the server did not understand it"                         },
    {IMAP_ERR_CLOSED,      "the server ended the connection; try again"               },
};

static const char *const refusal_advices[] = {
    [IMAP_REFUSAL_TOO_BIG] = "the message is larger than the server takes",
    [IMAP_REFUSAL_LINE] = "the server does not take it, most likely for a line that is too long; "
                          "encode the message in base64 or quoted-printable",
    [IMAP_REFUSAL_QUOTA] = "the mailbox is full; delete something, or buy room",
    [IMAP_REFUSAL_NOT_FOUND] = "there is no such mailbox (any more)",
    [IMAP_REFUSAL_GONE] = "the message is gone from the server",
    [IMAP_REFUSAL_EXISTS] = "a mailbox of that name exists",
    [IMAP_REFUSAL_NOT_ALLOWED] = "the server never allows it",
    [IMAP_REFUSAL_IN_USE] = "another program uses the mailbox; try again",
};

/* Where `words` begins in `text`, without regard to case; NULL when it is not there. */
static const char *find_words(struct imap_span text, const char *words)
{
    size_t len = strlen(words);
    for (size_t i = 0; text.data != NULL && i + len <= text.len; i++) {
        if (strncasecmp(text.data + i, words, len) == 0)
            return text.data + i;
    }
    return NULL;
}

void imap_failure_set(struct imap_failure *failure, enum imap_error error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    failure->error = error;
    failure->backoff_ms = 0;
    vsnprintf(failure->text, sizeof failure->text, format, args);
    va_end(args);
    log_make_printable(failure->text, strlen(failure->text));
}

enum imap_error imap_failure_classify(struct imap_span text)
{
    for (size_t i = 0; i < sizeof sentences / sizeof *sentences; i++) {
        if (find_words(text, sentences[i].words) != NULL)
            return sentences[i].error;
    }
    return IMAP_OK;
}

int64_t imap_failure_backoff(struct imap_span text)
{
    static const char words[] = "Backoff Time:";
    const char *at = find_words(text, words);
    if (at == NULL)
        return 0;
    const char *end = text.data + text.len;
    int64_t ms = 0;
    for (at += sizeof words - 1; at < end && *at == ' '; at++)
        ;
    for (; at < end && *at >= '0' && *at <= '9' && ms < BACKOFF_MAX_MS; at++)
        ms = ms * 10 + (*at - '0');
    return ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}

enum imap_refusal imap_failure_refusal(const char *verb, const struct imap_code *code,
                                       struct imap_span text)
{
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        bool fits = refusals[i].words == NULL ? refusals[i].code == code->kind
                                              : find_words(text, refusals[i].words) != NULL;
        if (fits && (refusals[i].verb == NULL || strcasecmp(refusals[i].verb, verb) == 0))
            return refusals[i].refusal;
    }
    return IMAP_REFUSAL_NONE;
}

static void from_server(struct imap_failure *failure, enum imap_error error, const char *advice,
                        const char *host, const char *what, struct imap_span text)
{
    imap_failure_set(failure, error, "%s: %s: %s%s%.*s%s", host, what, advice,
                     text.len > 0 ? " (" : "", IMAP_QUOTE(text), text.len > 0 ? ")" : "");
    if (error == IMAP_ERR_THROTTLED)
        failure->backoff_ms = imap_failure_backoff(text);
}

void imap_failure_from_server(struct imap_failure *failure, enum imap_error error, const char *host,
                              const char *what, struct imap_span text)
{
    const char *advice = "it failed";
    for (size_t i = 0; i < sizeof advices / sizeof *advices; i++) {
        if (advices[i].error == error)
            advice = advices[i].advice;
    }
    from_server(failure, error, advice, host, what, text);
}

void imap_failure_from_refusal(struct imap_failure *failure, enum imap_error error,
                               enum imap_refusal refusal, const char *host, const char *verb,
                               struct imap_span text)
{
    const char *advice = refusal_advices[refusal];
    if (advice != NULL)
        from_server(failure, error, advice, host, verb, text);
    else
        imap_failure_from_server(failure, error, host, verb, text);
}

const char *imap_failure_errno(int number)
{
    const char *text = strerrordesc_np(number);
    return text != NULL ? text : "unknown error";
}
