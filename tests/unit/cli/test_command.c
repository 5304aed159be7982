/* cli/command.c, mount.c, session.c: which exit code, and that a failure is one line. The commands
 * run in a child each, as they are used. */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/daemon.h"
#include "tests/unit/cli/child.h"
#include "tests/unit/cli/fakes.h"

static char base[] = "/tmp/outlookfs-command-XXXXXX";

static void expect(const char *const *words, int code, const char *in_out, const char *in_err)
{
    char out[4096], err[4096];
    int got = child_run(base, words, out, err);
    if (got != code || strstr(out, in_out) == NULL || strstr(err, in_err) == NULL)
        fail_msg("%s: %d\n%s%s", words[0], got, out, err);
    const char *end = strchr(err, '\n');
    if (err[0] != '\0' && (strncmp(err, "outlookfs: ", 11) != 0 || end == NULL || end[1] != '\0'))
        fail_msg("not one line: %s", err);
}

static void test_usage(void **state)
{
    static const struct {
        const char *words[8];
        int code;
        const char *out, *err;
    } rows[] = {
        {{NULL},                                                                            2, "",                   "no command"                 },
        {{"--help"},                                                                        0, "outlookfs umount",   ""                           },
        {{"--version"},                                                                     0, "outlookfs 0.",       ""                           },
        {{"mount", "--help"},                                                               0, "token_command=COMM", ""                           },
        {{"mount", "a@b", "/", "-o", "ro", "--help"},                                       0, "cache_size=SIZE",    ""                           },
        {{"status", "--help"},                                                              0, "--json",             ""                           },
        {{"umount", "--help"},                                                              0, "usage: outlookfs u", ""                           },
        {{"bogus"},                                                                         2, "",                   "unknown command"            },
        {{"login"},                                                                         2, "",                   "takes one acc"              },
        {{"login", "--help"},                                                               0, "--client-id ID",     ""                           },
        {{"login", "a/b"},                                                                  2, "",                   "a/b"                        },
        {{"login", "me@outlook.com"},                                                       2, "token_command",      "--client-id ID"             },
        {{"login", "me@outlook.com", "--bogus"},                                            2, "",                   "unknown option --bogus"     },
        {{"login", "--device", "-xo", "me@outlook.com"},                                    2, "",                   "unknown option -x"          },
        {{"login", "me@outlook.com", "--device=now"},                                       2, "",                   "unknown option --device=now"},
        {{"login", "--", "me@outlook.com", "-o"},                                           2, "",                   "one account"                },
        {{"login", "me@outlook.com", "--tenant"},                                           2, "",                   "--tenant needs"             },
        {{"login", "me@outlook.com", "--provider", "google"},                               2, "",                   "microsoft|live|generic"     },
        {{"login", "me@outlook.com", "-o", "bogus"},                                        2, "",                   "option bogus"               },
        {{"login", "me@outlook.com", "--device", "--browser"},                              2, "",                   "exclude"                    },
        {{"login", "me@outlook.com", "--client-id", "x", "--authority", "http://x"},
         2,                                                                                    "",
         "authority http://x"                                                                                                                     },
        {{"login", "me@outlook.com", "--client-id", "x", "--provider", "live", "--device"},
         2,                                                                                    "",
         "no device code"                                                                                                                         },
        {{"login", "me@x", "--provider", "generic"},                                        2, "",                   "host=NAME"                  },
        {{"logout"},                                                                        2, "",                   "one account"                },
        {{"logout", "a/b"},                                                                 2, "",                   "a/b"                        },
        {{"logout", "nobody@x"},                                                            1, "",                   "nobody is signed in"        },
        {{"accounts", "x"},                                                                 2, "",                   "no arguments"               },
        {{"accounts"},                                                                      0, "",                   "no accounts yet"            },
        {{"sync"},                                                                          2, "",                   "one directory"              },
        {{"sync", "-x", "/"},                                                               2, "",                   "unknown option"             },
        {{"sync", "/tmp"},                                                                  1, "",                   "not an outlookf"            },
        {{"sync", "--help"},                                                                0, "Ctrl-C",             ""                           },
        {{"outbox"},                                                                        2, "",                   "takes a dir"                },
        {{"outbox", "--help"},                                                              0, "save ID FILE",       ""                           },
        {{"outbox", "/tmp"},                                                                1, "",                   "not an outlookf"            },
        {{"outbox", "/tmp", "bogus"},                                                       2, "",                   "unknown action bogus"       },
        {{"outbox", "/tmp", "list", "1"},                                                   2, "",                   "takes no more"              },
        {{"outbox", "/tmp", "drop"},                                                        2, "",                   "takes an id"                },
        {{"outbox", "/tmp", "drop", "1", "2"},                                              2, "",                   "takes an id"                },
        {{"outbox", "/tmp", "retry", "x"},                                                  2, "",                   "x is not an id"             },
        {{"outbox", "/tmp", "retry", "0"},                                                  2, "",                   "0 is not an id"             },
        {{"outbox", "/tmp", "save", "1"},                                                   2, "",                   "an id and a file"           },
        {{"outbox", "/tmp", "drop", "1", "--json"},                                         2, "",                   "goes with list"             },
        {{"outbox", "/tmp", "--bogus"},                                                     2, "",                   "unknown option"             },
        {{"search"},                                                                        2, "",                   "a directory and a query"    },
        {{"search", "/", "x", "--bog"},                                                     2, "",                   "unknown option"             },
        {{"--bogus"},                                                                       2, "",                   "unknown option"             },
        {{"mount"},                                                                         2, "",                   "takes an acc"               },
        {{"mount", "a", "b", "c"},                                                          2, "",                   "takes an acc"               },
        {{"mount", "-x", "a", "b"},                                                         2, "",                   "unknown opt"                },
        {{"mount", "--bogus", "a", "b"},                                                    2, "",                   "unknown option --bogus"     },
        {{"mount", "-fx", "a", "b"},                                                        2, "",                   "unknown option -x"          },
        {{"status", "-ab"},                                                                 2, "",                   "unknown option -a"          },
        {{"mount", "a", "b", "-o"},                                                         2, "",                   "-o needs"                   },
        {{"mount", "a/b", "/"},                                                             2, "",                   "a/b"                        },
        {{"mount", "a@b", "/", "-o", "bogus"},                                              2, "",                   "option bogus"               },
        {{"a@b", "/", "-o", "ro,bogus"},                                                    2, "",                   "option bogus"               },
        {{"a", "/", "-o", "bogus"},                                                         2, "",                   "option bogus"               },
        {{"umount"},                                                                        2, "",                   "one directory"              },
        {{"umount", "-x"},                                                                  2, "",                   "unknown option"             },
        {{"umount", "/nonexistent"},                                                        1, "",                   "No such file"               },
        {{"umount", "/tmp"},                                                                1, "",                   "not an outlookf"            },
        {{"status", "--bogus"},                                                             2, "",                   "unknown option"             },
        {{"status", "a", "b"},                                                              2, "",                   "at most"                    },
        {{"status", "/tmp"},                                                                1, "",                   "not an outlookf"            },
        {{"status"},                                                                        0, "nothing is mounted", ""                           },
        {{"status", "--json"},                                                              0, "",                   ""                           },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        expect(rows[i].words, rows[i].code, rows[i].out, rows[i].err);
}

static void test_mountpoint(void **state)
{
    const struct {
        const char *dir, *err;
    } rows[] = {
        {"/nonexistent",      "mkdir"              },
        {"/proc/self/status", "not a directory"    },
        {"/proc",             "mounted there alrea"},
        {"/dev/fd/3",         "setuid=USER"        },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *const words[] = {"mount", "a@b", rows[i].dir, "-o", "token_command=t", NULL};
        expect(words, 1, "", rows[i].err);
    }
    const char *const words[] = {"mount", "a@b", base, NULL};
    expect(words, 3, "", "token_command");
}

/* sync's errors become the contract's exit codes, in the foreground and through the pipe. */
static void test_exit_codes(void **state)
{
    static const struct {
        enum sync_error error;
        const char *text;
        int code;
        const char *err;
    } rows[] = {
        {SYNC_ERR_AUTH,        "sign in; again", 3, "outlookfs: sign in; again\n"},
        {SYNC_ERR_UNREACHABLE, "no server",      4, "outlookfs: no server\n"     },
        {SYNC_ERR_REFUSED,     "go away",        5, "outlookfs: go away\n"       },
        {SYNC_ERR_CONFIG,      "bad option",     2, "outlookfs: bad option\n"    },
        {SYNC_ERR_BUSY,        "in use\x1b[m",   1, "outlookfs: in use?[m\n"     },
        {SYNC_ERR_CACHE,       "",               1, "debug\n"                    },
        {SYNC_OK,              "",               1, "cannot mount: fusermount3"  },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fake_sync_error = rows[i].error;
        fake_sync_text = rows[i].text;
        const char *const back[] = {"mount", "a@b", base, "-o", "token_command=t", NULL};
        const char *const front[] = {"a@b", base, "-f", "-o", "token_command=t", NULL};
        expect(back, rows[i].code, "", rows[i].err);
        expect(front, rows[i].code, "", rows[i].err);
    }
}

/* A daemon started with closed descriptors must not get its files under their numbers. */
static void test_closed_stdio(void **state)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        close(STDIN_FILENO);
        close(STDERR_FILENO);
        bool good = daemon_fill_stdio();
        int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
        good = good && next > STDERR_FILENO;
        for (int fd = 0; fd <= STDERR_FILENO; fd++)
            good = good && fcntl(fd, F_GETFD) == 0;
        _exit(good ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static int make_base(void **state)
{
    if (mkdtemp(base) == NULL)
        return -1;
    setenv("HOME", base, 1);
    setenv("XDG_RUNTIME_DIR", base, 1);
    unsetenv("XDG_CONFIG_HOME");
    unsetenv("XDG_STATE_HOME");
    setenv("XDG_CACHE_HOME", base, 1);
    return 0;
}

static int remove_base(void **state)
{
    static const char *const left[] = {"/outlookfs/a@b",
                                       "/outlookfs",
                                       "/.local/state/outlookfs/a@b",
                                       "/.local/state/outlookfs",
                                       "/.local/state",
                                       "/.local",
                                       ""};
    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s%s", base, left[i]);
        rmdir(path);
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_usage),
        cmocka_unit_test(test_mountpoint),
        cmocka_unit_test(test_exit_codes),
        cmocka_unit_test(test_closed_stdio),
    };
    return cmocka_run_group_tests(tests, make_base, remove_base);
}
