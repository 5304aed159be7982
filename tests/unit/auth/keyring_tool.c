/*
 * One operation of a store (auth/store.h) as a command, for tests/e2e/test_keyring.py, which runs
 * it against session buses of every kind:
 *
 *   keyring_tool create|load|forget|hold DIR ACCOUNT
 *
 * Prints one line, "RESULT MILLISECONDS WORDS": ok, absent or store; how long it took; and how the
 * file is kept, or why it failed. create keeps a login with known tokens, load checks them. hold
 * loads, prints, and once its input ends does so again: what the bus did meanwhile must be nothing
 * to it. A connection that stays open is told on stderr; GLib's threads keep a few eventfds.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/store.h"
#include "base/clock.h"
#include "base/log.h"

static const char refresh_token[] = "refresh-token-of-the-test";
static const char access_token[] = "access-token-of-the-test";

static int open_sockets(void)
{
    int count = 0;
    DIR *dir = opendir("/proc/self/fd");
    for (struct dirent *e = dir != NULL ? readdir(dir) : NULL; e != NULL; e = readdir(dir)) {
        char target[8] = "";
        ssize_t len = readlinkat(dirfd(dir), e->d_name, target, sizeof target - 1);
        count += len > 0 && strncmp(target, "socket:", 7) == 0;
    }
    if (dir != NULL)
        closedir(dir);
    return count;
}

static bool fill(struct auth_login *login)
{
    login->provider = strdup("microsoft");
    login->token_url = strdup("https://localhost/token");
    login->client_id = strdup("client");
    login->scope = strdup("scope");
    login->expires = 2000000000;
    return buffer_append_text(&login->refresh, refresh_token) &&
           buffer_append_text(&login->access, access_token);
}

static enum auth_error create(struct auth_store *store, char *text)
{
    struct auth_login login;
    auth_login_init(&login);
    enum auth_error error = fill(&login) ? auth_store_create(store, &login, text) : AUTH_ERR_MEMORY;
    auth_login_free(&login);
    return error;
}

static enum auth_error load(struct auth_store *store, char *text)
{
    struct auth_login login;
    auth_login_init(&login);
    enum auth_error error = auth_store_load(store, &login, text);
    if (error == AUTH_OK &&
        (strcmp(login.refresh.data, refresh_token) != 0 ||
         strcmp(login.access.data, access_token) != 0 || login.expires != 2000000000))
        error = AUTH_ERR_MEMORY;
    auth_login_free(&login);
    return error;
}

static int run(struct auth_store *store, enum auth_error (*operation)(struct auth_store *, char *))
{
    char text[AUTH_TEXT_MAX] = "";
    int before = open_sockets();
    static const char *const names[] = {[AUTH_OK] = "ok",
                                        [AUTH_ERR_ABSENT] = "absent",
                                        [AUTH_ERR_STORE] = "store",
                                        [AUTH_ERR_KEYRING] = "keyring",
                                        [AUTH_ERR_MEMORY] = NULL};
    int64_t begin = clock_ms();
    enum auth_error error = operation(store, text);
    const char *words = error == AUTH_OK ? auth_store_protection(store) : text;
    printf("%s %lld %s\n", names[error] != NULL ? names[error] : "other",
           (long long)(clock_ms() - begin), words);
    fflush(stdout);
    if (open_sockets() != before)
        fprintf(stderr, "sockets: %d before, %d after\n", before, open_sockets());
    return names[error] != NULL ? 0 : 1;
}

static int hold(struct auth_store *store)
{
    int result = run(store, load);
    while (getchar() != EOF)
        continue;
    return result != 0 ? result : run(store, load);
}

int main(int argc, char **argv)
{
    int result = 2;
    struct auth_store *store = argc == 4 ? auth_store_new(argv[2], argv[3]) : NULL;
    if (store == NULL)
        return result;
    if (getenv("KEYRING_TOOL_DEBUG") != NULL)
        log_set_level(LOG_LEVEL_DEBUG);
    if (strcmp(argv[1], "create") == 0)
        result = run(store, create);
    else if (strcmp(argv[1], "load") == 0)
        result = run(store, load);
    else if (strcmp(argv[1], "forget") == 0)
        result = run(store, auth_store_forget);
    else if (strcmp(argv[1], "hold") == 0)
        result = hold(store);
    auth_store_free(&store);
    return result;
}
