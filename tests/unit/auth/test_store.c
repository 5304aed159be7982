/*
 * The store: what goes in comes out, in either form; what is refused and in which words; what is
 * told when a key cannot be had. Locks and crashes have files of their own.
 */
#include "tests/unit/auth/store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/store_text.h"

static mode_t mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(lstat(path, &st), 0);
    return st.st_mode & 07777;
}

static void check_text(const struct fixture *f, const char *part)
{
    if (strstr(f->text, part) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", f->text, part);
}

static bool holds(const struct fixture *f, const char *text)
{
    struct buffer content = fixture_read(f);
    bool found = strstr(content.data, text) != NULL;
    buffer_free(&content);
    return found;
}

/* ---- what is kept ---- */

static void save(struct fixture *f, int n, size_t size)
{
    struct auth_login old;
    struct auth_login login = login_make(n, size);
    auth_login_init(&old);
    assert_int_equal(auth_store_lock(f->store, 1000, -1, f->text), AUTH_OK);
    assert_int_equal(auth_store_load(f->store, &old, f->text), AUTH_OK);
    assert_int_equal(auth_store_save(f->store, &login, f->text), AUTH_OK);
    auth_store_unlock(f->store);
    auth_login_free(&old);
    auth_login_free(&login);
}

static void check_cycle(struct fixture *f, const char *protection)
{
    assert_false(auth_store_exists(f->store));
    assert_int_equal(fixture_load(f, 1), AUTH_ERR_ABSENT);
    fixture_create(f, 1);
    assert_true(auth_store_exists(f->store));
    assert_string_equal(auth_store_protection(f->store), protection);
    assert_int_equal(fixture_load(f, 1), AUTH_OK);
    save(f, 2, 40);
    assert_string_equal(auth_store_protection(f->store), protection);
    assert_int_equal(fixture_load(f, 2), AUTH_OK);
    assert_int_equal(auth_store_forget(f->store, f->text), AUTH_OK);
    assert_false(auth_store_exists(f->store));
    assert_int_equal(fixture_load(f, 2), AUTH_ERR_ABSENT);
    assert_int_equal(auth_store_forget(f->store, f->text), AUTH_ERR_ABSENT);
}

static void test_plain(void **state)
{
    struct fixture *f = *state;
    keyring.error = AUTH_KEYRING_LOCKED;
    check_cycle(f, "plain file, readable by its owner alone");
    fixture_create(f, 3);
    assert_true(holds(f, "R3-"));
}

static void test_sealed(void **state)
{
    struct fixture *f = *state;
    check_cycle(f, "encrypted, key in the Secret Service");
    assert_false(keyring.has_key);
    fixture_create(f, 3);
    assert_true(keyring.has_key);
    assert_false(holds(f, "R3-") || holds(f, "A3-") || holds(f, "login.example"));
}

static void test_modes(void **state)
{
    struct fixture *f = *state;
    mode_t before = umask(0777);
    fixture_create(f, 1);
    save(f, 2, 40);
    assert_int_equal(mode_of(fixture_path(f, "token")), 0600);
    umask(0);
    save(f, 3, 40);
    umask(before);
    assert_int_equal(mode_of(fixture_path(f, "token")), 0600);
    assert_int_equal(mode_of(fixture_path(f, "token.lock")), 0600);
    assert_int_equal(mode_of(f->dir), 0700);
    assert_int_not_equal(access(fixture_path(f, "token.new"), F_OK), 0);
}

/* The longest tokens, and what no file can hold. */
static void test_sizes(void **state)
{
    struct fixture *f = *state;
    static const enum auth_keyring_error forms[] = {AUTH_KEYRING_OK, AUTH_KEYRING_NO_BUS};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct auth_login login = login_make(4, AUTH_TOKEN_MAX);
        keyring.error = forms[i];
        assert_int_equal(auth_store_create(f->store, &login, f->text), AUTH_OK);
        auth_login_free(&login);
        assert_int_equal(auth_store_load(f->store, &login, f->text), AUTH_OK);
        assert_true(login_is(&login, 4, AUTH_TOKEN_MAX));
        auth_login_free(&login);
        fixture_create(f, 1);
        login = login_make(5, 100);
        while (login.refresh.len < AUTH_TOKEN_MAX) /* twice as long once it is JSON */
            assert_true(buffer_append_byte(&login.refresh, '"'));
        buffer_clear(&login.access);
        assert_true(buffer_append(&login.access, login.refresh.data, login.refresh.len));
        assert_int_equal(auth_store_create(f->store, &login, f->text), AUTH_ERR_STORE);
        check_text(f, "too long");
        auth_login_free(&login);
        assert_int_equal(fixture_load(f, 1), AUTH_OK);
    }
}

/* What could not be loaded is not written either. */
static void test_unfit(void **state)
{
    struct fixture *f = *state;
    fixture_create(f, 1);
    for (int i = 0; i < 6; i++) {
        struct auth_login login = login_make(2, 40);
        if (i == 0)
            buffer_clear(&login.refresh);
        else if (i == 1)
            login.access.data[3] = '\n';
        else if (i == 2)
            login.refresh.data[3] = '\0';
        else if (i == 3)
            login.expires = -1;
        else if (i == 4)
            login.client_id[0] = '\0';
        else {
            free(login.scope);
            login.scope = NULL;
        }
        assert_int_equal(auth_store_create(f->store, &login, f->text), AUTH_ERR_STORE);
        check_text(f, "cannot be kept");
        auth_login_free(&login);
    }
    assert_int_equal(fixture_load(f, 1), AUTH_OK);
    struct auth_login login = login_make(2, 40);
    buffer_clear(&login.access); /* this is a login, too */
    login.expires = 0;
    assert_int_equal(auth_store_create(f->store, &login, f->text), AUTH_OK);
    auth_login_free(&login);
    assert_int_equal(auth_store_load(f->store, &login, f->text), AUTH_OK);
    assert_int_equal(login.access.len, 0);
    auth_login_free(&login);
}

static void test_save_needs_lock_and_load(void **state)
{
    struct fixture *f = *state;
    struct auth_login login = login_make(2, 40);
    fixture_create(f, 1);
    assert_int_equal(auth_store_save(f->store, &login, f->text), AUTH_ERR_STORE);
    auth_store_free(&f->store);
    f->store = fixture_store(f);
    assert_int_equal(auth_store_lock(f->store, 0, -1, f->text), AUTH_OK);
    assert_int_equal(auth_store_save(f->store, &login, f->text), AUTH_ERR_STORE);
    auth_login_free(&login);
    assert_int_equal(fixture_load(f, 1), AUTH_OK);
}

/* ---- what is refused ---- */

static void test_readable_by_others(void **state)
{
    struct fixture *f = *state;
    fixture_create(f, 1);
    for (mode_t bit = 1; bit <= 040; bit <<= 1) {
        char said[100];
        assert_int_equal(chmod(fixture_path(f, "token"), 0600 | bit), 0);
        assert_int_equal(fixture_load(f, 1), AUTH_ERR_STORE);
        snprintf(said, sizeof said, "can be read by others (mode %04o); chmod 600 it, and sign in",
                 0600 | (unsigned)bit);
        check_text(f, said);
    }
    assert_int_equal(chmod(fixture_path(f, "token"), 0400), 0);
    assert_int_equal(fixture_load(f, 1), AUTH_OK);
}

static void test_not_our_file(void **state)
{
    struct fixture *f = *state;
    fixture_create(f, 1);
    char elsewhere[512];
    snprintf(elsewhere, sizeof elsewhere, "%s", fixture_path(f, "elsewhere"));
    assert_int_equal(rename(fixture_path(f, "token"), elsewhere), 0);
    assert_int_equal(symlink(elsewhere, fixture_path(f, "token")), 0);
    assert_int_equal(fixture_load(f, 1), AUTH_ERR_STORE);
    check_text(f, "is a symbolic link");
    unlink(fixture_path(f, "token"));
    assert_int_equal(mkfifo(fixture_path(f, "token"), 0600), 0);
    assert_int_equal(fixture_load(f, 1), AUTH_ERR_STORE); /* at once */
    check_text(f, "is not a regular file");
    unlink(fixture_path(f, "token"));
    assert_int_equal(mkdir(fixture_path(f, "token"), 0700), 0);
    assert_int_equal(fixture_load(f, 1), AUTH_ERR_STORE);
    check_text(f, "is not a regular file");
    rmdir(fixture_path(f, "token"));
    assert_int_equal(rename(elsewhere, fixture_path(f, "token")), 0);
    if (geteuid() == 0) {
        assert_int_equal(chown(fixture_path(f, "token"), 65534, 65534), 0);
        assert_int_equal(fixture_load(f, 1), AUTH_ERR_STORE);
        check_text(f, "belongs to another user (uid 65534)");
        assert_int_equal(chown(fixture_path(f, "token"), 0, 0), 0);
    }
    assert_int_equal(fixture_load(f, 1), AUTH_OK);
}

static void test_open_directory(void **state)
{
    struct fixture *f = *state;
    fixture_create(f, 1);
    assert_int_equal(chmod(f->dir, 0720), 0);
    assert_int_equal(fixture_load(f, 1), AUTH_ERR_STORE);
    check_text(f, "chmod 700");
    assert_int_equal(chmod(f->dir, 0755), 0);
    assert_int_equal(fixture_load(f, 1), AUTH_OK);
    char path[512];
    snprintf(path, sizeof path, "%s/token/x", f->dir);
    struct auth_store *store = auth_store_new(path, ACCOUNT);
    struct auth_login login = login_make(1, 40);
    assert_int_equal(auth_store_create(store, &login, f->text), AUTH_ERR_STORE);
    check_text(f, "cannot make the directory");
    auth_login_free(&login);
    auth_store_free(&store);
}

/* Every beginning of a good file, and every file that differs from it by a bit. */
static void test_cut_and_flipped(void **state)
{
    struct fixture *f = *state;
    static const enum auth_keyring_error forms[] = {AUTH_KEYRING_OK, AUTH_KEYRING_NO_BUS};
    for (size_t form = 0; form < sizeof forms / sizeof *forms; form++) {
        keyring.error = forms[form];
        fixture_create(f, 1);
        struct buffer good = fixture_read(f);
        for (size_t len = 0; len < good.len; len++) {
            fixture_write(f, good.data, len);
            assert_int_equal(fixture_load(f, 1), AUTH_ERR_STORE);
            check_text(f, "is damaged; sign in again: outlookfs login " ACCOUNT);
        }
        for (size_t i = 0; forms[form] == AUTH_KEYRING_OK && i < good.len; i++) {
            good.data[i] ^= 1;
            fixture_write(f, good.data, good.len);
            assert_int_equal(fixture_load(f, 1), AUTH_ERR_STORE);
            check_text(f, "outlookfs login " ACCOUNT);
            good.data[i] ^= 1;
        }
        fixture_write(f, good.data, good.len);
        assert_int_equal(fixture_load(f, 1), AUTH_OK);
        buffer_free(&good);
    }
}

#define HEAD                                                                                       \
    "{\"version\":1,\"provider\":\"p\",\"token_url\":\"u\",\"client_id\":\"c\",\"scope\":\"s\","

static void test_damaged(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"",                                                                          "damaged"    },
        {"\n",                                                                        "damaged"    },
        {"null",                                                                      "damaged"    },
        {"[]",                                                                        "damaged"    },
        {"{}",                                                                        "damaged"    },
        {"{\"version\":1}",                                                           "damaged"    },
        {"{\"version\":\"1\"}",                                                       "damaged"    },
        {"{\"version\":2}",                                                           "newer"      },
        {"{\"version\":1e300}",                                                       "damaged"    },
        {HEAD "\"refresh_token\":\"r\",\"access_token\":\"a\"}",                      "damaged"    },
        {HEAD "\"refresh_token\":\"r\",\"access_token\":\"a\",\"expires\":1}x",       "damaged"    },
        {HEAD "\"refresh_token\":\"\",\"access_token\":\"a\",\"expires\":1}",         "damaged"    },
        {HEAD "\"refresh_token\":null,\"access_token\":\"a\",\"expires\":1}",         "damaged"    },
        {HEAD "\"refresh_token\":1,\"access_token\":\"a\",\"expires\":1}",            "damaged"    },
        {HEAD "\"refresh_token\":[\"r\"],\"access_token\":\"a\",\"expires\":1}",      "damaged"    },
        {HEAD "\"refresh_token\":\"r\\n\",\"access_token\":\"a\",\"expires\":1}",     "damaged"    },
        {HEAD "\"refresh_token\":\"r\\u007f\",\"access_token\":\"a\",\"expires\":1}", "damaged"    },
        {HEAD "\"refresh_token\":\"r\\u0000\",\"access_token\":\"a\",\"expires\":1}", "damaged"    },
        {HEAD "\"refresh_token\":\"r\",\"access_token\":\"a\",\"expires\":-1}",       "damaged"    },
        {HEAD "\"refresh_token\":\"r\",\"access_token\":\"a\",\"expires\":1.5}",      "damaged"    },
        {HEAD "\"refresh_token\":\"r\",\"access_token\":\"a\",\"expires\":1e17}",     "damaged"    },
        {HEAD "\"refresh_token\":\"r\",\"access_token\":\"a\",\"expires\":\"1\"}",    "damaged"    },
        {"{\"version\":1,\"cipher\":\"aes-256-gcm\"}",                                "damaged"    },
        {"{\"version\":1,\"cipher\":7}",                                              "damaged"    },
        {"{\"version\":1,\"cipher\":\"rot13\"}",                                      "newer"      },
        {"{\"version\":1,\"cipher\":\"aes-256-gcm\",\"nonce\":\"\",\"data\":\"\"}",   "damaged"    },
        {"{\"version\":1,\"cipher\":\"aes-256-gcm\",\"nonce\":\"AAAAAAAAAAAAAAAA\",\"data\":\"AA=="
         "\"}",                                                              "damaged"    },
        {"{\"version\":1,\"cipher\":\"aes-256-gcm\",\"nonce\":\"AAAA\",\"data\":"
         "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",                    "damaged"    },
        {"{\"version\":1,\"cipher\":\"aes-256-gcm\",\"nonce\":\"AAAAAAAAAAAAAAAA\",\"data\":"
         "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",                    "another key"},
    };
    fixture_create(f, 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture_write(f, cases[i].text, strlen(cases[i].text));
        assert_int_equal(fixture_load(f, 1), AUTH_ERR_STORE);
        check_text(f, cases[i].said);
    }
    fixture_write(f, "{\0}", 3);
    assert_int_equal(fixture_load(f, 1), AUTH_ERR_STORE);
    char *nested = calloc(1, STORE_TEXT_MAX + 1);
    memset(nested, '[', STORE_TEXT_MAX + 1);
    fixture_write(f, nested, STORE_TEXT_MAX);
    assert_int_equal(fixture_load(f, 1), AUTH_ERR_STORE);
    check_text(f, "damaged");
    fixture_write(f, nested, STORE_TEXT_MAX + 1);
    assert_int_equal(fixture_load(f, 1), AUTH_ERR_STORE);
    check_text(f, "too long");
    free(nested);
}

/* What a later version adds is let pass. */
static void test_more_fields(void **state)
{
    struct fixture *f = *state;
    static const char more[] = "{\"later\":[{}],";
    keyring.error = AUTH_KEYRING_NO_SERVICE;
    fixture_create(f, 1);
    struct buffer good = fixture_read(f);
    struct buffer longer;
    buffer_init(&longer, 65536);
    assert_true(buffer_append_text(&longer, more) && buffer_append_text(&longer, good.data + 1));
    fixture_write(f, longer.data, longer.len);
    assert_int_equal(fixture_load(f, 1), AUTH_OK);
    buffer_free(&good);
    buffer_free(&longer);
}

/* ---- keys ---- */

static void test_key_cannot_be_had(void **state)
{
    struct fixture *f = *state;
    static const struct {
        enum auth_keyring_error error;
        enum auth_error result;
        const char *cause, *step;
    } cases[] = {
        {AUTH_KEYRING_NO_BUS,        AUTH_ERR_STORE,   "no session bus",        "in the session that has it, or"},
        {AUTH_KEYRING_NO_SERVICE,    AUTH_ERR_KEYRING, "no keyring runs",       "start it, or"                  },
        {AUTH_KEYRING_NO_COLLECTION, AUTH_ERR_KEYRING, "no default collection", "open the one"                  },
        {AUTH_KEYRING_LOCKED,        AUTH_ERR_KEYRING, "is locked",             "unlock it and try again, or"   },
        {AUTH_KEYRING_NO_KEY,        AUTH_ERR_STORE,   "no key for it",         "sign in again"                 },
        {AUTH_KEYRING_SILENT,        AUTH_ERR_KEYRING, "does not answer",       "try again later, or"           },
        {AUTH_KEYRING_FAILED,        AUTH_ERR_KEYRING, "fails",                 "try again later, or"           },
    };
    fixture_create(f, 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        keyring.error = cases[i].error;
        assert_int_equal(fixture_load(f, 1), cases[i].result);
        check_text(f, cases[i].cause);
        check_text(f, cases[i].step);
        check_text(f, "sign in again: outlookfs login " ACCOUNT);
    }
    keyring.error = AUTH_KEYRING_OK;
    assert_int_equal(fixture_load(f, 1), AUTH_OK);
}

static enum auth_error load(struct fixture *f, int n)
{
    struct auth_login login;
    auth_login_init(&login);
    enum auth_error error = auth_store_load(f->store, &login, f->text);
    if (error == AUTH_OK)
        assert_true(login_is(&login, n, 40));
    auth_login_free(&login);
    return error;
}

/* Asked once; a locked keyring later is nothing to a process that has the key. */
static void test_key_is_kept(void **state)
{
    struct fixture *f = *state;
    fixture_create(f, 1);
    auth_store_free(&f->store);
    f->store = fixture_store(f);
    keyring.asked = 0;
    assert_int_equal(load(f, 1), AUTH_OK);
    assert_int_equal(keyring.asked, 1);
    keyring.error = AUTH_KEYRING_LOCKED;
    save(f, 2, 40);
    assert_int_equal(load(f, 2), AUTH_OK);
    assert_int_equal(keyring.asked, 1);
}

/* Signed out and in again by another process, sealed with another key: it is asked for once more.
 */
static void test_key_changes(void **state)
{
    struct fixture *f = *state;
    struct auth_store *mine = f->store;
    fixture_create(f, 1);
    f->store = fixture_store(f);
    assert_int_equal(auth_store_forget(f->store, f->text), AUTH_OK);
    fixture_create(f, 2);
    auth_store_free(&f->store);
    f->store = mine;
    assert_int_equal(load(f, 2), AUTH_OK);
    keyring.key[0] ^= 1; /* and a key that fits no more is no crash */
    assert_int_equal(fixture_load(f, 2), AUTH_ERR_STORE);
    check_text(f, "another key");
    keyring.key[0] ^= 1;
    keyring.error = AUTH_KEYRING_LOCKED;
    fixture_create(f, 3); /* a form can change, too */
    assert_int_equal(load(f, 3), AUTH_OK);
}

/* The file of one account is not another's. */
static void test_account_is_bound(void **state)
{
    struct fixture *f = *state;
    fixture_create(f, 1);
    struct auth_store *other = auth_store_new(f->dir, "john@example.org");
    struct auth_login login;
    auth_login_init(&login);
    other->ask = f->store->ask;
    other->has_key = true; /* even with the key */
    memcpy(other->key, keyring.key, sizeof other->key);
    keyring.error = AUTH_KEYRING_OK;
    free(other->account);
    other->account = strdup(ACCOUNT); /* for the fake, which knows no other */
    assert_int_equal(auth_store_load(other, &login, f->text), AUTH_ERR_STORE);
    auth_login_free(&login);
    auth_store_free(&other);
}

/* A key that stays behind is no reason to stay signed in. */
static void test_forget_without_keyring(void **state)
{
    struct fixture *f = *state;
    fixture_create(f, 1);
    keyring.error = AUTH_KEYRING_LOCKED;
    assert_int_equal(auth_store_forget(f->store, f->text), AUTH_OK);
    assert_false(auth_store_exists(f->store));
    assert_string_equal(auth_store_protection(f->store), "not known yet");
}

int main(void)
{
#define STORE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        STORE(test_plain),
        STORE(test_sealed),
        STORE(test_modes),
        STORE(test_sizes),
        STORE(test_unfit),
        STORE(test_save_needs_lock_and_load),
        STORE(test_readable_by_others),
        STORE(test_not_our_file),
        STORE(test_open_directory),
        STORE(test_cut_and_flipped),
        STORE(test_damaged),
        STORE(test_more_fields),
        STORE(test_key_cannot_be_had),
        STORE(test_key_is_kept),
        STORE(test_key_changes),
        STORE(test_account_is_bound),
        STORE(test_forget_without_keyring),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
