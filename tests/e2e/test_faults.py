"""One test for each fault of OUTLOOK.md: the right bytes or one clear errno, within its bound, for the
one file concerned; nothing wrong stays in the cache."""
import errno
import re
import signal
import subprocess
import time

import pytest

from .support import mailboxes, sample
from .support.mount import wait_for
from .support.servers import make_token
from .test_names import check_component

TIMEOUT = 3
SLACK = 4  # beyond -o timeout: a reconnection and a slow machine


def right(mount, held, mailbox="Inbox", skip=(), how="stat"):
    """Every message of a mailbox but some reads right."""
    files = {uid: path for (box, uid), path in mount.files(how).items() if box == mailbox}
    assert set(files) == set(held[mailbox])
    got = mount.reader("read", *files.values())
    wrong = {uid: got[path] for uid, path in files.items()
             if uid not in skip and got[path].get("sha256") != held[mailbox][uid].sha256}
    assert not wrong, wrong


def everything_right(mount, held):
    for mailbox in held:
        right(mount, held, mailbox)


def in_time(answer, *allowed, bound=TIMEOUT + SLACK):
    code, took = answer
    names = [errno.errorcode.get(a, a) for a in allowed]
    assert code in allowed, f"{errno.errorcode.get(code, code)}, not one of {names}, after {took:.1f} s"
    assert took < bound, f"{took:.1f} s"


@pytest.fixture
def filled(load, truth):
    load(sample.few(8, size=6000) + sample.few(3, "Archive"))
    return truth()


@pytest.fixture
def faulty(mounted, outlook_options):
    """with faulty(timeout=...) as mount: the emulation mounted with a short bound."""
    return lambda **more: mounted({**outlook_options, "timeout": TIMEOUT, **more})


# --- behaviour that must not matter at all ---

@pytest.mark.parametrize("switches", [
    {"greeting": "2026"}, {"caps": "old"}, {"caps": "rollout"}, {"saslir": "off"}, {"item_order": "shuffled"},
    {"item_order": "server"}, {"seq_confusion": 3}, {"whole_on_partial": "on"}, {"bad_bodystructure": "on"},
    {"uidvalidity": 14}, {"exists_before_plus": "on"}, {"idle_silent": "on"}, {"connection_cap": 1},
    {"connection_cap": 2}, {"size_skew": "x0"}, {"dribble": "0@LISTING"}, {"dribble": "0@NAMESPACE"},
    {"throttle": "NO:300@BODY*2"}, {"throttle": "BAD:300@BODY*2"}, {"throttle": "BAD+BYE:300@BODY*2"},
    {"throttle": "BAD:300@LISTING*1"}, {"throttle": "NO+BYE:300@EXAMINE*1"}, {"token_expiry": "6*3"},
    {"cut_at": "2500@BODY*1"}, {"cut_at": "300@LISTING*1"}, {"cut_at": "0@EXAMINE*1"}, {"cut_at": "30@LIST*1"},
    {"unavailable_bare": "0@BODY*1"}, {"unavailable_no": "0@BODY*1"}, {"unavailable_bare": "3@LISTING*1"},
    {"unavailable_no": "3@LISTING*1"}], ids=lambda s: ",".join(f"{k}={v}" for k, v in s.items()))
def test_what_must_not_matter(filled, outlook, faulty, switches):
    """Harmless oddities, and faults that pass: a read may fail once with a clear errno, then all is right."""
    outlook.set(**switches)
    with faulty() as mount:
        passing = any("*" in str(value) for value in switches.values())
        if passing:
            wait_for(lambda: _settles(mount, filled), 20, "the mailbox coming right")
        everything_right(mount, filled)


def _settles(mount, held):
    """Reads all; True when nothing failed. A listing that shows less than the server has is an error at once."""
    if mount.run("find", ".", "-type", "f", cwd=mount.path).returncode != 0:
        return False
    files = mount.files()
    assert len(files) == sum(len(uids) for uids in held.values()), "a listing cut short looked complete"
    got = mount.reader("read")
    for (mailbox, uid), path in files.items():
        if "error" in got[path]:
            assert got[path]["error"] in (errno.EIO, errno.EAGAIN, errno.ENETUNREACH), got[path]
        else:
            assert got[path]["sha256"] == held[mailbox][uid].sha256
    return all("error" not in entry for entry in got.values())


# --- messages that will not come ---

@pytest.mark.parametrize("kind", ["peek_empty", "placeholder"])
def test_a_message_that_will_not_come(filled, outlook, faulty, kind):
    outlook.set(**{kind: "INBOX:3"})
    with faulty() as mount:
        path = mount.files()["Inbox", 3]
        in_time(mount.error_of(path), errno.EIO)
        right(mount, filled, skip={3})
        answer = mount.run("grep", "-rl", "needle", ".", cwd=mount.path)
        assert answer.returncode == 2 and len(answer.stdout.splitlines()) == 10 and len(answer.stderr.splitlines()) == 1
        assert path in mount.files().values(), "it was taken for an expunge"
        outlook.reset()
        wait_for(lambda: mount.error_of(path)[0] == 0, 10, "the message coming at last")
        right(mount, filled)
    with faulty() as mount:
        right(mount, filled)


def test_a_placeholder_is_not_kept(filled, outlook, faulty):
    outlook.set(placeholder=filled["Inbox"].keys())
    with faulty() as mount:
        for path in mount.files().values():
            mount.error_of(path)
    outlook.reset()
    with faulty() as mount:
        everything_right(mount, filled)


def test_a_message_that_is_expunged(filled, outlook, faulty, server):
    with faulty() as mount:
        path = mount.files()["Inbox", 4]
        server.select("INBOX")
        server.uid("STORE", "4", "+FLAGS", "\\Deleted")
        server.expunge()
        in_time(mount.error_of(path), errno.ENOENT, errno.EIO, errno.ESTALE)
        wait_for(lambda: path not in mount.files().values(), 15, "the message that went")
        left = {uid: held for uid, held in filled["Inbox"].items() if uid != 4}
        right(mount, {"Inbox": left})


# --- throttling ---

@pytest.mark.parametrize("form", ["NO", "BAD", "BAD+BYE", "NO+BYE"])
def test_throttled_beyond_the_bound(filled, outlook, faulty, form):
    with faulty() as mount:
        files = mount.files()
        first, second = files["Inbox", 1], files["Inbox", 2]
        assert mount.error_of(first)[0] == 0
        outlook.set(throttle=f"{form}:5000@BODY*1")
        in_time(mount.error_of(second), errno.EAGAIN, bound=2)
        in_time(mount.error_of(first), 0, bound=2)
        assert "asked to wait" in mount.outlookfs("status", str(mount.path)).stdout
        wait_for(lambda: mount.error_of(second)[0] == 0, 12, "the end of the back-off")
        right(mount, filled)


def test_the_limiter_holds_for_the_account(filled, outlook, faulty):
    """While the server wants to be left alone nothing is sent to it."""
    with faulty() as mount:
        files = mount.files()
        outlook.set(throttle="BAD:4000@BODY*1")
        in_time(mount.error_of(files["Inbox", 1]), errno.EAGAIN, bound=2)
        outlook.transcript.clear()
        for uid in range(2, 8):
            in_time(mount.error_of(files["Inbox", uid]), errno.EAGAIN, 0, bound=TIMEOUT + SLACK)
        assert len(outlook.transcript.entries("FETCH")) <= 6


# --- the network ---

def test_no_network(filled, outlook, faulty):
    with faulty() as mount:
        files = mount.files()
        cached, absent = files["Inbox", 1], files["Inbox", 2]
        assert mount.error_of(cached)[0] == 0
        outlook.down()
        in_time(mount.error_of(absent), errno.ENETUNREACH)
        in_time(mount.error_of(cached), 0, bound=2)
        assert mount.run("ls", "-lR", cwd=mount.path, seconds=10).returncode == 0
        outlook.up()
        wait_for(lambda: mount.error_of(absent)[0] == 0, 20, "the network being back")
        everything_right(mount, filled)


@pytest.mark.parametrize("at", ["0", "900"])
def test_silence(filled, outlook, faulty, at):
    with faulty() as mount:
        files = mount.files()
        outlook.set(silence=f"{at}@BODY")
        in_time(mount.error_of(files["Inbox", 5]), errno.ENETUNREACH, bound=2 * TIMEOUT + SLACK)
        outlook.set(silence="off")
        wait_for(lambda: mount.error_of(files["Inbox", 5])[0] == 0, 20, "an answer")
        right(mount, filled)


def test_every_fetch_is_cut(filled, outlook, faulty):
    with faulty() as mount:
        files = mount.files()
        outlook.set(cut_at="2000@BODY")
        in_time(mount.error_of(files["Inbox", 5]), errno.ENETUNREACH, errno.EIO, bound=2 * TIMEOUT + SLACK)
        outlook.set(cut_at="off")
        wait_for(lambda: mount.error_of(files["Inbox", 5])[0] == 0, 20, "a whole answer")
        right(mount, filled)


@pytest.mark.parametrize("byte", [1, 2, 17, 60, 100, 5000, 6100, 6200, 6290])
def test_cut_at_a_byte_of_the_body(filled, outlook, faulty, byte):
    with faulty() as mount:
        path = mount.files()["Inbox", 8]
        outlook.set(cut_at=f"{byte}@BODY*1")
        in_time(mount.error_of(path), 0, errno.ENETUNREACH, errno.EIO, bound=2 * TIMEOUT + SLACK)
        wait_for(lambda: mount.error_of(path)[0] == 0, 20, "a whole answer")
        right(mount, filled)


@pytest.mark.parametrize("fault", ["cut_at", "silence", "unavailable_bare", "unavailable_no"])
def test_a_listing_that_breaks_off_never_looks_whole(filled, outlook, faulty, fault):
    number = 3 if fault.startswith("unavailable") else 400
    outlook.set(**{fault: f"{number}@LISTING"})
    with faulty() as mount:
        begin = time.monotonic()
        answer = mount.run("ls", "Inbox", cwd=mount.path, seconds=30)
        assert time.monotonic() - begin < 2 * TIMEOUT + SLACK
        count = len([line for line in answer.stdout.splitlines() if line.endswith(b".eml")])
        assert answer.returncode != 0 or count == 8, answer
        outlook.reset()
        wait_for(lambda: mount.run("ls", "Inbox", cwd=mount.path).returncode == 0, 20, "the listing")
        everything_right(mount, filled)


def test_dribble_is_progress(filled, outlook, faulty):
    """Slow is not dead: more than the 1 KiB a bound that counts as none."""
    with faulty(timeout=6) as mount:
        path = mount.files()["Inbox", 1]
        outlook.set(dribble="1@BODY")
        in_time(mount.error_of(path), 0, bound=60)
        outlook.reset()
        right(mount, filled)


# --- tokens ---

def test_a_token_that_expires(filled, outlook, faulty, home, user, token):
    with faulty() as mount:
        files = mount.files()
        assert mount.error_of(files["Inbox", 1])[0] == 0
        home.secret("token", outlook.tokens.add(make_token(user, "second"), user))
        outlook.tokens.expire(token)  # from here on a connection is taken: who signs in again finds the new one
        in_time(mount.error_of(files["Inbox", 2]), 0)
        everything_right(mount, filled)


def test_a_token_that_cannot_be_renewed(filled, outlook, faulty, token, home, user):
    with faulty() as mount:
        files = mount.files()
        assert mount.error_of(files["Inbox", 1])[0] == 0
        outlook.tokens.expire(token)
        in_time(mount.error_of(files["Inbox", 2]), errno.EACCES, errno.EPERM, errno.EKEYEXPIRED, errno.ENETUNREACH,
                errno.EIO)
        in_time(mount.error_of(files["Inbox", 1]), 0, bound=2)
        home.secret("token", outlook.tokens.add(make_token(user, "second"), user))
        wait_for(lambda: mount.error_of(files["Inbox", 2])[0] == 0, 40, "signing in again")


def test_not_connected_later(filled, outlook, faulty):
    """The account goes bad under an open mount: clear errors, cached mail stays, then it recovers."""
    with faulty() as mount:
        files = mount.files()
        assert mount.error_of(files["Inbox", 1])[0] == 0
        outlook.set(auth_ok_not_connected="on")
        outlook.drop()
        code, took = mount.error_of(files["Inbox", 2])
        assert code in (errno.EACCES, errno.EPERM, errno.ENETUNREACH, errno.EAGAIN, errno.EIO), errno.errorcode[code]
        assert took < TIMEOUT + SLACK
        in_time(mount.error_of(files["Inbox", 1]), 0, bound=2)
        tries = len(outlook.transcript.entries("AUTHENTICATE"))
        assert tries < 40, "it does not back off"


# --- folders ---

def test_odd_names(filled, outlook, faulty):
    outlook.set(odd_names="all")
    with faulty() as mount:
        top = mount.run("ls", "-A1", cwd=mount.path)
        assert top.returncode == 0
        names = top.stdout.decode().splitlines()
        assert len(names) == len(set(names)) and {"Inbox", "Archive", "Sent"} <= set(names)
        entries = mount.run("find", ".", "-maxdepth", "3", "-type", "d", "-printf", "%P\\0", cwd=mount.path).stdout
        for path in entries.decode().split("\0"):
            for component in path.split("/") if path else ():
                check_component(component)
        right(mount, filled, how="stat-what-opens")
        escapes = mount.run("ls", "-1", cwd=mount.path).stdout
        assert b"\x1b" not in escapes and b"\x01" not in escapes
        mount.outlookfs("status", str(mount.path))
        assert "\x1b" not in mount.log()
    with faulty() as mount:
        assert mount.run("ls", "-A1", cwd=mount.path).stdout.decode().splitlines() == names


def test_a_tab_in_a_name_harms_only_itself(filled, outlook, faulty):
    outlook.set(odd_names="tab")
    with faulty() as mount:
        right_ones = mount.run("ls", "Inbox", "Archive", cwd=mount.path)
        assert right_ones.returncode == 0
        names = [n for n in mount.run("ls", "-A1", cwd=mount.path).stdout.decode().splitlines() if n.startswith("My")]
        assert len(names) == 1, names
        unreadable = mount.run("ls", names[0], cwd=mount.path, seconds=10)
        assert unreadable.returncode != 0 and unreadable.stdout == b""
        right(mount, filled, how="stat-what-opens")


def test_another_uidvalidity(filled, outlook, faulty):
    outlook.set(uidvalidity=14)
    with faulty() as mount:
        everything_right(mount, filled)
    outlook.set(uidvalidity=15)
    with faulty() as mount:
        wait_for(lambda: mount.run("ls", "-R", cwd=mount.path).returncode == 0, 10)
        everything_right(mount, filled)
        got = {e["uidvalidity"] for e in mount.reader("stat").values() if e["kind"] == "file"}
        assert got == {"15"}


def test_gaps_in_uids_keep_lines_short(load, server, truth, outlook, faulty):
    """Every other message of many is gone: UID sets must still fit in 4 kB lines."""
    load(sample.few(1500, size=200))
    server.select("INBOX")
    for first in range(1, 1500, 300):
        server.uid("STORE", ",".join(str(n) for n in range(first, first + 300, 2)), "+FLAGS.SILENT", "\\Deleted")
    server.expunge()
    held = truth()
    with faulty(timeout=20) as mount:
        everything_right(mount, held)
        mount.run("grep", "-r", "needle", ".", cwd=mount.path)
    assert not [line for line in outlook.transcript.lines() if len(line) > 4000]


# --- waiting ---

@pytest.mark.parametrize("program", [("cat",), ("grep", "x"), ("head", "-c", "5"), ("wc", "-c")])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_ctrl_c(filled, outlook, faulty, program, number):
    with faulty(timeout=60) as mount:
        files = mount.files()
        outlook.set(silence="100@BODY")
        outlook.transcript.clear()
        waiting = mount.spawn(*program, files["Inbox", 1])
        wait_for(lambda: outlook.transcript.entries("FETCH"), what="the fetch")
        assert waiting.poll() is None
        waiting.send_signal(number)
        try:
            waiting.wait(1)
        except subprocess.TimeoutExpired:
            mount.abort()
            raise
        outlook.reset()
        outlook.drop()


def test_nothing_cached_waits_behind_the_network(filled, outlook, faulty):
    with faulty(timeout=60) as mount:
        files = mount.files()
        assert mount.error_of(files["Inbox", 1])[0] == 0
        outlook.set(silence="0@BODY")
        outlook.transcript.clear()
        waiting = [mount.spawn("cat", files["Inbox", uid]) for uid in range(2, 9)]
        waiting += [mount.spawn("cat", files["Archive", uid]) for uid in range(1, 4)]
        wait_for(lambda: outlook.transcript.entries("FETCH"), what="the fetch")
        in_time(mount.error_of(files["Inbox", 1]), 0, bound=2)
        begin = time.monotonic()
        assert mount.run("ls", "-lR", cwd=mount.path, seconds=10).returncode == 0
        assert time.monotonic() - begin < 3
        assert mount.outlookfs("status", str(mount.path), seconds=3).returncode == 0
        for process in waiting:
            process.send_signal(signal.SIGINT)
        for process in waiting:
            process.wait(2)
        outlook.reset()
        outlook.drop()


def test_unmount_does_not_wait_for_a_silent_server(filled, outlook, faulty):
    with faulty(timeout=60) as mount:
        files = mount.files()
        outlook.set(silence="0")
        outlook.set(silence="0@BODY")
        waiting = mount.spawn("cat", files["Inbox", 1])
        wait_for(lambda: [e for e in outlook.transcript.entries("FETCH") if "BODY.PEEK[]" in e.arguments])
        begin = time.monotonic()
        mount.process.send_signal(signal.SIGTERM)
        assert mount.process.wait(8) == 0
        assert time.monotonic() - begin < 8
        waiting.wait(5)
        mount.check_log()
        mount.kill()


def test_flags_stay_as_they_were(filled, outlook, faulty, server):
    before = mailboxes.flags(server)
    outlook.set(throttle="BAD:200@BODY*3", cut_at="3000@BODY*2", peek_empty="INBOX:2")
    with faulty() as mount:
        wait_for(lambda: all(e.get("error", 0) in (0, errno.EIO) for e in mount.reader("read").values()), 20)
    assert mailboxes.flags(server) == before
    assert not [li for li in outlook.transcript.lines() if re.search(r"BODY\[\]|^(UID )?STORE|^SELECT", li)]
