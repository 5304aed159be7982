"""Each row of CONTRACT.md's table of operations, for messages: what the mount is told, and what the server has then.

The server is looked at by a client of its own (support/desk.py). What crosses the wire is read from the
emulation's transcript; plain Dovecot shows by flags and dates whether a message was copied or made anew.
"""
import concurrent.futures
import datetime
import time

import pytest

from .support import sample
from .support.desk import TRASH
from .support.dovecot import Dovecot
from .support.mount import wait_for

WHEN = int(datetime.datetime(2019, 3, 4, 5, 6, 7, tzinfo=datetime.timezone.utc).timestamp())
COPIES = {
    "cp": 'cp "$1" Archive/',
    "ln": 'ln "$1" Archive/',
    "cp -p": 'cp -p "$1" Archive/',
    "cp -p by writing": 'cp -p --reflink=never "$1" Archive/',
    "copy_file_range": '/usr/bin/python3 -c "import os, sys; s = os.open(sys.argv[1], 0); '
                       "t = os.open('Archive/new.eml', os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600); "
                       'assert os.copy_file_range(s, t, os.fstat(s).st_size) == os.fstat(s).st_size" "$1"',
}


def three(flags="\\Seen \\Flagged"):
    return sample.few(3, flags=flags)


# --- into the mount ---

def test_cp_from_outside(desk, any_way):
    with desk(way=any_way) as d:
        d.do('cp "$1" Archive/new.eml', d.mail(7))
        assert d.ls("Archive") == ["new.eml"]
        assert abs(d.one("Archive", 7).date - time.time()) < 120
        assert d.ls("Archive") == ["new.eml"]
        d.agree()


def test_what_was_written_is_what_the_server_returns(desk, way):
    """After APPEND the bytes are the server's; bare LF went out as CRLF."""
    text = sample.message(7, size=3000)
    with desk(way=way) as d:
        d.do('cp "$1" Archive/new.eml', d.beside("lf.eml", text.replace(b"\r\n", b"\n")))
        got = d.sh("cat Archive/new.eml").stdout
        assert got == d.one("Archive", 7).data
        assert got == text if way == "dovecot" else b"quoted-printable" in got
        assert int(d.do("stat -c %s Archive/new.eml")) == len(got)


@pytest.mark.parametrize("how", ["cp -p", "mv", "by name before it is closed"])
def test_mtime_becomes_internaldate(desk, way, how):
    with desk(way=way) as d:
        source = d.mail(7, mtime=WHEN)
        if how.startswith("by name"):
            code, _ = d.python("f = os.open('Archive/7.eml', os.O_CREAT | os.O_WRONLY)\n"
                               "os.write(f, open(a[0], 'rb').read())\nos.utime('Archive/7.eml', (int(a[1]),) * 2)\n"
                               "os.close(f)", source, WHEN)
            assert code == 0
        else:
            d.do(f'{how} "$1" Archive/', source)
        assert d.one("Archive", 7).date == WHEN
        assert d.do("stat -c %Y Archive/7.eml").strip() == str(WHEN)
        if how == "mv":
            assert not (d.local / "7.eml").exists()


def test_redirections(desk, any_way):
    """`>` makes a message, `>>` one more part of it: the grown one is there, the first in the trash."""
    with desk(way=any_way) as d:
        d.do('cat "$1" > Archive/a.eml', d.mail(7))
        assert d.numbers("Archive") == [7]
        d.do('echo "one line more" >> Archive/a.eml')
        grown, = d.held("Archive")
        assert grown.number == 7 and grown.data.endswith(b"one line more\r\n")
        assert d.numbers(TRASH) == [7] and b"one line more" not in d.held(TRASH)[0].data
        assert d.sh("cat Archive/a.eml").stdout == grown.data and d.ls("Archive") == ["a.eml"]
        d.agree()


def test_append_to_what_is_not_there(desk, way):
    with desk(way=way) as d:
        d.do('cat "$1" >> Archive/a.eml', d.mail(7))
        assert d.numbers("Archive") == [7] and d.numbers(TRASH) == []


def test_one_append_a_file(desk, outlook):
    with desk(way="outlook") as d:
        sources = [d.mail(n) for n in range(5)]
        d.forget()
        d.do('cp "$@" Archive/', *sources)
        assert len(d.sent("APPEND")) == 5 and d.numbers("Archive") == [0, 1, 2, 3, 4]
        assert not d.sent("STORE", "EXPUNGE", "DELETE", "MOVE")


def test_not_a_message(desk, way):
    """What is no message goes nowhere, and close() says so."""
    with desk(way=way) as d:
        for name, data in (("text", b"Hello, world\n"), ("binary", b"\x7fELF\1\1"), ("nul", sample.message(1) + b"\0"),
                           ("space", b" Subject: x\r\n\r\n"), ("colon", b": x\r\n\r\n")):
            source = d.beside(name, data)
            code, _ = d.python("f = os.open('Archive/' + a[0] + '.eml', os.O_CREAT | os.O_WRONLY)\n"
                               "os.write(f, open(a[1], 'rb').read())\nos.close(f)", name, source)
            assert code == 22, name
            answer = d.sh('cp "$1" Archive/', source)
            assert answer.returncode == 1 and b"Invalid argument" in answer.stderr and answer.stderr.count(b"\n") == 1
        assert d.held("Archive") == []
        if way == "outlook":
            assert not d.sent("APPEND")


# --- copies within ---

@pytest.mark.parametrize("how", COPIES)
def test_copy_within(desk, way, how):
    with desk(three(), way=way) as d:
        path, before = d.path("INBOX", 2), d.one("INBOX", 2)
        d.do('cat "$1" > /dev/null', path)
        if d.outlook:
            d.forget()
        d.do(COPIES[how], path)
        copy = d.one("Archive", 2)
        assert copy.data == before.data and d.numbers("INBOX") == [1, 2, 3]
        assert copy.date == before.date and {"\\Seen", "\\Flagged"} <= copy.flags
        if d.outlook:
            assert not d.sent("APPEND") and len(d.sent("UID COPY")) == 1, d.sent()
            assert not [e for e in d.outlook.transcript.entries() if e.received > 200 and e.verb != "AUTHENTICATE"]
        d.agree()


def test_copy_within_on_any_server(desk, any_way):
    with desk(three(), way=any_way) as d:
        d.do('cp "$1" Archive/x.eml; cp Archive/x.eml Drafts/', d.path("INBOX", 2))
        assert d.numbers("Archive") == d.numbers("Drafts") == [2] and d.numbers("INBOX") == [1, 2, 3]
        assert d.ls("Archive") == d.ls("Drafts") == ["x.eml"]
        d.agree()


def test_a_copy_fetches_nothing(desk, outlook):
    """A clone's body need not be here."""
    with desk(sample.few(3, size=20000), way="outlook") as d:
        path = d.path("INBOX", 2)
        d.forget()
        d.do('ln "$1" Archive/; mv "$2" Archive/', path, d.mount.path_of("Inbox", 3))
        assert d.numbers("Archive") == [2, 3]
        assert not [line for line in d.sent("FETCH") if "[]" in line] and not d.sent("APPEND")


def test_a_clone_that_is_written_on(desk, way):
    """A copy that is changed before it is closed is a new message; the source stays what it is."""
    with desk(three(), way=way) as d:
        path, before = d.path("INBOX", 2), d.one("INBOX", 2)
        code, _ = d.python("s = os.open(a[0], 0)\nt = os.open('Archive/x.eml', os.O_CREAT | os.O_RDWR)\n"
                           "size = os.fstat(s).st_size\nassert os.copy_file_range(s, t, size) == size\n"
                           "os.pwrite(t, b'X-More: yes\\r\\n', size)\nassert os.pread(t, 99, size) == b'X-More: yes\\r\\n'\n"
                           "os.close(t)", path)
        assert code == 0
        assert b"X-More: yes" in d.one("Archive", 2).data and d.one("INBOX", 2).data == before.data


def test_copy_over_a_message(desk, any_way):
    with desk(three(), way=any_way) as d:
        d.do('cp "$1" "$2"', d.path("INBOX", 1), d.path("INBOX", 3))
        assert d.numbers("INBOX") == [1, 1, 2] and d.numbers(TRASH) == [3]
        d.agree()


# --- moves ---

def test_move(desk, any_way):
    with desk(three(), way=any_way) as d:
        path, before = d.path("INBOX", 2), d.one("INBOX", 2)
        name = path.split("/")[1]
        inode = d.do('stat -c %i "$1"', path)
        if d.outlook:
            d.forget()
        d.do('mv "$1" Archive/', path)
        assert d.ls("Archive") == [name] and name not in d.ls("Inbox")
        after = d.one("Archive", 2)
        assert d.numbers("INBOX") == [1, 3]
        assert (after.data, after.date, after.flags & {"\\Seen", "\\Flagged", "\\Deleted"}) == (
            before.data, before.date, {"\\Seen", "\\Flagged"})
        assert d.do('stat -c %i "$1"', "Archive/" + name) == inode
        if d.outlook:
            assert not d.sent("APPEND")
            has_move = "MOVE" not in (d.outlook.switches.without or ())
            assert len(d.sent("UID MOVE")) == (1 if has_move else 0)
            if not has_move:
                assert len(d.sent("UID COPY")) == 1 and [line for line in d.sent("STORE") if "\\Deleted" in line]
        d.agree()


def test_move_under_another_name(desk, any_way):
    with desk(three(), way=any_way) as d:
        d.do('mv "$1" Archive/kept.eml; mv Archive/kept.eml Archive/twice.eml; mv Archive/twice.eml Drafts/',
             d.path("INBOX", 2))
        assert d.numbers("Drafts") == [2] and d.numbers("Archive") == [] and d.numbers("INBOX") == [1, 3]
        assert d.ls("Drafts") == ["twice.eml"] and d.ls("Archive") == []
        d.agree()


def test_rename_in_one_directory(desk, way, mounted, home):
    """An alias: nothing is sent, and it outlives the mount."""
    with desk(three(), way=way) as d:
        path, held = d.path("INBOX", 2), d.held("INBOX")
        if d.outlook:
            d.forget()
        d.do('mv "$1" Inbox/mine.eml', path)
        assert "mine.eml" in d.ls("Inbox") and path.split("/")[1] not in d.ls("Inbox")
        if d.outlook:
            assert not d.sent("COPY", "MOVE", "STORE", "APPEND", "EXPUNGE")
        assert d.held("INBOX") == held
        options = {k: v for k, v in d.mount.options.items() if k != "cache_dir"}
    with mounted(options) as mount:
        assert mount.path_of("Inbox", held[1].uid) == "Inbox/mine.eml"


@pytest.mark.parametrize("source", ["INBOX", "Archive"])
def test_move_over_a_message(desk, any_way, source):
    """The one that was there goes to the trash; the name is the moved one's."""
    with desk(three() + [("Archive", sample.START, "\\Answered", sample.message(9))], way=any_way) as d:
        moved, target = ("Inbox", 9) if source == "Archive" else ("Inbox", 3)
        path = d.path(source, 9 if source == "Archive" else 1)
        over = d.path("INBOX", 2)
        d.do('mv -f "$1" "$2"', path, over)
        assert d.ls("Inbox").count(over.split("/")[1]) == 1
        assert d.numbers(TRASH) == [2]
        assert d.numbers("INBOX") == ([1, 3, 9] if source == "Archive" else [1, 3])
        d.agree()
        number = 9 if source == "Archive" else 1
        assert d.path("INBOX", number) == over, (moved, target)


def test_move_without_clobbering(desk, way):
    with desk(three(), way=way) as d:
        code, _ = d.python("import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
                           "r = libc.renameat2(-100, a[0].encode(), -100, a[1].encode(), 1)\n"
                           "sys.exit(0) if r == 0 else None\nraise OSError(ctypes.get_errno(), 'x')",
                           d.path("INBOX", 1), d.path("INBOX", 2))
        assert code == 17
        assert d.numbers("INBOX") == [1, 2, 3] and d.numbers(TRASH) == []


def test_exchange_is_refused(desk, way):
    with desk(three(), way=way) as d:
        code, _ = d.python("import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
                           "r = libc.renameat2(-100, a[0].encode(), -100, a[1].encode(), 2)\n"
                           "sys.exit(0) if r == 0 else None\nraise OSError(ctypes.get_errno(), 'x')",
                           d.path("INBOX", 1), d.path("INBOX", 2))
        assert code == 22 and d.numbers("INBOX") == [1, 2, 3]


# --- removal ---

def test_rm_goes_to_the_trash(desk, any_way):
    with desk(three(), way=any_way) as d:
        path, before = d.path("INBOX", 2), d.one("INBOX", 2)
        d.do('rm "$1"', path)
        assert path.split("/")[1] not in d.ls("Inbox")
        assert d.numbers("INBOX") == [1, 3] and d.one(TRASH, 2).data == before.data
        assert "\\Deleted" not in d.one(TRASH, 2).flags
        d.agree()


def test_rm_in_the_trash_is_for_good(desk, any_way):
    with desk(sample.few(3, TRASH) + sample.few(2, TRASH + "/Old"), way=any_way) as d:
        d.do('rm "$1" "$2"', d.path(TRASH, 2), d.path(TRASH + "/Old", 1))
        assert d.numbers(TRASH) == [1, 3] and d.numbers(TRASH + "/Old") == [2]
        d.agree()


def test_delete_is_expunge(desk, any_way):
    with desk(three(), way=any_way, delete="expunge") as d:
        d.do('rm "$1"', d.path("INBOX", 2))
        assert d.numbers("INBOX") == [1, 3] and d.numbers(TRASH) == []
        d.agree()


def test_rm_many(desk, any_way):
    with desk(sample.few(12), way=any_way) as d:
        d.do("rm Inbox/*.eml")
        assert d.numbers("INBOX") == [] and d.numbers(TRASH) == list(range(1, 13)) and d.ls("Inbox") == []
        d.do(f"rm {TRASH}/*.eml")
        assert d.census()[TRASH] == []
        d.agree()


def test_others_deleted_messages_stay(desk, any_way):
    """Never an EXPUNGE that takes what another client marked; without UIDPLUS ours keeps its mark and is hidden."""
    with desk(three(""), way=any_way, delete="expunge") as d:
        theirs, ours = d.one("INBOX", 1).uid, d.one("INBOX", 2).uid
        d.there.store("INBOX", theirs, "\\Deleted", "+FLAGS")
        d.do('rm "$1"', d.mount.path_of("Inbox", ours))
        left = {m.number: m.flags for m in d.held("INBOX")}
        assert 1 in left and 3 in left and "\\Deleted" in left[1] and "\\Deleted" not in left[3]
        if d.outlook and "UIDPLUS" in (d.outlook.switches.without or ()):
            assert "\\Deleted" in left[2] and not d.sent("EXPUNGE")
        else:
            assert 2 not in left
        shown = {uid for box, uid in d.mount.files() if box == "Inbox"}
        assert theirs in shown and ours not in shown
        # what is hidden goes with the next one, once nobody else's is marked
        d.there.store("INBOX", theirs, "\\Deleted", "-FLAGS")
        d.do('rm "$1"', d.mount.path_of("Inbox", d.one("INBOX", 3).uid))
        assert d.numbers("INBOX") == [1]


def test_another_trash(desk, way):
    with desk(three() + sample.few(1, "Bin"), way=way, trash="Bin") as d:
        d.do('rm "$1"', d.path("INBOX", 2))
        assert d.numbers("Bin") == [1, 2] and d.numbers(TRASH) == []
        d.do('rm "$1"', d.path("Bin", 1))
        assert d.numbers("Bin") == [2]


def test_no_trash(mounted, home):
    """A server without one: EPERM, and the message stays."""
    from .support import mailboxes
    from .support.servers import connect
    with Dovecot(mailboxes={"Archive": ""}) as server:
        client = connect(server, "joe")
        mailboxes.load(client, three())
        options = {"host": "localhost", "port": server.tls_port, "cafile": server.ca, "username": "joe", "timeout": 5,
                   "auth": "password", "password_command": home.secret("password", server.password)}
        with mounted(options) as mount:
            path = mount.files()["Inbox", 2]
            answer = mount.run("rm", path)
            assert answer.returncode == 1 and b"Operation not permitted" in answer.stderr
            assert path in mount.files().values() and len(mailboxes.truth(client)["Inbox"]) == 3
        with mounted({**options, "delete": "expunge"}) as mount:
            assert mount.run("rm", path).returncode == 0
            assert list(mailboxes.truth(client)["Inbox"]) == [1, 3]
        client.logout()


def test_unlinked_but_open(desk, way):
    """An open file stays readable when it is removed."""
    with desk(three(), way=way) as d:
        path, data = d.path("INBOX", 2), d.one("INBOX", 2).data
        code, out = d.python("import hashlib\nf = open(a[0], 'rb')\nos.unlink(a[0])\n"
                             "print(hashlib.sha256(f.read()).hexdigest())", path)
        import hashlib
        assert code == 0 and out.strip() == hashlib.sha256(data).hexdigest()
        assert d.numbers(TRASH) == [2]


# --- writing into a message that is there ---

def test_written_anew(desk, any_way):
    """At close: the new one with the old one's flags and date, then the old one to the trash."""
    with desk(three("\\Seen \\Answered"), way=any_way) as d:
        path, before = d.path("INBOX", 2), d.one("INBOX", 2)
        d.do('cat "$1" > "$2"', d.mail(70), path)
        after = d.one("INBOX", 70)
        assert after.flags - {"$MDNSent"} == before.flags and after.date == before.date
        assert d.numbers("INBOX") == [1, 3, 70] and d.one(TRASH, 2).data == before.data
        assert d.path("INBOX", 70) == path
        d.agree()


def test_written_in_the_middle(desk, way):
    with desk(three(), way=way) as d:
        path, before = d.path("INBOX", 2), d.one("INBOX", 2)
        code, _ = d.python("f = os.open(a[0], os.O_RDWR)\nat = os.read(f, 9999).index(b'hay')\n"
                           "os.pwrite(f, b'HEY', at)\nos.close(f)", path)
        assert code == 0
        assert d.one("INBOX", 2).data.count(b"HEY") == 1 and d.one(TRASH, 2).data == before.data
        if way == "dovecot":
            assert d.one("INBOX", 2).data == before.data.replace(b"hay", b"HEY", 1)


@pytest.mark.parametrize("opened", [False, True])
def test_truncate_by_name(desk, any_way, opened):
    """As if it had been opened, cut and closed: the rest is a new version, the old one goes to the trash."""
    with desk(three(), way=any_way) as d:
        path, before = d.path("INBOX", 2), d.one("INBOX", 2)
        whole = d.sh('cat "$1"', path).stdout
        size = len(whole) - 40
        start = "f = os.open(a[0], os.O_RDWR)\n" if opened else ""
        assert d.python(start + "os.truncate(a[0], int(a[1]))", path, str(size))[0] == 0
        after = d.one("INBOX", 2)
        assert d.sh('cat "$1"', path).stdout == after.data
        assert int(d.do('stat -c %s "$1"', path)) == len(after.data)
        assert d.one(TRASH, 2).data == before.data and after.data != before.data
        assert (after.date, after.flags & {"\\Seen", "\\Flagged"}) == (before.date, {"\\Seen", "\\Flagged"})
        if d.outlook is None:
            assert after.data == whole[:size]
        assert d.numbers("INBOX") == [1, 2, 3]
        d.agree()


def test_truncate_while_others_write(desk, way):
    """The kernel keeps the file locked meanwhile: nobody waits for the other for ever, and no version is lost."""
    with desk(three(), way=way) as d:
        d.do('cp "$1" Inbox/long.eml', d.mail(7, size=3000))
        path = "Inbox/long.eml"
        writer = ("for i in range(12):\n try:\n  with open(a[0], 'ab') as f: f.write(b'more')\n"
                  " except OSError as e:\n  assert e.errno in (2, 16, 116), e")
        cutter = ("for i in range(12):\n try: os.truncate(a[0], 2500 - i)\n"
                  " except OSError as e: assert e.errno in (2, 16, 116), e")
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for end in [pool.submit(d.python, code, path) for code in (writer, cutter)]:
                assert end.result(60)[0] == 0
        assert d.numbers("INBOX") == [1, 2, 3, 7] and set(d.numbers(TRASH)) == {7}
        d.agree()


def test_truncate_to_what_it_is_or_cannot_be(desk, way):
    """The same length sends nothing; a longer one is filled with NULs, which no message may hold: the old one stands."""
    with desk(three(), way=way) as d:
        path, before = d.path("INBOX", 2), d.held("INBOX")
        size = len(d.sh('cat "$1"', path).stdout)
        for length, errno in ((size, "0"), (size + 10, "EINVAL"), (1, "EINVAL")):
            assert d.fails(f"os.truncate(a[0], {length})", path) == errno
        assert d.held("INBOX") == before and d.numbers(TRASH) == []
        assert d.sh('cat "$1"', path).stdout == before[1].data
        d.agree()


def test_emptied_and_left_empty(desk, way):
    with desk(three(), way=way) as d:
        path, before = d.path("INBOX", 2), d.held("INBOX")
        d.do(': > "$1"', path)
        assert d.held("INBOX") == before and d.numbers(TRASH) == []
        assert d.sh('cat "$1"', path).stdout == before[1].data
        assert d.fails("os.truncate(a[0], 0)", path) == "0"
        assert d.held("INBOX") == before and d.sh('cat "$1"', path).stdout == before[1].data


def test_the_same_bytes_again_send_nothing(desk, way):
    with desk(way=way) as d:
        source = d.mail(7)
        d.do('cp "$1" Archive/', source)
        before = d.held("Archive")
        if d.outlook:
            d.forget()
        d.do('cp "$1" Archive/; cat "$1" > Archive/7.eml', source)
        assert d.held("Archive") == before and d.numbers(TRASH) == []
        if d.outlook:
            assert not d.sent("APPEND", "MOVE", "STORE", "EXPUNGE")


def test_opened_for_writing_and_not_written(desk, way):
    with desk(three(), way=way) as d:
        before = d.held("INBOX")
        assert d.fails("os.close(os.open(a[0], os.O_RDWR))\nos.close(os.open(a[0], os.O_WRONLY | os.O_APPEND))",
                       d.path("INBOX", 2)) == "0"
        assert d.held("INBOX") == before


def test_published_twice_through_one_handle(desk, way):
    """A second publication through a handle replaces the version that the handle itself had appended."""
    with desk(way=way) as d:
        code, _ = d.python("f = os.open('Archive/x.eml', os.O_CREAT | os.O_WRONLY)\n"
                           "data = open(a[0], 'rb').read()\nos.write(f, data[:-5] + b'\\r\\n')\nos.close(os.dup(f))\n"
                           "os.write(f, b'the end\\r\\n')\nos.close(f)", d.mail(7))
        assert code == 0
        last, = d.held("Archive")
        assert last.data.endswith(b"the end\r\n")
        d.agree()


# --- attributes, df, sync ---

def test_flags(desk, any_way):
    with desk(three("\\Seen"), way=any_way) as d:
        path = d.path("INBOX", 2)

        def set_to(value):
            d.do('setfattr -n user.imap.flags -v "$2" "$1"', path, value)
            there = d.one("INBOX", 2).flags
            shown = d.do('getfattr --only-values -n user.imap.flags "$1"', path)
            assert set(shown.split()) == there
            return there
        assert set_to("+\\Flagged") == {"\\Seen", "\\Flagged"}
        assert set_to("-\\Seen") == {"\\Flagged"}
        assert set_to("\\Answered \\Draft") == {"\\Answered", "\\Draft"}
        assert set_to("+\\Seen \\Flagged") == {"\\Answered", "\\Draft", "\\Seen", "\\Flagged"}
        assert set_to("") == frozenset()
        assert d.one("INBOX", 1).flags == d.one("INBOX", 3).flags == {"\\Seen"}


def test_flags_that_cannot_be(desk, way):
    with desk(three(""), way=way) as d:
        path = d.path("INBOX", 2)

        def error(value, name="user.imap.flags"):
            return d.fails("os.setxattr(a[0], a[1], os.fsencode(a[2]))", path, name, value)
        if way == "outlook":
            assert error("+$Forwarded") == "EOPNOTSUPP" and error("Work") == "EOPNOTSUPP"
        else:
            assert error("+$Forwarded") == "0" and d.one("INBOX", 2).flags == {"$Forwarded"}
        for value in ("+", "+(", "\\Seen)", "+\\Seen\r\nA1 EXPUNGE", "a\"b"):
            assert error(value) == "EINVAL", value
        assert error("x", "user.imap.uid") in ("EPERM", "EACCES", "EINVAL", "EOPNOTSUPP")
        assert error("x", "trusted.x") == "EOPNOTSUPP" == error("x", "security.selinux")
        assert d.one("INBOX", 2).flags <= {"$Forwarded"} and d.numbers("INBOX") == [1, 2, 3]


def subscribed(d):
    return {line.rsplit(b" ", 1)[1].strip(b'"').decode() for line in d.client.lsub()[1] if line}


def test_subscriptions(desk, way):
    with desk([("Work", *mail[1:]) for mail in three()], way=way) as d:  # Dovecot's own are always subscribed
        assert "Work" in subscribed(d)
        d.do("setfattr -n user.imap.subscribed -v 0 Work")
        assert "Work" not in subscribed(d)
        assert d.do("getfattr --only-values -n user.imap.subscribed Work") == "0"
        d.do("setfattr -n user.imap.subscribed -v 1 Work")
        assert "Work" in subscribed(d)
        assert d.fails("os.setxattr('Work', 'user.imap.subscribed', b'2')") == "EINVAL"


def test_mark_seen(desk, way):
    with desk(three(""), way=way, mark_seen=True) as d:
        d.do('cat "$1" > /dev/null', d.path("INBOX", 2))
        wait_for(lambda: d.one("INBOX", 2).flags == {"\\Seen"}, 10, "the flag")
        assert not d.one("INBOX", 1).flags and not d.one("INBOX", 3).flags


def test_reading_marks_nothing(desk, way):
    with desk(three(""), way=way) as d:
        d.do("cat Inbox/*.eml > /dev/null; grep -r needle . > /dev/null")
        assert not any(m.flags for m in d.held("INBOX"))


def test_df_by_quota(desk, mounted, home):
    """The server's QUOTA where it has one."""
    from .support import mailboxes
    from .support.servers import connect
    extra = ("mail_plugins = quota\nprotocol imap {\n  mail_plugins = quota imap_quota\n}\n"
             "plugin {\n  quota = count:User\n  quota_vsizes = yes\n  quota_rule = *:storage=2M\n}\n")
    with Dovecot(extra=extra) as server:
        client = connect(server, "joe")
        mailboxes.load(client, sample.few(10, size=50_000))
        options = {"host": "localhost", "port": server.tls_port, "cafile": server.ca, "username": "joe", "timeout": 5,
                   "auth": "password", "password_command": home.secret("password", server.password)}
        with mounted(options) as mount:
            def sizes():
                out = mount.run("df", "-B1", "--output=size,used,avail", ".", cwd=mount.path).stdout
                return [int(word) for word in out.split()[-3:]]
            total, used, free = wait_for(lambda: sizes() if sizes()[0] <= 4 << 20 else None, 10, "the quota")
            assert total == 2 << 20 and 480_000 < used < 560_000 and free == total - used
        client.logout()


def test_df_without_quota(desk, way):
    with desk(three(), way=way) as d:
        total, free = (int(w) for w in d.do("df -B1 --output=size,avail . | tail -1").split())
        assert total == 1 << 50 and 0 < free < 1 << 50


def test_sync_of_a_directory(desk, way):
    """fsync of a directory asks the server: NOOP or CHECK."""
    with desk(three(), way=way) as d:
        d.do("ls Archive")
        if d.outlook:
            d.forget()
        assert d.fails("f = os.open('Archive', os.O_RDONLY | os.O_DIRECTORY)\nos.fsync(f)\nos.close(f)") == "0"
        if d.outlook:
            assert d.sent("NOOP", "CHECK")
            d.forget()
        assert d.sync().returncode == 0
        if d.outlook:
            assert d.sent("NOOP", "CHECK")


@pytest.mark.parametrize("server_kind", ["dovecot", "outlook"])
@pytest.mark.parametrize("how", ["outlookfs sync", "fsync of a directory", "umount"])
def test_what_waits_for_the_journal(desk, server_kind, how, outlook):
    with desk(sample.few(10), way=server_kind + ", journal") as d:
        d.do("mv Inbox/*.eml Archive/; cp -- Archive/*.eml Drafts/")
        assert len(d.ls("Archive")) == len(d.ls("Drafts")) == 10 and d.ls("Inbox") == []
        if how == "outlookfs sync":
            assert d.sync().returncode == 0
        elif how == "umount":
            d.mount.outlookfs("umount", str(d.mount.path))
        else:
            for name in ("Inbox", "Archive", "Drafts"):
                assert d.fails("f = os.open(a[0], os.O_RDONLY)\nos.fsync(f)\nos.close(f)", name) == "0"
        from .support.desk import census
        found = census(d.client)
        assert found["Archive"] == found["Drafts"] == list(range(1, 11)) and found["Inbox"] == []
        if how == "umount":
            d.mount.process.wait(20)
            d.mount.process = None


def test_fsync_of_a_file_uploads_nothing(desk, way):
    with desk(way=way) as d:
        code, _ = d.python("f = os.open('Archive/x.eml', os.O_CREAT | os.O_WRONLY)\n"
                           "os.write(f, open(a[0], 'rb').read())\nos.fsync(f)\nos.fdatasync(f)\n"
                           "print(open('/dev/null').read())\nimport time\n"
                           "os.close(f)", d.mail(7))
        assert code == 0 and d.numbers("Archive") == [7]
        if d.outlook:
            assert len(d.sent("APPEND")) == 1


# --- read-only ---

def test_modes(desk, way):
    with desk(three(), way=way) as d:
        assert d.do('stat -c %a "$1" Inbox .', d.path("INBOX", 1)).split() == ["600", "700", "700"]
    with desk(way=way, ro=True) as d:
        assert d.do('stat -c %a "$1"', d.path("INBOX", 1)).split() == ["400"]
        assert d.fails("os.unlink(a[0])", d.path("INBOX", 1)) == "EROFS"
        assert d.fails("os.mkdir('New')") == "EROFS"
        assert d.sync().returncode == 0
