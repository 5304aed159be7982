/* See exit_code.h. A change whose outcome is not known got no answer: that is the server's absence,
 * as far as a script is concerned. */
#include "cli/exit_code.h"

static const struct {
    enum sync_error error;
    enum cli_exit code;
    const char *text;
} rows[] = {
    {SYNC_ERR_UNREACHABLE, CLI_UNREACHABLE, "the server cannot be reached"                },
    {SYNC_ERR_DOWN,        CLI_UNREACHABLE, "the server cannot be reached"                },
    {SYNC_ERR_UNCONFIRMED, CLI_UNREACHABLE, "the server did not say whether it was done"  },
    {SYNC_ERR_AUTH,        CLI_SIGN_IN,     "the server does not accept the sign-in"      },
    {SYNC_ERR_CONFIG,      CLI_USAGE,       "an option makes no sense"                    },
    {SYNC_ERR_THROTTLED,   CLI_REFUSED,     "the server asks to wait"                     },
    {SYNC_ERR_REFUSED,     CLI_REFUSED,     "the server refuses it"                       },
    {SYNC_ERR_GONE,        CLI_REFUSED,     "the message or mailbox is not there any more"},
    {SYNC_ERR_TOO_LARGE,   CLI_REFUSED,     "it is larger than the server takes"          },
    {SYNC_ERR_QUOTA,       CLI_REFUSED,     "the mailbox is full"                         },
    {SYNC_ERR_INVALID,     CLI_REFUSED,     "it is not a message"                         },
    {SYNC_ERR_EXISTS,      CLI_REFUSED,     "the name is taken"                           },
    {SYNC_ERR_NOT_EMPTY,   CLI_REFUSED,     "the mailbox is not empty"                    },
    {SYNC_ERR_PERMISSION,  CLI_REFUSED,     "it is not allowed"                           },
    {SYNC_ERR_UNSUPPORTED, CLI_REFUSED,     "the server does not keep such a flag"        },
    {SYNC_ERR_READONLY,    CLI_OTHER,       "the mount is read-only"                      },
    {SYNC_ERR_CACHE,       CLI_OTHER,       "the cache cannot be read or written"         },
    {SYNC_ERR_DISK,        CLI_OTHER,       "the disk is full"                            },
    {SYNC_ERR_BUSY,        CLI_OTHER,       "it is in use"                                },
    {SYNC_ERR_STOPPING,    CLI_OTHER,       "the mount is going away"                     },
    {SYNC_ERR_MEMORY,      CLI_OTHER,       "no memory"                                   },
};

enum cli_exit exit_code_of(enum sync_error error)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].error == error)
            return rows[i].code;
    return error == SYNC_OK ? CLI_DONE : CLI_OTHER;
}

const char *exit_code_text(enum sync_error error)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].error == error)
            return rows[i].text;
    return "it failed";
}
