/*
 * Extended attributes: CONTRACT.md, end of section 2. A table of names, each with a function that
 * writes its value from the rows of the cache; nothing here touches the network. FUSE's workers.
 *
 * A name whose value is not known (a header field that the message lacks, the UIDVALIDITY of a
 * mailbox never selected) is neither listed nor readable. `system.*`, `security.*` and `trusted.*`
 * are EOPNOTSUPP, which ls(1) asks once and not for every file (FUSE.md).
 */
#include "fs/internal.h"

#include <errno.h>
#include <string.h>

#include "imap/utf7.h"

enum { VALUE_MAX = 64 * 1024, LIST_MAX = 4096 };

struct subject {
    struct cache *cache;
    struct cache_inode inode;
    struct cache_message message; /* of a message */
    struct cache_mailbox mailbox; /* of both kinds, but the root */
};

/* Appends the value. False: there is none. */
typedef bool value_fn(const struct subject *s, struct buffer *out);

static bool text(const char *value, struct buffer *out)
{
    return value != NULL && *value != '\0' && buffer_append_text(out, value);
}

static bool number(uint64_t value, struct buffer *out)
{
    return buffer_printf(out, "%llu", (unsigned long long)value);
}

static bool value_uid(const struct subject *s, struct buffer *out)
{
    return number(s->inode.uid, out);
}

static bool value_uidvalidity(const struct subject *s, struct buffer *out)
{
    return s->mailbox.uidvalidity != 0 && number(s->mailbox.uidvalidity, out);
}

/* The server's name in UTF-8; a name that is not valid modified UTF-7 as it is. */
static bool value_mailbox(const struct subject *s, struct buffer *out)
{
    const char *name = s->mailbox.name;

    if (name == NULL)
        return false;
    return imap_utf7_decode(name, strlen(name), out) || buffer_append_text(out, name);
}

/* No flags is a value too. */
static bool value_flags(const struct subject *s, struct buffer *out)
{
    return buffer_append_text(out, s->message.flags != NULL ? s->message.flags : "");
}

static bool value_subject(const struct subject *s, struct buffer *out)
{
    return text(s->message.subject, out);
}

static bool value_from(const struct subject *s, struct buffer *out)
{
    return text(s->message.from, out);
}

static bool value_to(const struct subject *s, struct buffer *out)
{
    return text(s->message.to, out);
}

static bool value_date(const struct subject *s, struct buffer *out)
{
    return text(s->message.date, out);
}

static bool value_message_id(const struct subject *s, struct buffer *out)
{
    return text(s->message.message_id, out);
}

static bool value_messages(const struct subject *s, struct buffer *out)
{
    return s->mailbox.uidvalidity != 0 && number(s->mailbox.messages, out);
}

static bool value_unseen(const struct subject *s, struct buffer *out)
{
    uint64_t unseen;

    return s->mailbox.listed &&
           cache_message_unseen(s->cache, s->mailbox.id, &unseen) == CACHE_OK &&
           number(unseen, out);
}

static bool value_role(const struct subject *s, struct buffer *out)
{
    static const char *const roles[] = {
        [CACHE_ROLE_NONE] = "",           [CACHE_ROLE_INBOX] = "inbox",
        [CACHE_ROLE_TRASH] = "trash",     [CACHE_ROLE_SENT] = "sent",
        [CACHE_ROLE_DRAFTS] = "drafts",   [CACHE_ROLE_JUNK] = "junk",
        [CACHE_ROLE_ARCHIVE] = "archive", [CACHE_ROLE_ALL] = "all",
        [CACHE_ROLE_FLAGGED] = "flagged",
    };
    unsigned role = s->mailbox.role;

    return role < sizeof(roles) / sizeof(roles[0]) && text(roles[role], out);
}

static bool value_subscribed(const struct subject *s, struct buffer *out)
{
    return number(s->mailbox.subscribed ? 1 : 0, out);
}

static const struct attribute {
    enum cache_kind kind;
    const char *name;
    value_fn *value;
} attributes[] = {
    {CACHE_MESSAGE,   "user.imap.uid",         value_uid        },
    {CACHE_MESSAGE,   "user.imap.uidvalidity", value_uidvalidity},
    {CACHE_MESSAGE,   "user.imap.mailbox",     value_mailbox    },
    {CACHE_MESSAGE,   "user.imap.flags",       value_flags      },
    {CACHE_MESSAGE,   "user.mail.subject",     value_subject    },
    {CACHE_MESSAGE,   "user.mail.from",        value_from       },
    {CACHE_MESSAGE,   "user.mail.to",          value_to         },
    {CACHE_MESSAGE,   "user.mail.date",        value_date       },
    {CACHE_MESSAGE,   "user.mail.message-id",  value_message_id },
    {CACHE_DIRECTORY, "user.imap.mailbox",     value_mailbox    },
    {CACHE_DIRECTORY, "user.imap.uidvalidity", value_uidvalidity},
    {CACHE_DIRECTORY, "user.imap.messages",    value_messages   },
    {CACHE_DIRECTORY, "user.imap.unseen",      value_unseen     },
    {CACHE_DIRECTORY, "user.imap.role",        value_role       },
    {CACHE_DIRECTORY, "user.imap.subscribed",  value_subscribed },
};

static const struct attribute *attribute_find(enum cache_kind kind, const char *name)
{
    for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++)
        if (attributes[i].kind == kind && strcmp(attributes[i].name, name) == 0)
            return &attributes[i];
    return NULL;
}

bool xattr_refused(const char *name)
{
    static const char *const refused[] = {"system.", "security.", "trusted."};

    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        if (strncmp(name, refused[i], strlen(refused[i])) == 0)
            return true;
    return false;
}

bool xattr_known(enum cache_kind kind, const char *name)
{
    return attribute_find(kind == CACHE_STAGED ? CACHE_MESSAGE : kind, name) != NULL;
}

static void subject_free(struct subject *s)
{
    cache_message_free(&s->message);
    cache_mailbox_free(&s->mailbox);
}

/* Reads the rows of `ino`. 0, an errno, or ENODATA for what has no attributes. */
static int subject_get(struct fs *fs, uint64_t ino, struct subject *s)
{
    enum cache_error error;
    int failed;

    *s = (struct subject){.cache = fs->cache};
    failed = attr_get(fs, ino, &s->inode);
    if (failed != 0)
        return failed;
    if (s->inode.mailbox == 0)
        return ENODATA;
    error = cache_mailbox_get(fs->cache, s->inode.mailbox, &s->mailbox);
    if (error == CACHE_OK && s->inode.kind == CACHE_MESSAGE)
        error = cache_message_get(fs->cache, s->inode.message, &s->message);
    if (error != CACHE_OK)
        subject_free(s);
    return fs_errno_of_cache(error);
}

/* The size protocol: size 0 asks for the length. */
static void reply_value(fuse_req_t req, const struct buffer *value, size_t size)
{
    if (size == 0)
        fuse_reply_xattr(req, value->len);
    else if (value->len > size)
        fuse_reply_err(req, ERANGE);
    else
        fuse_reply_buf(req, value->data, value->len);
}

void fs_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
    const struct attribute *attribute;
    struct buffer value;
    struct subject s;
    int error;

    if (xattr_refused(name)) {
        fuse_reply_err(req, EOPNOTSUPP);
        return;
    }
    error = ino == FS_STATUS_INO ? ENODATA : subject_get(fs_of(req), ino, &s);
    if (error != 0) {
        fuse_reply_err(req, error);
        return;
    }
    buffer_init(&value, VALUE_MAX);
    attribute = attribute_find(s.inode.kind, name);
    if (attribute == NULL || !attribute->value(&s, &value))
        fuse_reply_err(req, ENODATA);
    else
        reply_value(req, &value, size);
    buffer_free(&value);
    subject_free(&s);
}

static bool list_names(const struct subject *s, struct buffer *names)
{
    struct buffer value;
    bool ok = true;

    buffer_init(&value, VALUE_MAX);
    for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]) && ok; i++) {
        const struct attribute *a = &attributes[i];
        buffer_clear(&value);
        if (a->kind == s->inode.kind && a->value(s, &value))
            ok = buffer_append(names, a->name, strlen(a->name) + 1);
    }
    buffer_free(&value);
    return ok;
}

void fs_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
    struct buffer names;
    struct subject s;
    int error = ino == FS_STATUS_INO ? ENODATA : subject_get(fs_of(req), ino, &s);

    buffer_init(&names, LIST_MAX);
    if (error == 0) {
        if (!list_names(&s, &names))
            error = ENOMEM;
        subject_free(&s);
    }
    if (error == 0 || error == ENODATA) /* none: an empty list */
        reply_value(req, &names, size);
    else
        fuse_reply_err(req, error);
    buffer_free(&names);
}
