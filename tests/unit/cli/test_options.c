/* cli/options.c, fuse_options.c, option_value.c: what -o can say, and what it must not. */
#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/option_value.h"
#include "cli/options.h"
#include "cli/report.h"
#include "sync/sync.h"

static void test_sizes(void **state)
{
    static const struct {
        const char *text;
        bool good;
        uint64_t value;
    } rows[] = {
        {"0",                    true,  0                },
        {"65536",                true,  65536            },
        {"2G",                   true,  UINT64_C(2) << 30},
        {"7k",                   true,  7 << 10          },
        {"3M",                   true,  3 << 20          },
        {"1T",                   true,  UINT64_C(1) << 40},
        {"18446744073709551615", true,  UINT64_MAX       },
        {"18446744073709551616", false, 0                },
        {"16777216T",            false, 0                },
        {"",                     false, 0                },
        {"G",                    false, 0                },
        {"-1",                   false, 0                },
        {" 1",                   false, 0                },
        {"1 ",                   false, 0                },
        {"1GB",                  false, 0                },
        {"0x10",                 false, 0                },
        {"1P",                   false, 0                },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t value = 0;
        assert_int_equal(option_value_size(rows[i].text, 0, UINT64_MAX, &value), rows[i].good);
        if (rows[i].good)
            assert_true(value == rows[i].value);
    }
    uint64_t value;
    assert_false(option_value_number("70000", 1, 65535, &value));
    assert_false(option_value_number("0", 1, 65535, &value));
    assert_true(option_value_number("65535", 1, 65535, &value));
}

/* Each -o text, whether it is taken, and what libfuse gets or what the cause must hold. */
static void test_strings(void **state)
{
    static const struct {
        const char *text;
        bool good;
        const char *expect;
    } rows[] = {
        {"",                                                          true,  ""                         },
        {",,",                                                        true,  ""                         },
        {"ro,nosuid,dev,suid,user=me,_netdev,x-a.b=c",                true,  ""                         },
        {"defaults,noauto,nofail,comment=x",                          true,  ""                         },
        {"allow_other,ro,context=a:b",                                true,  "allow_other,context=a:b"  },
        {"context=a\\,b",                                             true,  "context=a\\,b"            },
        {"context=a\\\\b",                                            true,  "context=a\\\\b"           },
        {"context=a\\n",                                              true,  "context=a\\\\n"           },
        {"prefetch=headers",                                          true,  ""                         },
        {"host=h,port=1,tls=none,names=uid,subscribed",               true,  ""                         },
        {"max_read=65536",                                            false, "unknown option max_read"  },
        {"bogus",                                                     false, "unknown option bogus"     },
        {"ro,bogus=1",                                                false, "unknown option bogus"     },
        {"=1",                                                        false, "unknown option "          },
        {"rw,noexec,nosuid,nodev",                                    true,  ""                         },
        {"rw,nosuid,nodev,exec",                                      true,  ""                         },
        {"rw,dev,suid",                                               true,  ""                         },
        {"noauto,user,_netdev,x-systemd.automount,X-mount.mkdir",     true,  ""                         },
        {"rw,sync,dirsync,strictatime,lazytime,silent,iversion,mand", true,  ""                         },
        {"atime,diratime,norelatime,nostrictatime,nolazytime,loud",   true,  ""                         },
        {"rw,remount,dev,suid",                                       false, "umount, then mount"       },
        {"setuid=me",                                                 false, "unknown option setuid"    },
        {"nosymfollow",                                               false, "unknown option nosymfollo"},
        {"rw,ro",                                                     true,  ""                         },
        {"ro=1",                                                      false, "ro takes no value"        },
        {"delete=shred",                                              false, "one of trash|expunge"     },
        {"mark_seen,poll=10,commit=journal,delete=expunge,trash=Bin", true,  ""                         },
        {"prefetch=all",                                              true,  ""                         },
        {"prefetch=recent:30",                                        true,  ""                         },
        {"prefetch=recent:",                                          false, "prefetch=recent: is not"  },
        {"prefetch=some",                                             false, "prefetch=some is not"     },
        {"poll=0",                                                    false, "poll=0"                   },
        {"commit=never",                                              false, "one of server|journal"    },
        {"port=0",                                                    false, "port=0"                   },
        {"port=65536",                                                false, "1 to 65535"               },
        {"port=x",                                                    false, "port=x"                   },
        {"port",                                                      false, "port needs a value"       },
        {"host=",                                                     false, "host needs a value"       },
        {"tls=ssl",                                                   false, "implicit|starttls|none"   },
        {"compress=maybe",                                            false, "one of yes|no"            },
        {"compress=no",                                               true,  ""                         },
        {"debug=1",                                                   false, "debug takes no value"     },
        {"cache_size=1K",                                             false, "cache_size=1K"            },
        {"connections=17",                                            false, "1 to 16"                  },
        {"fsname",                                                    false, "fsname needs a value"     },
        {"allow_other=1",                                             false, "allow_other takes no such"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char why[CLI_TEXT_MAX] = "";
        struct mount_options options;
        options_init(&options);
        bool good = options_set_string(&options, rows[i].text, why);
        if (good != rows[i].good)
            fail_msg("%s: %s", rows[i].text, why);
        if (good)
            assert_string_equal(options.fuse.len > 0 ? options.fuse.data : "", rows[i].expect);
        else if (strstr(why, rows[i].expect) == NULL)
            fail_msg("%s: %s", rows[i].text, why);
        options_free(&options);
    }
}

static void test_defaults(void **state)
{
    char why[CLI_TEXT_MAX];
    struct mount_options options;
    setenv("XDG_CACHE_HOME", "/c", 1);
    options_init(&options);
    assert_true(options_finish(&options, "me@x", why));
    assert_string_equal(options.host, "imap-mail.outlook.com");
    assert_int_equal(options.port, 993);
    assert_int_equal(options.tls, SYNC_TLS_IMPLICIT);
    assert_int_equal(options.auth, SYNC_AUTH_XOAUTH2);
    assert_string_equal(options.username, "me@x");
    assert_string_equal(options.cache_dir, "/c/outlookfs/me@x");
    assert_true(options.cache_size == UINT64_C(2) << 30);
    assert_int_equal(options.connections, 4);
    assert_int_equal(options.timeout, 30);
    assert_false(options.read_only);
    assert_int_equal(options.delete_mode, 0);
    assert_int_equal(options.commit, SYNC_COMMIT_SERVER);
    assert_null(options.trash);
    options_free(&options);
}

static void test_values(void **state)
{
    char why[CLI_TEXT_MAX];
    struct mount_options options;
    options_init(&options);
    assert_true(options_set_string(
        &options, "tls=starttls,password_command=a b\\, c | d 's/\\n//',cafile=rel,timeout=5",
        why));
    assert_true(options_set_string(&options, "timeout=7,cache_size=3M", why));
    assert_true(options_finish(&options, "me", why));
    assert_int_equal(options.port, 143);
    assert_int_equal(options.auth, SYNC_AUTH_PASSWORD);
    assert_string_equal(options.password_command.shell, "a b, c | d 's/\\n//'");
    assert_int_equal(options.cafile[0], '/');
    assert_int_equal(options.timeout, 7);
    assert_true(options.cache_size == 3 << 20);
    options_free(&options);
}

/* How changes are made, and what is fetched ahead; `rw`, which mount(8) says unasked, takes no `ro`
 * back. */
static void test_changes(void **state)
{
    char why[CLI_TEXT_MAX];
    struct mount_options options;
    options_init(&options);
    assert_true(options_set_string(&options,
                                   "ro,rw,delete=expunge,commit=journal,trash=Bin,mark_seen", why));
    assert_true(options_finish(&options, "me", why));
    assert_true(options.read_only && options.mark_seen);
    assert_int_equal(options.delete_mode, 1);
    assert_int_equal(options.commit, SYNC_COMMIT_JOURNAL);
    assert_string_equal(options.trash, "Bin");
    assert_int_equal(options.prefetch.what, SYNC_PREFETCH_NONE);
    assert_true(options_set_string(&options, "prefetch=all,poll=7", why));
    assert_int_equal(options.prefetch.what, SYNC_PREFETCH_ALL);
    assert_true(options_set_string(&options, "prefetch=headers", why));
    assert_int_equal(options.prefetch.what, SYNC_PREFETCH_HEADERS);
    assert_true(options_set_string(&options, "prefetch=recent:30", why));
    assert_int_equal(options.prefetch.what, SYNC_PREFETCH_RECENT);
    assert_int_equal(options.prefetch.days, 30);
    options_free(&options);
}

/* What -o says replaces the other kind of command; an explicit auth= must agree. */
static void test_sign_in(void **state)
{
    static const struct {
        const char *text;
        int auth; /* -1: refused */
    } rows[] = {
        {"token_command=t",                    SYNC_AUTH_XOAUTH2    },
        {"password_command=p",                 SYNC_AUTH_PASSWORD   },
        {"token_command=t,password_command=p", SYNC_AUTH_PASSWORD   },
        {"password_command=p,token_command=t", SYNC_AUTH_XOAUTH2    },
        {"auth=oauthbearer,token_command=t",   SYNC_AUTH_OAUTHBEARER},
        {"auth=password,password_command=p",   SYNC_AUTH_PASSWORD   },
        {"auth=password,token_command=t",      -1                   },
        {"auth=xoauth2,password_command=p",    -1                   },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char why[CLI_TEXT_MAX];
        struct mount_options options;
        options_init(&options);
        assert_true(options_set_string(&options, rows[i].text, why));
        assert_int_equal(options_finish(&options, "me", why), rows[i].auth >= 0);
        if (rows[i].auth >= 0)
            assert_int_equal(options.auth, rows[i].auth);
        options_free(&options);
    }
}

static void test_list(void **state)
{
    static const char *const words[] = {"pass", "show", "a,b"};
    char why[CLI_TEXT_MAX];
    struct mount_options options;
    options_init(&options);
    assert_true(options_set_list(&options, "token_command", words, 3, why));
    assert_string_equal(options.token_command.argv[2], "a,b");
    assert_null(options.token_command.argv[3]);
    assert_true(options_set(&options, "token_command", "shell line", why));
    assert_null(options.token_command.argv);
    assert_false(options_set_list(&options, "host", words, 3, why));
    options_free(&options);
}

/* What login remembers must mean the same file to a mount that starts elsewhere. */
static void test_settled_values(void **state)
{
    static const struct {
        const char *name, *value, *settled;
    } rows[] = {
        {"cafile",   "root.pem",   "/tmp/root.pem"},
        {"log",      "../a",       "/tmp/../a"    },
        {"log",      "~/a",        "~/a"          },
        {"log",      "/a",         "/a"           },
        {"log",      "",           ""             },
        {"username", "no/file",    "no/file"      },
        {"context",  "not/a/file", "not/a/file"   },
    };
    char before[4096];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir("/tmp"), 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *settled = options_settled_value(rows[i].name, rows[i].value);
        assert_string_equal(settled, rows[i].settled);
        free(settled);
    }
    assert_int_equal(chdir(before), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),          cmocka_unit_test(test_strings),
        cmocka_unit_test(test_defaults),       cmocka_unit_test(test_values),
        cmocka_unit_test(test_sign_in),        cmocka_unit_test(test_list),
        cmocka_unit_test(test_settled_values), cmocka_unit_test(test_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
