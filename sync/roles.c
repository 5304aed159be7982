/*
 * What a mailbox is for. The attribute of LIST says so (RFC 6154; Outlook.com sends it although it
 * does not advertise SPECIAL-USE); where there is none, the names that Outlook.com and others give
 * at the top level.
 */
#include <strings.h>

#include "sync/internal.h"

static const struct {
    unsigned attribute;
    enum cache_role role;
} by_attribute[] = {
    {IMAP_LIST_TRASH,   CACHE_ROLE_TRASH  },
    {IMAP_LIST_SENT,    CACHE_ROLE_SENT   },
    {IMAP_LIST_DRAFTS,  CACHE_ROLE_DRAFTS },
    {IMAP_LIST_JUNK,    CACHE_ROLE_JUNK   },
    {IMAP_LIST_ARCHIVE, CACHE_ROLE_ARCHIVE},
    {IMAP_LIST_ALL,     CACHE_ROLE_ALL    },
    {IMAP_LIST_FLAGGED, CACHE_ROLE_FLAGGED},
};

static const struct {
    const char *name;
    enum cache_role role;
} by_name[] = {
    {"Inbox",         CACHE_ROLE_INBOX  },
    {"Deleted",       CACHE_ROLE_TRASH  },
    {"Deleted Items", CACHE_ROLE_TRASH  },
    {"Trash",         CACHE_ROLE_TRASH  },
    {"Sent",          CACHE_ROLE_SENT   },
    {"Sent Items",    CACHE_ROLE_SENT   },
    {"Sent Messages", CACHE_ROLE_SENT   },
    {"Drafts",        CACHE_ROLE_DRAFTS },
    {"Junk",          CACHE_ROLE_JUNK   },
    {"Junk Email",    CACHE_ROLE_JUNK   },
    {"Junk E-Mail",   CACHE_ROLE_JUNK   },
    {"Spam",          CACHE_ROLE_JUNK   },
    {"Archive",       CACHE_ROLE_ARCHIVE},
};

static const char *const names[] = {"",     "inbox",   "trash", "sent",   "drafts",
                                    "junk", "archive", "all",   "flagged"};

enum cache_role role_of(unsigned list_attributes, const char *shown, bool top_level)
{
    for (size_t i = 0; i < sizeof by_attribute / sizeof by_attribute[0]; i++) {
        if (list_attributes & by_attribute[i].attribute)
            return by_attribute[i].role;
    }
    for (size_t i = 0; top_level && i < sizeof by_name / sizeof by_name[0]; i++) {
        if (strcasecmp(shown, by_name[i].name) == 0)
            return by_name[i].role;
    }
    return CACHE_ROLE_NONE;
}

const char *role_name(enum cache_role role)
{
    return names[role];
}
