/* See fuse_options.h. What fs_mount always sets (ro, nosuid, nodev, noexec, auto_unmount) is
 * accepted and dropped. dev and suid are dropped too: mount.fuse3 adds them by itself, and they
 * cannot take away nodev and nosuid. max_read is not here: init has to agree to it
 * (docs of libfuse, struct fuse_conn_info), and fs chooses by measure. */
#include "cli/fuse_options.h"

#include <string.h>

enum action { PASS, PASS_VALUE, DROP };

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
    {"ro",                  DROP      },
    {"nosuid",              DROP      },
    {"suid",                DROP      },
    {"nodev",               DROP      },
    {"dev",                 DROP      },
    {"noexec",              DROP      },
    {"auto_unmount",        DROP      },
    {"async",               DROP      },
    {"relatime",            DROP      },
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
        bool has_value = value != NULL && value[0] != '\0';
        if (has_value != (rows[i].action == PASS_VALUE) || (value != NULL && !has_value))
            return FUSE_OPTION_BAD;
        return append_option(out, name, value) ? FUSE_OPTION_TAKEN : FUSE_OPTION_BAD;
    }
    return FUSE_OPTION_UNKNOWN;
}
