/*
 * The parser, by transcripts: what the server says, and what must come out. Each is fed whole, cut
 * in two at every byte, and byte by byte; all must give the same.
 */
#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/imap/transcript.h"

#define LINE(text) text "\r\n"

struct example {
    const char *name;
    const char *server;
    const char *expected;
};

static void run_every_way(const struct transcript *t, const struct example *e)
{
    size_t len = strlen(e->server);
    for (size_t cut = 0; cut <= len + 1; cut++) {
        struct buffer log;
        buffer_init(&log, 1024 * 1024);
        if (cut <= len)
            transcript_run(t, e->server, len, cut, 0, &log);
        else
            transcript_run(t, e->server, len, 0, 1, &log);
        if (strcmp(log.data, e->expected) != 0)
            fail_msg("%s, cut at %zu:\n%s\nnot:\n%s", e->name, cut, log.data, e->expected);
        buffer_free(&log);
    }
}

static void run_examples(const struct transcript *t, const struct example *examples, size_t count)
{
    for (size_t i = 0; i < count; i++)
        run_every_way(t, &examples[i]);
}

#define RUN(t, examples) run_examples(t, examples, sizeof(examples) / sizeof(examples)[0])

static void reads_status(void **state)
{
    static const struct example examples[] = {
        {"greeting",                          LINE("* OK The Microsoft Exchange IMAP4 service is ready. [TQBO]"),
         "status OK text=\"The Microsoft Exchange IMAP4 service is ready. [TQBO]\"\nidle"                              },
        {"tagged",                            LINE("A1 OK done") LINE("a2 no [TRYCREATE] x") LINE("3 BAD"),
         "status OK tag=\"A1\" text=\"done\"\n"
         "status NO tag=\"a2\" code=8 text=\"x\"\n"
         "status BAD tag=\"3\" text=\"\"\nidle"                                                                        },
        {"bye and preauth",                   LINE("* BYE Connection closed. 14") LINE("* PREAUTH hello"),
         "status BYE text=\"Connection closed. 14\"\nstatus PREAUTH text=\"hello\"\nidle"                              },
        {"no literal in text",                LINE("* OK see {5}") LINE("* 1 EXISTS") LINE("A OK {3}"),
         "status OK text=\"see {5}\"\nexists 1\nstatus OK tag=\"A\" text=\"{3}\"\nidle"                                },
        {"continuation",                      LINE("+ Ready for additional command text.") LINE("+") LINE("+ "),
         "continue text=\"Ready for additional command text.\"\n"
         "continue text=\"\"\ncontinue text=\"\"\nidle"                                                                },
        {"bare LF, blank lines, a CR inside", "\r\n* 1 EXISTS\n\n\r\nA OK a\rb\n",
         "exists 1\nstatus OK tag=\"A\" text=\"a<0D>b\"\nidle"                                                         },
        {"cut",                               "* OK half",                                                        "cut"},
        {"cut after CR",                      "\r",                                                               "cut"},
    };
    RUN(&transcript_default, examples);
}

static void reads_codes(void **state)
{
    static const struct example examples[] = {
        {"numbers",            LINE("* OK [UIDNEXT 4491] x") LINE("* OK [HIGHESTMODSEQ 9223372036854775807]"),
         "status OK code=9 number=4491 text=\"x\"\n"
         "status OK code=15 number=9223372036854775807 text=\"\"\nidle"},
        {"out of range",
         LINE("* OK [UIDVALIDITY 4294967296]") LINE("* OK [APPENDLIMIT 99999999999999999999]")
             LINE("* OK [UIDNEXT]"),
         "status OK code=10 text=\"\"\nstatus OK code=29 text=\"\"\nstatus OK code=9 text=\"\"\n"
         "idle"                                                        },
        {"copyuid",
         LINE("A OK [COPYUID 55 31,33:34 6:8] done") LINE("* OK [COPYUID 14  ]")
             LINE("A OK [APPENDUID 424 9] x") LINE("* OK [COPYUID 14]"),
         "status OK tag=\"A\" code=13 number=55 source=\"31,33:34\" target=\"6:8\" text=\"done\"\n"
         "status OK code=13 number=14 source=\"\" target=\"\" text=\"\"\n"
         "status OK tag=\"A\" code=12 number=424 source=\"9\" text=\"x\"\n"
         "status OK code=13 number=14 text=\"\"\nidle"                 },
        {"flags",              LINE("* OK [PERMANENTFLAGS (\\Seen \\*)] x") LINE("* OK [PERMANENTFLAGS ()] y"),
         "status OK code=5 code-text=\"\\Seen \\*\" text=\"x\"\n"
         "status OK code=5 code-text=\"\" text=\"y\"\nidle"            },
        {"words",              LINE("* OK [CAPABILITY IMAP4rev1 IDLE] hi") LINE("A OK [read-write] x"),
         "status OK code=3 code-text=\"IMAP4rev1 IDLE\" text=\"hi\"\n"
         "status OK tag=\"A\" code=7 text=\"x\"\nidle"                 },
        {"charset, modified",
         LINE("A NO [BADCHARSET (US-ASCII \"a]b\")] no") LINE("A OK [MODIFIED 7,9]"),
         "status NO tag=\"A\" code=2 code-text=\"US-ASCII \"a]b\"\" text=\"no\"\n"
         "status OK tag=\"A\" code=17 source=\"7,9\" text=\"\"\nidle"  },
        {"unknown and broken", LINE("* OK [X-NEW 1 2] t") LINE("* OK [] t") LINE("* OK [ALERT t"),
         "status OK code=33 code-text=\"X-NEW 1 2\" text=\"t\"\n"
         "status OK code=33 code-text=\"\" text=\"t\"\n"
         "status OK text=\"[ALERT t\"\nidle"                           },
    };
    RUN(&transcript_default, examples);
}

/* What Outlook.com sends that is not IMAP (OUTLOOK.md sections 3 and 4). */
static void reads_bare_lines(void **state)
{
    static const struct example examples[] = {
        {"unavailable",      LINE("Server Unavailable. 15") LINE("A NO Server Unavailable. 15"),
         "bare line=\"Server Unavailable. 15\"\n"
         "status NO tag=\"A\" text=\"Server Unavailable. 15\"\nidle"},
        {"copyuid",          LINE("[COPYUID 55 31 6]") LINE("* 1 EXPUNGE"),
         "bare line=\"[COPYUID 55 31 6]\" code=13 number=55 source=\"31\" target=\"6\"\n"
         "expunge 1\nidle"                                          },
        {"message set",      LINE("The specified message set is invalid."),
         "bare line=\"The specified message set is invalid.\"\nidle"},
        {"no literal in it", LINE("Oops {4}") LINE("* 2 EXISTS"),
         "bare line=\"Oops {4}\"\nexists 2\nidle"                   },
        {"odd starts",
         LINE("*") LINE("* ") LINE("*OK x") LINE(" * OK x") LINE("A BYE x") LINE("\x80"),
         "bare line=\"*\"\nother line=\"* \"\nbare line=\"*OK x\"\nbare line=\" * OK x\"\n"
         "bare line=\"A BYE x\"\nbare line=\"<80>\"\nidle"          },
    };
    RUN(&transcript_default, examples);
}

static void reads_lists(void **state)
{
    static const struct example examples[] = {
        {"outlook",          LINE("* LIST (\\Marked \\HasNoChildren \\TRASH) \"/\" Deleted"),
         "list attributes=4024 delimiter=\"/\" name=\"Deleted\"\nidle"                      },
        {"forms",            LINE("* LSUB () NIL \"a \\\"b\\\\\"") LINE("* LIST () \"\\\\\" {3}") LINE("x\"y"),
         "lsub attributes=0 name=\"a \"b\\\"\nlist attributes=0 delimiter=\"\\\" "
         "name=\"x\"y\"\nidle"                                                              },
        {"raw tab",          LINE("* LIST (\\HasNoChildren) \"/\" a\tb c") LINE("* LIST () \"/\" \"a\tb\""),
         "list attributes=20 delimiter=\"/\" name=\"a<09>b c\" malformed\n"
         "list attributes=0 delimiter=\"/\" name=\"a<09>b\"\nidle"                          },
        {"broken names",
         LINE("* LIST () \"/\" a b") LINE("* LIST () \"/\" \"a") LINE("* LIST () \"/\" x(1)"),
         "list attributes=0 delimiter=\"/\" name=\"a b\" malformed\n"
         "list attributes=0 delimiter=\"/\" name=\"\"a\" malformed\n"
         "list attributes=0 delimiter=\"/\" name=\"x(1)\" malformed\nidle"                  },
        {"extended",         LINE("* LIST (\\NonExistent) \"/\" \"x\" (\"CHILDINFO\" (\"SUBSCRIBED\"))"),
         "list attributes=42 delimiter=\"/\" name=\"x\"\nidle"                              },
        {"not a list",       LINE("* LIST \"/\" x") LINE("* LIST () \"/\"") LINE("* LIST () \"ab\" x"),
         "other line=\"* LIST \"/\" x\"\nother line=\"* LIST () \"/\"\"\n"
         "other line=\"* LIST () \"ab\" x\"\nidle"                                          },
        {"empty name",       LINE("* LIST (\\Noselect) \"/\" \"\""),
         "list attributes=2 delimiter=\"/\" name=\"\"\nidle"                                },
        {"namespace",
         LINE("* NAMESPACE ((\"\" \"/\")) NIL NIL")
             LINE("* NAMESPACE ((\"\" \"/\")(\"#m/\" NIL \"X\" (\"a\" \"b\"))) ((\"~\" \"/\")) "
                  "((\"#s\" \".\"))") LINE("* NAMESPACE ((\"\""),
         "namespace 0 prefix=\"\" delimiter=\"/\"\n"
         "namespace 0 prefix=\"\" delimiter=\"/\" 0 prefix=\"#m/\" 1 prefix=\"~\" delimiter=\"/\""
         " 2 prefix=\"#s\" delimiter=\".\"\n"
         "other line=\"* NAMESPACE ((\"\"\"\nidle"                                          },
        {"status",
         LINE(
             "* STATUS \"a b\" (MESSAGES 231 UIDNEXT 44292 MAILBOXID (x) UNSEEN 4294967296 SIZE 9)")
             LINE("* STATUS x ()") LINE("* STATUS x (UIDVALIDITY 1 \"") LINE("* STATUS x"),
         "mailbox-status present=23 name=\"a b\" messages=231 uidnext=44292 size=9\n"
         "mailbox-status present=0 name=\"x\"\nmailbox-status present=4 name=\"x\" uidvalidity=1\n"
         "other line=\"* STATUS x\"\nidle"                                                  },
        {"status, the rest", LINE("* STATUS x (UNSEEN 2 HIGHESTMODSEQ 7 APPENDLIMIT 5 SIZE NIL)"),
         "mailbox-status present=58 name=\"x\" unseen=2 highestmodseq=7 appendlimit=5\nidle"},
    };
    RUN(&transcript_default, examples);
}

static void reads_the_small_ones(void **state)
{
    static const struct example examples[] = {
        {"numbers",
         LINE("* 4294967295 EXISTS") LINE("* 0 RECENT") LINE("* 4294967296 EXISTS") LINE("* 3 X y")
             LINE("* 0 EXPUNGE"),
         "exists 4294967295\nrecent 0\nother line=\"* 4294967296 EXISTS\"\nother line=\"* 3 X y\"\n"
         "other line=\"* 0 EXPUNGE\"\nidle"                                                                                 },
        {"flags",                  LINE("* FLAGS (\\Seen \\deleted $MDNSent)") LINE("* FLAGS x"),
         "flags flags=9 flags-text=\"\\Seen \\deleted $MDNSent\"\nother line=\"* FLAGS x\"\nidle"                           },
        {"words",
         LINE("* CAPABILITY IMAP4rev1 IDLE ") LINE("* ENABLED CONDSTORE") LINE("* ENABLED"),
         "capability words=\"IMAP4rev1 IDLE\"\nenabled words=\"CONDSTORE\"\nenabled "
         "words=\"\"\nidle"                                                                                                 },
        {"id",                     LINE("* ID (\"name\" \"x\\\"y\" \"v\" NIL)") LINE("* ID NIL") LINE("* ID (\"a\")"),
         "id key=\"name\" value=\"x\"y\" key=\"v\" nil\nid\nid\nidle"                                                       },
        {"quota",
         LINE("* QUOTA \"\" (STORAGE 10 512 MESSAGE 3 9)") LINE("* QUOTA x ()")
             LINE("* QUOTA x (S -1 2)"),
         "quota root=\"\" resource=\"STORAGE\" 10 of 512 resource=\"MESSAGE\" 3 of 9\n"
         "quota root=\"x\"\nother line=\"* QUOTA x (S -1 2)\"\nidle"                                                        },
        {"quotaroot",              LINE("* QUOTAROOT INBOX \"\" \"u x\"") LINE("* QUOTAROOT {1}") LINE("a"),
         "quotaroot mailbox=\"INBOX\" root=\"\" root=\"u x\"\nquotaroot mailbox=\"a\"\nidle"                                },
        {"search",                 LINE("* SEARCH 2 84  882 ") LINE("* SEARCH") LINE("* SEARCH 5 (MODSEQ 9)"),
         "search 2 84 882\nsearch\nsearch 5 modseq=9\nidle"                                                                 },
        {"search that lies",       LINE("* SEARCH 2 x 3") LINE("* 1 EXISTS"),                                          "bad"},
        {"search out of range",    LINE("* SEARCH 2 4294967296"),                                                      "bad"},
        {"search of nothing",      LINE("* SEARCH 0"),                                                                 "bad"},
        {"esearch",
         LINE(
             "* ESEARCH (TAG \"A\") UID MIN 2 MAX 47 COUNT 25 ALL 2,10:15 MODSEQ 7 PARTIAL (1:2 3)")
             LINE("* ESEARCH"),
         "esearch uid all=\"2,10:15\" min=2 max=47 total=25 modseq=7\nesearch\nidle"                                        },
        {"esearch that lies",      LINE("* ESEARCH UID COUNT x"),                                                      "bad"},
        {"vanished",               LINE("* VANISHED (EARLIER) 41,43:116") LINE("* VANISHED 4") LINE("* VANISHED"),
         "vanished earlier uids=\"41,43:116\"\nvanished uids=\"4\"\nother line=\"* "
         "VANISHED\"\nidle"                                                                                                 },
        {"unknown with a literal", LINE("* X-NEW ({3}") LINE("a\nb) c") LINE("* 1 EXISTS"),
         "other line=\"* X-NEW ({3}<0D><0A>a<0A>b) c\"\nexists 1\nidle"                                                     },
    };
    RUN(&transcript_default, examples);
}

static void reads_fetch(void **state)
{
    static const struct example examples[] = {
        {"any order",
         LINE("* 1 FETCH (RFC822.SIZE 45274 UID 84)")
             LINE("* 2 fetch (flags (\\Seen $X) uid 85 modseq (12) internaldate "
                  "\" 7-Feb-2024 02:44:25 -0700\")"),
         "fetch 1 uid=84 size=45274\n"
         "fetch 2 uid=85 flags=1 flags-text=\"\\Seen $X\" date=1707299065 modseq=12\nidle"                                },
        {"headers",
         LINE("* 1 FETCH (BODY[HEADER.FIELDS (FROM \"T]O\")] {4}") LINE("a: b UID 3)")
             LINE("* 2 FETCH (BODY[HEADER] NIL UID 4)") LINE("* 3 FETCH (RFC822.HEADER \"h\")")
                 LINE("* 4 FETCH (BODY[header.fields.not (X)]<0> \"z\")"),
         "fetch 1 uid=3 header=\"a: b\"\nfetch 2 uid=4 header=nil\nfetch 3 header=\"h\"\n"
         "fetch 4 header=\"z\"\nidle"                                                                                     },
        {"unknown items",
         LINE("* 1 FETCH (X-GM-LABELS (\\Inbox \"a b\") X-GM-MSGID 12 BODY[TEXT] {2}")
             LINE(")( BODY[1.MIME] \"x\" BINARY[1] ~{1}") LINE("z BODY (\"text\" (\"a\")) UID 9)"),
         "fetch 1 uid=9\nidle"                                                                                            },
        {"envelope",                 LINE("* 1 FETCH (ENVELOPE (\"d\" {3}") LINE("a(b NIL) UID 2)"),
         "fetch 1 uid=2 envelope=\"\"d\" {3}<0D><0A>a(b NIL\"\nidle"                                                      },
        {"bodystructure of outlook",
         LINE("* 1 FETCH (BODYSTRUCTURE ((NIL NIL (\"charset\" \"x\") NIL NIL \"7bit\" -1 "
              "\"inline\") "
              "\"mixed\") UID 9)"),
         "fetch 1 uid=9\nidle"                                                                                            },
        {"breaks off",
         LINE("* 1 FETCH (UID 7 BODYSTRUCTURE ((\"text\" \"plain\" RFC822.SIZE 8)")
             LINE("* 2 EXISTS"),
         "fetch 1 uid=7\nexists 2\nidle"                                                                                  },
        {"odd values",
         LINE("* 1 FETCH (UID 0 RFC822.SIZE -1 MODSEQ () X 1 INTERNALDATE \"never\" FLAGS NIL "
              "ENVELOPE NIL UID 0 X y RFC822.SIZE 8)")
             LINE("* 2 FETCH (UID 4294967296 RFC822.SIZE 9223372036854775808 FLAGS (\\Seen))"),
         "fetch 1 size=8\nfetch 2 flags=1 flags-text=\"\\Seen\"\nidle"                                                    },
        {"twice",                    LINE("* 1 FETCH (UID 4 FLAGS () FLAGS (\\Seen) UID 5)"),
         "fetch 1 uid=5 flags=1 flags-text=\"\\Seen\"\nidle"                                                              },
        {"nothing",
         LINE("* 1 FETCH ()") LINE("* 2 FETCH") LINE("* 3 FETCH (") LINE("* 4 FETCH (UID)"),
         "fetch 1\nfetch 2\nfetch 3\nfetch 4\nidle"                                                                       },
        {"number out of range",      LINE("* 4294967296 FETCH (UID 5)"),                             "fetch 0 uid=5\nidle"},
        {"too deep",
         LINE("* 1 FETCH (UID 5 X ((((((((9)))))))) FLAGS ())")
             LINE("* 2 FETCH (X (((((((((9))))))))) UID 1)"),
         "fetch 1 uid=5 flags=0 flags-text=\"\"\nfetch 2\nidle"                                                           },
        {"broken literal",           LINE("* 1 FETCH (UID 5 X {1a}") LINE("* 1 EXISTS"),             "bad"                },
        {"empty literal",            LINE("* 1 FETCH (X {}"),                                        "bad"                },
        {"open literal",             LINE("* 1 FETCH (X {12"),                                       "bad"                },
        {"overflowing literal",      LINE("* 1 FETCH (X {18446744073709551616}"),                    "too large"          },
        {"literal over the ceiling", LINE("* 1 FETCH (X {1048577}"),                                 "too large"          },
    };
    RUN(&transcript_default, examples);
}

static void streams_bodies(void **state)
{
    static const struct example examples[] = {
        {"before its UID",                LINE("* 3 FETCH (BODY[] {9}") LINE("a: b\r\n\r\nc UID 84)"),
         "body 3 9: a: b<0D><0A><0D><0A>c end fetch 3 uid=84 body-is=streamed length=9\nidle"                                    },
        {"partial",
         LINE("* 1 FETCH (UID 4 BODY[]<7> {2+}") LINE("ab)") LINE("* 2 FETCH (BODY[]<0.9> {0}")
             LINE(")"),
         "body 1 2: ab end fetch 1 uid=4 body-is=streamed length=2 origin=7\n"
         "body 2 0:  end fetch 2 body-is=streamed origin=0\nidle"                                                                },
        {"RFC822",                        LINE("* 1 FETCH (RFC822 {1}") LINE("a RFC822.SIZE 3)"),
         "body 1 1: a end fetch 1 size=3 body-is=streamed length=1\nidle"                                                        },
        {"not a literal",                 LINE("* 1 FETCH (BODY[] \"a\\\"b\")") LINE("* 2 FETCH (BODY[] NIL)"),
         "fetch 1 body-is=inline length=3 body=\"a\"b\"\nfetch 2 body-is=nil\nidle"                                              },
        {"IMAP inside",                   LINE("* 1 FETCH (BODY[] {12}") "* 1 EXISTS\r\n" LINE(")"),
         "body 1 12: * 1 EXISTS<0D><0A> end fetch 1 body-is=streamed length=12\nidle"                                            },
        {"other sections gather",
         LINE("* 1 FETCH (BODY[TEXT] {2}") LINE("ab BODY[1] {1}") LINE("c UID 1)"),
         "fetch 1 uid=1\nidle"                                                                                                   },
        {"two of them: the first counts",
         LINE("* 1 FETCH (BODY[] {1}") LINE("a BODY[] {2}") LINE("bc)"),
         "body 1 1: a end fetch 1 body-is=streamed length=1\nidle"                                                               },
        {"streamed after inline",         LINE("* 1 FETCH (BODY[] \"x\" BODY[] {2}") LINE("bc)"),
         "body 1 2: bc end fetch 1 body-is=streamed length=2\nidle"                                                              },
        {"wrong length",                  LINE("* 1 FETCH (UID 4 BODY[] {3}") LINE("abcdef)"),
         "body 1 3: abc end fetch 1 uid=4 body-not=streamed length=3\nidle"                                                      },
        {"wrong length, behind a space",  LINE("* 1 FETCH (UID 4 BODY[] {3}") LINE("abc def)"),
         "body 1 3: abc end fetch 1 uid=4 body-not=streamed length=3\nidle"                                                      },
        {"no end",                        LINE("* 1 FETCH (UID 4 BODY[] {3}") LINE("abc"),
         "body 1 3: abc end fetch 1 uid=4 body-not=streamed length=3\nidle"                                                      },
        {"in no item's place",            LINE("* 1 FETCH (X (BODY[] {3}") LINE("abc) BODY[] {1}") LINE("d)"),
         "body 1 3: abc end fetch 1 body-not=streamed length=3\nidle"                                                            },
 /* An address whose parts the sender chose must not pass for an item. */
        {"forged inside a literal",
         LINE("* 1 FETCH (ENVELOPE ((NIL {7}") LINE(" BODY[] {3}") LINE("abc)) BODY[] {1}")
             LINE("d)"),
         "body 1 1: d end fetch 1 envelope=\"(NIL {7}<0D><0A> BODY[] {3}<0D><0A>abc)\" "
         "body-is=streamed length=1\nidle"                                                                                       },
        {"forged announcement",           LINE("* 1 FETCH (X {4}") LINE(" {9}") LINE("* 2 EXISTS"),
         "fetch 1\nexists 2\nidle"                                                                                               },
        {"cut",                           LINE("* 1 FETCH (BODY[] {3}") "ab",                                   "body 1 3: abcut"},
        {"over the ceiling",              LINE("* 1 FETCH (BODY[] {1048577}"),                                  "too large"      },
    };
    RUN(&transcript_default, examples);
}

/* A refused body is read and dropped, and nobody is told that it is there. */
static void drops_refused_bodies(void **state)
{
    static const struct example whole[] = {
        {"refused",        LINE("* 1 FETCH (UID 4 BODY[] {3}") LINE("abc)") LINE("A OK x"),
         "body 1 3: fetch 1 uid=4 body-not=streamed length=3\n"
         "status OK tag=\"A\" text=\"x\"\nidle"           },
        {"refused, empty", LINE("* 1 FETCH (UID 4 BODY[] {0}") LINE(")"),
         "body 1 0: fetch 1 uid=4 body-not=streamed\nidle"},
    };
    static const struct example later[] = {
        {"refused later",
         LINE("* 1 FETCH (BODY[] {3}") LINE("abc)") LINE("* 2 FETCH (BODY[] {2}") LINE("de)"),
         "body 1 3: abc end fetch 1 body-is=streamed length=3\n"
         "body 2 2: d"
         "fetch 2 body-not=streamed length=2\nidle"},
    };
    struct transcript t = transcript_default;
    t.refuse_body = true;
    RUN(&t, whole);
    t.refuse_body = false;
    t.body_bytes = 4;
    RUN(&t, later);
}

static void gathers_small_bodies(void **state)
{
    static const struct example examples[] = {
        {"small",
         LINE("* 1 FETCH (BODY[] {3}") LINE("abc)") LINE("* 2 FETCH (BODY[]<1> {4}") LINE("abcd)"),
         "fetch 1 body-is=inline length=3 body=\"abc\"\n"
         "body 2 4: abcd end fetch 2 body-is=streamed length=4 origin=1\nidle"                                           },
        {"wrong length", LINE("* 1 FETCH (UID 2 BODY[] {2}") LINE("abc)"),                          "fetch 1 uid=2\nidle"},
    };
    struct transcript t = transcript_default;
    t.limits.inline_body = 3;
    RUN(&t, examples);
}

static void keeps_ceilings(void **state)
{
    static const struct example examples[] = {
        {"line",               LINE("* OK 45678901234567890123456789012345678901"),                "too large"},
        {"line that fits",     LINE("* OK 4567890123456789012345678901234567890"),
         "status OK text=\"4567890123456789012345678901234567890\"\nidle"                                     },
        {"literals count",     LINE("* 1 FETCH (BODY[HEADER] {20}"),                               "too large"},
        {"bodies do not",      LINE("* 1 FETCH (BODY[] {20}") LINE("01234567890123456789 UID 1)"),
         "body 1 20: 01234567890123456789 end fetch 1 uid=1 body-is=streamed length=20\nidle"                 },
        {"but have their own", LINE("* 1 FETCH (BODY[] {21}"),                                     "too large"},
    };
    struct transcript t = transcript_default;
    t.limits = (struct imap_parser_limits){.response = 42, .body = 20, .depth = 8};
    RUN(&t, examples);
}

/* NUL is no line end and no string end; strlen cannot carry it, so it has a test of its own. */
static void lives_with_nul(void **state)
{
    static const char server[] =
        "* OK a\0b\r\n* LIST () \"/\" \"a\0b\"\r\n\0\r\n* 1 FETCH (UID\0 3)\r\n";
    for (size_t cut = 0; cut < sizeof server; cut++) {
        struct buffer log;
        buffer_init(&log, 10000);
        transcript_run(&transcript_default, server, sizeof server - 1, cut, cut % 3, &log);
        assert_string_equal(log.data,
                            "status OK text=\"a<00>b\"\n"
                            "list attributes=0 delimiter=\"/\" name=\"a<00>b\" malformed\n"
                            "bare line=\"<00>\"\nfetch 1\nidle");
        buffer_free(&log);
    }
}

/* Once bad, always bad: the bytes after it mean nothing. */
static void stays_bad(void **state)
{
    static const char server[] = "* SEARCH x\r\n* 1 EXISTS\r\n";
    const struct imap_response *response = NULL;
    struct imap_parser *parser = imap_parser_new(NULL, NULL);
    size_t used = 0;
    assert_int_equal(imap_parser_next(parser, server, sizeof server - 1, &used, &response),
                     IMAP_PARSE_BAD);
    assert_null(response);
    assert_int_equal(imap_parser_next(parser, server + used, 5, &used, &response), IMAP_PARSE_BAD);
    assert_int_equal(used, 0);
    imap_parser_free(&parser);
    assert_null(parser);
    imap_parser_free(&parser);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_status),         cmocka_unit_test(reads_codes),
        cmocka_unit_test(reads_bare_lines),     cmocka_unit_test(reads_lists),
        cmocka_unit_test(reads_the_small_ones), cmocka_unit_test(reads_fetch),
        cmocka_unit_test(streams_bodies),       cmocka_unit_test(drops_refused_bodies),
        cmocka_unit_test(gathers_small_bodies), cmocka_unit_test(keeps_ceilings),
        cmocka_unit_test(lives_with_nul),       cmocka_unit_test(stays_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
