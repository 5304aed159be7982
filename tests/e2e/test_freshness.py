"""What other programs change on the server shows at the next look that is due (CONTRACT.md section 4)."""
import errno
import json
import subprocess

import pytest

from .support import mailboxes, sample
from .support.dovecot import Dovecot
from .support.mount import wait_for
from .support.servers import connect

LOOK = 15  # a listing is asked for again when it is older than 5 s; threefold


def names(mount, where="."):
    answer = mount.run("ls", "-1", where, cwd=mount.path)
    return answer.stdout.decode().splitlines() if answer.returncode == 0 else None


def test_messages_come_go_and_change(load, server, mounted, options):
    load([("INBOX", sample.START, (), sample.message(n)) for n in (1, 2, 3)])
    with mounted(options) as mount:
        before = names(mount, "Inbox")
        assert len(before) == 3
        load([("INBOX", sample.START, (), sample.message(4))])
        after = wait_for(lambda: (got := names(mount, "Inbox")) != before and got, LOOK, "a message that came")
        assert len(after) == 4 and set(before) < set(after)
        server.select("INBOX")
        server.uid("STORE", "2", "+FLAGS", "(\\Deleted)")
        server.expunge()
        left = wait_for(lambda: (got := names(mount, "Inbox")) != after and got, LOOK, "a message that went")
        assert len(left) == 3 and set(left) < set(after)
        assert len(mount.files()) == 3


def test_flags_at_the_next_mount(load, server, mounted, options):
    load([("INBOX", sample.START, (), sample.message(1))])
    script = "import os, sys; print(os.getxattr(sys.argv[1], 'user.imap.flags').decode())"
    for flags in ("", "\\Flagged"):
        with mounted(options) as mount:
            path = mount.files()["Inbox", 1]
            assert mount.run("/usr/bin/python3", "-c", script, path).stdout.decode().strip() == flags
        server.select("INBOX")
        server.uid("STORE", "1", "+FLAGS", "(\\Flagged)")
        server.close()


def test_mailboxes_come_and_go(load, server, mounted, options):
    load([("Gone", sample.START, (), sample.message(1)), ("Level/Below", sample.START, (), sample.message(2))])
    with mounted(options) as mount:
        assert "Gone" in names(mount) and len(names(mount, "Gone")) == 1
        server.delete("Gone")
        wait_for(lambda: not names(mount, "Gone"), LOOK, "a mailbox that went is empty or not there")
        wait_for(lambda: "Gone" not in names(mount), LOOK, "a mailbox that went")
        load([("Fresh", sample.START, (), sample.message(3))])
        wait_for(lambda: "Fresh" in names(mount), LOOK, "a mailbox that came")
        assert len(names(mount, "Fresh")) == 1
        assert mount.run("ls", "-R", cwd=mount.path).returncode == 0


# --- without anybody looking (names=uid: a name that can be asked for before it was ever listed) ---

WATCHED = 6   # Inbox: 2 s of the server's word; threefold
POLL = 2      # the poll interval here
POLLED = 6    # threefold


def there(mount, path):
    """Whether the name is there, from what is known: no directory is read."""
    return mount.run("stat", path).returncode == 0


def flags_of(mount, path):
    script = "import os, sys; print(os.getxattr(sys.argv[1], 'user.imap.flags').decode())"
    answer = mount.run("/usr/bin/python3", "-c", script, path)
    return answer.stdout.decode().split() if answer.returncode == 0 else None


def doing(mount):
    answer = mount.outlookfs("status", "--json", str(mount.path))
    return [c["doing"] for c in json.loads(answer.stdout)["connections"]]


def watching(mount):
    return wait_for(lambda: "watch" in doing(mount), 20, "a connection that watches")


def flag_and_removal_show(server, mount, mailbox, directory):
    """Another client flags message 2 and takes 3 away, each while a connection watches."""
    server.select(mailbox)
    watching(mount)
    server.uid("STORE", "2", "+FLAGS", "(\\Flagged)")
    wait_for(lambda: flags_of(mount, f"{directory}/2.eml") == ["\\Flagged"], WATCHED, "a flag")
    watching(mount)
    server.uid("STORE", "3", "+FLAGS", "(\\Deleted)")
    server.expunge()
    wait_for(lambda: not there(mount, f"{directory}/3.eml"), WATCHED, "a message that went")


@pytest.mark.parametrize("connections", [4, 1])
def test_inbox_is_watched(load, server, mounted, options, connections):
    load([("INBOX", sample.START, (), sample.message(n)) for n in (1, 2, 3)])
    with mounted(options, names="uid", poll=3600, connections=connections) as mount:
        assert names(mount, "Inbox") == ["1.eml", "2.eml", "3.eml"]
        for uid in (4, 5):
            watching(mount)
            load([("INBOX", sample.START, (), sample.message(uid))])
            wait_for(lambda: there(mount, f"Inbox/{uid}.eml"), WATCHED, "a message that came")
            assert mount.run("cat", f"Inbox/{uid}.eml").returncode == 0
        flag_and_removal_show(server, mount, "INBOX", "Inbox")
        assert names(mount, "Inbox") == ["1.eml", "2.eml", "4.eml", "5.eml"]


def test_other_mailboxes_are_polled(load, server, mounted, options):
    load([("Archive", sample.START, (), sample.message(n)) for n in (1, 2, 3)])
    with mounted(options, names="uid", poll=POLL) as mount:
        assert names(mount, "Archive") == ["1.eml", "2.eml", "3.eml"]
        load([("Archive", sample.START, (), sample.message(4))])
        wait_for(lambda: there(mount, "Archive/4.eml"), POLLED, "a message that came")
        server.select("Archive")
        server.uid("STORE", "2", "+FLAGS", "(\\Seen)")
        wait_for(lambda: flags_of(mount, "Archive/2.eml") == ["\\Seen"], POLLED, "a flag that UNSEEN tells of")
        server.uid("STORE", "3", "+FLAGS", "(\\Deleted)")
        server.expunge()
        wait_for(lambda: not there(mount, "Archive/3.eml"), POLLED, "a message that went")
        server.create("Fresh")
        wait_for(lambda: there(mount, "Fresh"), POLLED, "a mailbox that came")
        server.delete("Fresh")
        wait_for(lambda: not there(mount, "Fresh"), POLLED, "a mailbox that went")


@pytest.mark.parametrize("hide", ["", "QRESYNC", "CONDSTORE QRESYNC", "ESEARCH CONDSTORE QRESYNC"])
def test_by_what_the_server_can(home, mounted, hide):
    """The same comes of it by VANISHED (RFC 7162), by CHANGEDSINCE, and by asking for all; and over a remount."""
    with Dovecot(without=hide.split()) as dovecot:
        client = connect(dovecot, "joe")
        mailboxes.load(client, [("Archive", sample.START, (), sample.message(n)) for n in range(1, 8)])
        options = {"host": "localhost", "port": dovecot.tls_port, "cafile": dovecot.ca, "username": "joe",
                   "password_command": home.secret("password", dovecot.password), "timeout": 5, "names": "uid"}
        for round in (0, 1):
            with mounted({**options, "poll": POLL, "debug": True}) as mount:
                expected = [f"{n}.eml" for n in range(1, 8 + round) if n not in (3, 4)[:round]]
                wait_for(lambda: names(mount, "Archive") == expected, POLLED, "what changed while nothing was mounted")
                if round:
                    assert flags_of(mount, "Archive/5.eml") == ["\\Flagged"]
                client.select("Archive")
                client.uid("STORE", str(6 + round), "+FLAGS", "(\\Answered)")
                client.uid("STORE", str(3 + round), "+FLAGS", "(\\Deleted)")
                client.expunge()
                mailboxes.load(client, [("Archive", sample.START, (), sample.message(8 + round))])
                wait_for(lambda: names(mount, "Archive")[-1:] == [f"{8 + round}.eml"], LOOK, "a message that came")
                wait_for(lambda: not there(mount, f"Archive/{3 + round}.eml"), LOOK, "a message that went")
                if "CONDSTORE" not in hide:
                    wait_for(lambda: flags_of(mount, f"Archive/{6 + round}.eml") == ["\\Answered"], LOOK, "a flag")
                log = mount.log()
                assert ("Archive (QRESYNC (" in log) == (not hide)
                # Dovecot counts changes of a mailbox from the first time that it was asked to: the first round
                assert not round or ("CHANGEDSINCE" in log) == (hide == "QRESYNC")
                # without CONDSTORE all flags are read at the first look, and what went is seen by the way
                assert not round or "CONDSTORE" in hide or ("UID SEARCH RETURN (ALL)" in log) == (hide == "QRESYNC")
            if not round:
                client.select("Archive")
                client.uid("STORE", "5", "+FLAGS", "(\\Flagged)")
                client.close()


def test_the_server_tells_of_other_mailboxes(load, server, mounted, dovecot_options):
    """NOTIFY (RFC 5465), where nothing is polled; a server without it is the poll's (test_other_mailboxes_are_polled)."""
    load([(box, sample.START, (), sample.message(n)) for box in ("Archive", "Work") for n in (1, 2, 3)])
    with mounted(dovecot_options, names="uid", poll=3600, connections=1, debug=True) as mount:
        for box in ("Archive", "Work"):
            assert names(mount, box) == ["1.eml", "2.eml", "3.eml"]
        for n, box in enumerate(("Archive", "Work", "Archive")):
            watching(mount)
            load([(box, sample.START, (), sample.message(7))])
            wait_for(lambda: there(mount, f"{box}/{4 + n // 2}.eml"), WATCHED, "a message that came")
        flag_and_removal_show(server, mount, "Archive", "Archive")
        log = mount.log()
        assert "NOTIFY SET STATUS" in log and "NOTIFY NONE" in log


INO = "import os, sys; print(os.stat(sys.argv[1]).st_ino, os.getxattr(sys.argv[1], 'user.imap.uid').decode())"
HOLD = "import sys; f = open(sys.argv[1], 'rb'); print(flush=True); sys.stdin.readline(); print(f.read().hex(), flush=True)"


def identity(mount, path):
    """(inode, UID), or None."""
    answer = mount.run("/usr/bin/python3", "-c", INO, path)
    return tuple(map(int, answer.stdout.split())) if answer.returncode == 0 else None


def give_new_uid(load, server, box, uid, data):
    """What Outlook.com does to an item that was edited through another protocol: the bytes may be others."""
    load([(box, sample.START, (), data)])
    server.select(box)
    server.uid("STORE", uid, "+FLAGS", "(\\Deleted)")
    server.expunge()
    server.close()


def test_a_new_uid_elsewhere(load, server, mounted, options):
    """The file is the same one, with the bytes that the server has now; one that is open is read to its end."""
    old = sample.message(1)
    head, _, tail = old.partition(b"\r\n\r\n")
    new = head + b"\r\n\r\n" + tail.swapcase()  # as long as before
    load([("Archive", sample.START, (), old), ("Archive", sample.START, (), sample.message(2))])
    with mounted(options, poll=POLL) as mount:
        first = names(mount, "Archive")
        assert len(first) == 2
        path = f"Archive/{first[0]}"
        assert mount.run("cat", path).stdout == old
        ino, uid = identity(mount, path)
        give_new_uid(load, server, "Archive", str(uid), new)
        wait_for(lambda: (identity(mount, path) or (0, uid))[1] != uid, LOOK, "the new UID")
        assert names(mount, "Archive") == first
        assert identity(mount, path) == (ino, 3)
        assert mount.run("cat", path).stdout == new != old
        reader = subprocess.Popen(["/usr/bin/python3", "-c", HOLD, path], cwd=mount.path, stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE)
        assert reader.stdout.readline() == b"\n"
        give_new_uid(load, server, "Archive", "3", old)
        uids = lambda: [(identity(mount, f"Archive/{n}") or (0, 0))[1] for n in names(mount, "Archive") or ()]
        wait_for(lambda: 4 in uids(), LOOK, "the next UID")
        assert bytes.fromhex(reader.communicate(b"\n", timeout=20)[0].decode()) == new
        wait_for(lambda: len(names(mount, "Archive")) == 2, LOOK, "one file a message")
        held = {identity(mount, f"Archive/{n}")[1]: f"Archive/{n}" for n in names(mount, "Archive")}
        assert sorted(held) == [2, 4] and mount.run("cat", held[4]).stdout == old


@pytest.mark.parametrize("each", [1, 40])
def test_a_poll_without_news_costs_the_same(load, server, mounted, outlook, outlook_options, each):
    """50 mailboxes: STATUS and LIST, and one look at up to 1,000 messages' flags."""
    boxes = [f"Box{n}" for n in range(50)]
    load([(box, sample.START, (), sample.message(n)) for box in boxes for n in range(each)])
    with mounted(outlook_options, names="uid", poll=4) as mount:
        for box in boxes:
            assert len(names(mount, box)) == each
        wait_for(lambda: len(polls(outlook)) >= 2, 30, "a poll that finds all in step")
        outlook.transcript.clear()
        poll = wait_for(lambda: polls(outlook), 30, "a poll")[0]
        asked = [e for e in poll if e.verb == "STATUS"]
        about = [e.arguments.split()[0] for e in asked]
        assert set(boxes) <= set(about) and len(set(about)) == len(about) < 50 + 10  # those that are empty, too
        assert sum(e.received + e.sent for e in asked) < 60 * 350
        fetched = [e for e in poll if e.verb == "UID FETCH"]
        assert len(fetched) <= 2 and not [e for e in fetched if e.arguments.startswith("1:*")]
        assert len(poll) < 60 + 25  # LIST, LSUB, NOOP, IDLE, one look at flags; the watch, where it is taken up anew


def polls(outlook):
    """What was sent in each poll that is over: from one LIST to the next."""
    entries = outlook.transcript.entries()
    at = [n for n, entry in enumerate(entries) if entry.verb == "LIST"]
    return [entries[a:b] for a, b in zip(at, at[1:])]


def test_flags_by_the_rolling_window(load, server, mounted, outlook_options):
    """A flag that UNSEEN does not tell of, without CONDSTORE, in a mailbox that nobody reads."""
    load([("Archive", sample.START, (), sample.message(n)) for n in (1, 2)])
    with mounted(outlook_options, names="uid", poll=POLL) as mount:
        assert names(mount, "Archive") == ["1.eml", "2.eml"]
        server.select("Archive")
        server.uid("STORE", "2", "+FLAGS", "(\\Answered)")
        wait_for(lambda: flags_of(mount, "Archive/2.eml") == ["\\Answered"], 3 * POLLED, "a flag")


def test_the_network_goes_and_comes_back(load, server, mounted, outlook, outlook_options):
    """What is known reads on, what is not fails within the bound, and the first success comes by itself."""
    load([("INBOX", sample.START, (), sample.message(n)) for n in (1, 2)])
    with mounted(outlook_options, names="uid", check=False) as mount:
        assert names(mount, "Inbox") == ["1.eml", "2.eml"]
        assert mount.run("cat", "Inbox/1.eml").returncode == 0
        watching(mount)
        outlook.down()
        assert mount.run("cat", "Inbox/1.eml", seconds=5).returncode == 0
        assert mount.run("ls", "-l", "Inbox", seconds=5).returncode == 0
        error, _ = mount.error_of("Inbox/2.eml", seconds=30)  # timeout=5
        assert error == errno.ENETUNREACH
        load([("INBOX", sample.START, (), sample.message(3))])
        outlook.up()
        wait_for(lambda: mount.run("cat", "Inbox/2.eml").returncode == 0, 15, "the first success (5 s; threefold)")
        wait_for(lambda: there(mount, "Inbox/3.eml"), 15, "what came meanwhile")


# --- a mailbox that another client renames ---

HOLD_ALL = """
import os, sys
file, here = open(sys.argv[1], "rb", 0), os.open(sys.argv[2], os.O_RDONLY | os.O_DIRECTORY)
head = file.read(10)
print(flush=True)
sys.stdin.readline()
os.fchdir(here)
print((head + file.read()).hex(), os.stat(".").st_ino, *sorted(os.listdir(".")), os.path.getsize("1.eml"), flush=True)
"""
WALK = """
import os
for directory, _, files in os.walk("."):
    for path in (directory, *(os.path.join(directory, name) for name in files)):
        print(os.stat(path).st_ino, path)
"""


def walk(mount, where):
    """{path below `where`: inode number}."""
    answer = mount.run("/usr/bin/python3", "-c", WALK, cwd=mount.path / where)
    assert answer.returncode == 0, answer.stderr
    return {path: int(ino) for ino, path in (line.split(" ", 1) for line in answer.stdout.decode().splitlines())}


def tree_of_work():
    return [(box, sample.START, (), sample.message(n))
            for box, numbers in (("Work", range(1, 9)), ("Work/Deep", range(11, 14)), ("Work/Deep/Down", [21]))
            for n in numbers]


def bodies_asked_for(request):
    """How often the emulation was; 0 where it is not what is mounted."""
    if request.node.callspec.params["options"] != "outlook":
        return 0
    return sum("BODY.PEEK[]" in entry.arguments for entry in request.getfixturevalue("outlook").transcript.entries("FETCH"))


def test_renamed_elsewhere(load, server, mounted, options, request):
    """Inodes, names, bodies and what is open stay, below it, too, and the old name goes; twice, and back."""
    load(tree_of_work())
    with mounted(options, names="uid", poll=POLL) as mount:
        before = walk(mount, "Work")
        assert len(before) == 3 + 12
        assert mount.run("grep", "-rc", "From:", "Work", cwd=mount.path).returncode == 0  # so none is still fetched ahead
        for old, new in (("Work", "Projects"), ("Projects", "Level/Projects"), ("Level/Projects", "Work")):
            reader = subprocess.Popen(["/usr/bin/python3", "-c", HOLD_ALL, f"{old}/3.eml", f"{old}/Deep"], cwd=mount.path,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            assert reader.stdout.readline() == b"\n"
            asked = bodies_asked_for(request)
            server.rename(old, new)
            wait_for(lambda: there(mount, f"{new}/Deep/Down/1.eml"), POLLED, "the new name")
            wait_for(lambda: not there(mount, old), POLLED, "the end of the old one")
            assert walk(mount, new) == before
            data, ino, *rest = reader.communicate(b"\n", timeout=20)[0].decode().split()
            assert bytes.fromhex(data) == sample.message(3) and int(ino) == before["./Deep"]
            assert rest == ["1.eml", "2.eml", "3.eml", "Down", str(len(sample.message(11)))]
            assert mount.run("cat", f"{new}/2.eml", f"{new}/Deep/1.eml").stdout == sample.message(2) + sample.message(11)
            assert bodies_asked_for(request) == asked
            assert "/" in old or old not in names(mount)
            assert mount.run("cat", f"{new}/5.eml").stdout == sample.message(5)
        load([("Work/Deep", sample.START, (), sample.message(14))])
        wait_for(lambda: there(mount, "Work/Deep/4.eml"), POLLED, "a message that came")


def test_a_file_that_is_written_while_its_mailbox_is_renamed(load, server, mounted, options):
    """close puts it where the mailbox is by then."""
    write = "import sys; f = open('Work/new.eml', 'wb'); print(flush=True); f.write(sys.stdin.buffer.read()); f.close()"
    load(tree_of_work())
    with mounted(options, poll=POLL) as mount:
        assert len(walk(mount, "Work")) == 3 + 12
        writer = subprocess.Popen(["/usr/bin/python3", "-c", write], cwd=mount.path, stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE)
        assert writer.stdout.readline() == b"\n"
        server.rename("Work", "Projects")
        wait_for(lambda: there(mount, "Projects"), POLLED, "the new name")
        writer.communicate(sample.message(99), timeout=20)
        assert writer.returncode == 0
        assert mount.run("cat", "Projects/new.eml").stdout.startswith(b"From:")
        server.select("Projects")
        assert server.uid("SEARCH", "UID", "9")[1] == [b"9"]


def test_one_uidvalidity_in_all(load, server, mounted, outlook, outlook_options):
    """Then it is the messages that tell: what was renamed, and what took the place of another."""
    load([(box, sample.START, (), sample.message(n)) for box, n in (("Plan", 1), ("Gone", 2))])
    outlook.set(uidvalidity=14)
    with mounted(outlook_options, names="uid", poll=POLL) as mount:
        before = walk(mount, "Plan"), walk(mount, "Gone")
        server.rename("Plan", "Bill")
        wait_for(lambda: there(mount, "Bill/1.eml"), POLLED, "the new name")
        assert walk(mount, "Bill") == before[0]
        server.delete("Gone")
        load([("Next", sample.START, (), sample.message(3))])
        wait_for(lambda: there(mount, "Next"), POLLED, "a mailbox that came")
        assert names(mount, "Next") == ["1.eml"] and not there(mount, "Gone")
        assert not set(walk(mount, "Next").values()) & set(before[1].values())
        assert mount.run("cat", "Next/1.eml").stdout == sample.message(3)
