/*
 * See paths.h. A relative value in an XDG variable is ignored, as the specification asks. The
 * runtime directory counts only where it exists and belongs to this user: a sudo that keeps the
 * caller's environment must not leave root's sockets in the caller's directory.
 *
 * HOME may be wrong or missing when the program comes through fstab: mount(8) clears it, and
 * mount.fuse3, which finds none, sets /root, also for an ordinary user, or leaves it out after
 * setuid=. So one that is root's does not count for anybody else; and since the commands for
 * secrets need it too, it is set right once.
 */
#include "cli/paths.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

enum { ACCOUNT_MAX = 200 };

bool paths_account_valid(const char *account)
{
    size_t len = strlen(account);
    if (len == 0 || len > ACCOUNT_MAX || account[0] == '-' || strchr(account, '/') != NULL)
        return false;
    if (strcmp(account, ".") == 0 || strcmp(account, "..") == 0)
        return false;
    char shown[ACCOUNT_MAX + 1];
    memcpy(shown, account, len + 1);
    log_make_printable(shown, len);
    return strcmp(shown, account) == 0;
}

static bool is_roots(const char *dir)
{
    struct stat st;
    return geteuid() != 0 && stat(dir, &st) == 0 && st.st_uid == 0;
}

static const char *home(void)
{
    const char *dir = getenv("HOME");
    if (dir != NULL && dir[0] == '/')
        return dir;
    const struct passwd *user = getpwuid(geteuid());
    return user != NULL ? user->pw_dir : NULL;
}

int paths_repair_home(void)
{
    const char *dir = getenv("HOME");
    const struct passwd *user;
    if ((dir != NULL && !is_roots(dir)) || (user = getpwuid(geteuid())) == NULL)
        return 0;
    return setenv("HOME", user->pw_dir, 1);
}

static char *joined(const char *base, const char *middle, const char *last)
{
    char *path = NULL;
    if (base == NULL || asprintf(&path, "%s%s%s", base, middle, last) < 0)
        return NULL;
    return path;
}

/* $variable/outlookfs LAST, else ~ FALLBACK/outlookfs LAST. */
static char *xdg_path(const char *variable, const char *fallback, const char *last)
{
    const char *base = getenv(variable);
    if (base != NULL && base[0] == '/')
        return joined(base, "/outlookfs", last);
    return joined(home(), fallback, last);
}

char *paths_config_file(void)
{
    return xdg_path("XDG_CONFIG_HOME", "/.config/outlookfs", "/accounts.json");
}

static char *account_path(const char *variable, const char *fallback, const char *account)
{
    char last[ACCOUNT_MAX + 2] = "";
    if (account != NULL)
        snprintf(last, sizeof last, "/%s", account);
    return xdg_path(variable, fallback, last);
}

char *paths_cache_dir(const char *account)
{
    return account_path("XDG_CACHE_HOME", "/.cache/outlookfs", account);
}

char *paths_state_dir(const char *account)
{
    return account_path("XDG_STATE_HOME", "/.local/state/outlookfs", account);
}

char *paths_runtime_dir(void)
{
    char usual[64];
    snprintf(usual, sizeof usual, "/run/user/%u", (unsigned)geteuid());
    const char *base = getenv("XDG_RUNTIME_DIR");
    if (base == NULL || base[0] != '/')
        base = usual;
    struct stat st;
    if (stat(base, &st) != 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid())
        return NULL;
    return joined(base, "/outlookfs", "");
}

char *paths_absolute(const char *path)
{
    if (path[0] == '/')
        return strdup(path);
    if (path[0] == '~' && path[1] == '/')
        return joined(home(), "", path + 1);
    char here[PATH_MAX];
    if (getcwd(here, sizeof here) == NULL)
        return NULL;
    return joined(strcmp(here, "/") == 0 ? "" : here, "/", path);
}

int paths_make_dir(const char *path)
{
    char part[PATH_MAX];
    if (strlen(path) >= sizeof part) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(part, path);
    for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(part, 0700) != 0 && errno != EEXIST)
            return -1;
        *slash = '/';
    }
    return mkdir(part, 0700) == 0 || errno == EEXIST ? 0 : -1;
}
