/*
 * See capability.h. The words that change what we do stand in one table; a word ending in '=' there
 * matches any value behind it. IMAP4rev2 is left out on purpose: Outlook's implementation of it has
 * a broken SEARCH and no LSUB (OUTLOOK.md section 1), so it is never enabled.
 */
#include "imap/capability.h"

#include <string.h>
#include <strings.h>

#include "imap/connection.h"

static const struct {
    const char *word;
    unsigned bits;
} words[] = {
    {"SASL-IR",          IMAP_CAP_SASL_IR                                       },
    {"LITERAL+",         IMAP_CAP_LITERAL_PLUS                                  },
    {"LITERAL-",         IMAP_CAP_LITERAL_MINUS                                 },
    {"UIDPLUS",          IMAP_CAP_UIDPLUS                                       },
    {"MOVE",             IMAP_CAP_MOVE                                          },
    {"ID",               IMAP_CAP_ID                                            },
    {"UNSELECT",         IMAP_CAP_UNSELECT                                      },
    {"IDLE",             IMAP_CAP_IDLE                                          },
    {"NAMESPACE",        IMAP_CAP_NAMESPACE                                     },
    {"CONDSTORE",        IMAP_CAP_CONDSTORE                                     },
    {"QRESYNC",          IMAP_CAP_QRESYNC | IMAP_CAP_CONDSTORE | IMAP_CAP_ENABLE},
    {"ESEARCH",          IMAP_CAP_ESEARCH                                       },
    {"LIST-EXTENDED",    IMAP_CAP_LIST_EXTENDED                                 },
    {"LIST-STATUS",      IMAP_CAP_LIST_STATUS                                   },
    {"SPECIAL-USE",      IMAP_CAP_SPECIAL_USE                                   },
    {"NOTIFY",           IMAP_CAP_NOTIFY                                        },
    {"QUOTA",            IMAP_CAP_QUOTA                                         },
    {"COMPRESS=DEFLATE", IMAP_CAP_COMPRESS                                      },
    {"STARTTLS",         IMAP_CAP_STARTTLS                                      },
    {"LOGINDISABLED",    IMAP_CAP_LOGINDISABLED                                 },
    {"AUTH=PLAIN",       IMAP_CAP_AUTH_PLAIN                                    },
    {"AUTH=XOAUTH2",     IMAP_CAP_AUTH_XOAUTH2                                  },
    {"AUTH=OAUTHBEARER", IMAP_CAP_AUTH_OAUTHBEARER                              },
    {"ENABLE",           IMAP_CAP_ENABLE                                        },
    {"APPENDLIMIT",      IMAP_CAP_APPENDLIMIT                                   },
    {"APPENDLIMIT=",     IMAP_CAP_APPENDLIMIT                                   },
};

static unsigned word_bits(const char *word, size_t len)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i].word);
        bool open_ended = words[i].word[n - 1] == '=';
        if ((open_ended ? len > n : len == n) && strncasecmp(word, words[i].word, n) == 0)
            return words[i].bits;
    }
    return 0;
}

unsigned imap_capability_parse(struct imap_span text)
{
    unsigned bits = 0;
    for (size_t at = 0; at < text.len;) {
        size_t end = at;
        while (end < text.len && text.data[end] != ' ')
            end++;
        bits |= word_bits(text.data + at, end - at);
        at = end + 1;
    }
    return bits;
}
