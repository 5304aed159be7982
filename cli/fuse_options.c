/* See fuse_options.h. What fs_mount always sets (nosuid, nodev, noexec, auto_unmount) is
 * accepted and dropped. dev, suid and exec are dropped too: mount.fuse3 adds the first two by
 * itself, fstab has the third after `user`, and none can take away nodev, nosuid and noexec. The
 * kernel's flags that a file system in user space has no use for are what mount(8) hands on from
 * fstab; mount.fuse3 keeps setuid= and most of fstab's own words for itself, but not when the
 * program is called by hand. remount would have to change a mount that another process serves.
 * max_read is not here: init has to agree to it (docs of libfuse, struct fuse_conn_info), and fs
 * chooses by measure. */
#include "cli/fuse_options.h"

#include <string.h>

enum action { PASS, PASS_VALUE, DROP, REFUSE };

static const struct {
    const char *name;
    enum action action;
} rows[] = {
    {"allow_other",         PASS      },
    {"allow_root",          PASS      },
    {"default_permissions", PASS      },
    {"noatime",             PASS      },
    {"nodiratime",          PASS      },
    {"context",             PASS_VALUE},
    {"nosuid",              DROP      },
    {"suid",                DROP      },
    {"nodev",               DROP      },
    {"dev",                 DROP      },
    {"noexec",              DROP      },
    {"exec",                DROP      },
    {"auto_unmount",        DROP      },
    {"async",               DROP      },
    {"sync",                DROP      },
    {"dirsync",             DROP      },
    {"atime",               DROP      },
    {"diratime",            DROP      },
    {"relatime",            DROP      },
    {"norelatime",          DROP      },
    {"strictatime",         DROP      },
    {"nostrictatime",       DROP      },
    {"lazytime",            DROP      },
    {"nolazytime",          DROP      },
    {"iversion",            DROP      },
    {"noiversion",          DROP      },
    {"mand",                DROP      },
    {"nomand",              DROP      },
    {"silent",              DROP      },
    {"loud",                DROP      },
    {"defaults",            DROP      },
    {"user",                DROP      },
    {"nouser",              DROP      },
    {"users",               DROP      },
    {"owner",               DROP      },
    {"group",               DROP      },
    {"auto",                DROP      },
    {"noauto",              DROP      },
    {"nofail",              DROP      },
    {"_netdev",             DROP      },
    {"comment",             DROP      },
    {"remount",             REFUSE    },
};

static bool append_escaped(struct buffer *out, const char *value)
{
    for (const char *at = value; *at != '\0'; at++) {
        if ((*at == ',' || *at == '\\') && !buffer_append_byte(out, '\\'))
            return false;
        if (!buffer_append_byte(out, *at))
            return false;
    }
    return true;
}

static bool append_option(struct buffer *out, const char *name, const char *value)
{
    if (out->len > 0 && !buffer_append_byte(out, ','))
        return false;
    if (!buffer_append_text(out, name))
        return false;
    return value == NULL || (buffer_append_byte(out, '=') && append_escaped(out, value));
}

enum fuse_option fuse_options_add(struct buffer *out, const char *name, const char *value)
{
    if (strncmp(name, "x-", 2) == 0 || strncmp(name, "X-", 2) == 0)
        return FUSE_OPTION_TAKEN;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i].name, name) != 0)
            continue;
        if (rows[i].action == DROP)
            return FUSE_OPTION_TAKEN;
        if (rows[i].action == REFUSE)
            return FUSE_OPTION_REFUSED;
        bool has_value = value != NULL && value[0] != '\0';
        if (has_value != (rows[i].action == PASS_VALUE) || (value != NULL && !has_value))
            return FUSE_OPTION_BAD;
        return append_option(out, name, value) ? FUSE_OPTION_TAKEN : FUSE_OPTION_BAD;
    }
    return FUSE_OPTION_UNKNOWN;
}
