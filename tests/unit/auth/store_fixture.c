/* See store_fixture.h. */
#include "tests/unit/auth/store_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

struct fake_keyring keyring;

static enum auth_keyring_error ask(enum auth_keyring_request request, const char *account,
                                   unsigned char key[AUTH_SEAL_KEY])
{
    assert_string_equal(account, ACCOUNT);
    keyring.asked++;
    if (keyring.error != AUTH_KEYRING_OK)
        return keyring.error;
    if (request == AUTH_KEYRING_OBTAIN && !keyring.has_key) {
        for (size_t i = 0; i < sizeof keyring.key; i++)
            keyring.key[i] = (unsigned char)(keyring.key[i] + i + 1);
        keyring.has_key = true;
    }
    if (!keyring.has_key)
        return AUTH_KEYRING_NO_KEY;
    if (request == AUTH_KEYRING_REMOVE)
        keyring.has_key = false;
    else
        memcpy(key, keyring.key, sizeof keyring.key);
    return AUTH_KEYRING_OK;
}

struct auth_store *fixture_store(const struct fixture *f)
{
    struct auth_store *store = auth_store_new(f->dir, ACCOUNT);
    assert_non_null(store);
    auth_store_use_keyring(store, ask);
    return store;
}

int fixture_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    snprintf(f->root, sizeof f->root, "/tmp/outlookfs-store-XXXXXX");
    if (mkdtemp(f->root) == NULL)
        return -1;
    snprintf(f->dir, sizeof f->dir, "%s/state/%s", f->root, ACCOUNT);
    keyring = (struct fake_keyring){.error = AUTH_KEYRING_OK};
    log_set_level(LOG_LEVEL_ERROR);
    f->store = fixture_store(f);
    *state = f;
    return 0;
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    auth_store_free(&f->store);
    chmod(f->dir, 0700);
    DIR *dir = opendir(f->dir);
    for (struct dirent *e = dir != NULL ? readdir(dir) : NULL; e != NULL; e = readdir(dir))
        if (e->d_name[0] != '.' && unlink(fixture_path(f, e->d_name)) != 0)
            rmdir(fixture_path(f, e->d_name));
    if (dir != NULL)
        closedir(dir);
    rmdir(f->dir);
    *strrchr(f->dir, '/') = '\0';
    rmdir(f->dir);
    int result = rmdir(f->root);
    free(f);
    return result;
}

const char *fixture_path(const struct fixture *f, const char *file)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", f->dir, file);
    return path;
}

static void fill_token(struct buffer *token, int n, char letter, size_t size)
{
    char start[32];
    snprintf(start, sizeof start, "%c%d-\"\\u0000/\xc3\xbc ", letter, n);
    assert_true(buffer_append_text(token, start));
    while (token->len < size)
        assert_true(buffer_append_byte(token, (char)('!' + token->len % 90)));
}

struct auth_login login_make(int n, size_t size)
{
    struct auth_login login;
    auth_login_init(&login);
    login.provider = strdup("microsoft");
    login.token_url = strdup("https://login.example.org/common/oauth2/v2.0/token");
    login.client_id = strdup("7c9b3a52-0000-4000-8000-2f7e6f0d1a11");
    login.scope = strdup("https://outlook.office.com/IMAP.AccessAsUser.All offline_access");
    fill_token(&login.refresh, n, 'R', size);
    fill_token(&login.access, n, 'A', size);
    login.expires = 1800000000 + n;
    return login;
}

static bool same(const struct buffer *a, const struct buffer *b)
{
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0 && a->data[a->len] == '\0';
}

bool login_is(const struct auth_login *login, int n, size_t size)
{
    struct auth_login wanted = login_make(n, size);
    bool is = strcmp(login->provider, wanted.provider) == 0 &&
              strcmp(login->token_url, wanted.token_url) == 0 &&
              strcmp(login->client_id, wanted.client_id) == 0 &&
              strcmp(login->scope, wanted.scope) == 0 && same(&login->refresh, &wanted.refresh) &&
              same(&login->access, &wanted.access) && login->expires == wanted.expires;
    auth_login_free(&wanted);
    return is;
}

void fixture_create(struct fixture *f, int n)
{
    struct auth_login login = login_make(n, 40);
    enum auth_error error = auth_store_create(f->store, &login, f->text);
    if (error != AUTH_OK)
        fail_msg("auth_store_create: %d %s", (int)error, f->text);
    auth_login_free(&login);
}

enum auth_error fixture_load(struct fixture *f, int n)
{
    struct auth_login login;
    struct auth_store *store = fixture_store(f);
    auth_login_init(&login);
    enum auth_error error = auth_store_load(store, &login, f->text);
    if (error == AUTH_OK)
        assert_true(login_is(&login, n, 40));
    else
        assert_true(login.provider == NULL && login.refresh.data == NULL);
    assert_int_equal(error == AUTH_OK, f->text[0] == '\0');
    assert_null(strchr(f->text, '\n'));
    auth_login_free(&login);
    auth_store_free(&store);
    return error;
}

struct buffer fixture_read(const struct fixture *f)
{
    struct buffer content;
    int fd = open(fixture_path(f, "token"), O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    buffer_init(&content, 1 << 20);
    char *to = buffer_reserve(&content, 1 << 20);
    assert_non_null(to);
    ssize_t got = read(fd, to, 1 << 20);
    close(fd);
    assert_true(got >= 0);
    buffer_commit(&content, (size_t)got);
    return content;
}

void fixture_write(const struct fixture *f, const void *data, size_t len)
{
    int fd = open(fixture_path(f, "token"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), (ssize_t)len);
    close(fd);
}
