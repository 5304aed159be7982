"""Programs that watch see what changed remotely, once, and what is done here as the kernel tells it (FUSE.md)."""
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from .support import sample
from .support.mount import wait_for
from .support.watcher import watching

SEEN = 30  # a look that is due after 5 s, and 2 s: threefold and more
CHANGES = {"APPEND", "COPY", "MOVE", "STORE", "EXPUNGE", "CREATE", "DELETE", "RENAME", "SUBSCRIBE", "UNSUBSCRIBE"}


def looked(mount, where, condition):
    """Lists `where` as a file manager would, until the condition is true."""
    def look():
        mount.run("ls", where, cwd=mount.path)
        return condition()
    return look


def name_of(mount, mailbox, uid):
    return os.path.basename(mount.files()[mailbox, uid])


def remove(server, *uids):
    server.select("INBOX")
    server.uid("STORE", ",".join(map(str, uids)), "+FLAGS", "(\\Deleted)")
    server.expunge()


def helper_of(mount):
    """The process id of the helper that raises events; None: there is none."""
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        if b"--raise-events" in words and str(mount.path).encode() in words and parent == mount.process.pid:
            return int(entry.name)
    return None


def state_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return None


def test_what_came_went_and_changed(load, server, mounted, options, request):
    load([("INBOX", sample.START, (), sample.message(n)) for n in (1, 2, 3)])
    with mounted(options) as mount:
        names = {uid: os.path.basename(path) for (_, uid), path in mount.files().items()}
        with watching(mount, "Inbox") as seen:
            load([("INBOX", sample.START, (), sample.message(4))])
            seen.waits_for(looked(mount, "Inbox", lambda: seen.named("CREATE")), SEEN, "CREATE")
            assert seen.of(name_of(mount, "Inbox", 4)) == ["CREATE"]
            server.select("INBOX")
            server.uid("STORE", "1", "+FLAGS", "(\\Flagged)")
            remove(server, 2)
            seen.waits_for(looked(mount, "Inbox", lambda: seen.named("DELETE") and seen.named("ATTRIB")), SEEN,
                           "DELETE and ATTRIB")
            assert seen.of(names[2]) == ["DELETE"]
            assert seen.of(names[1]) == ["ATTRIB"]
            assert len(seen.all()) == 3, seen.all()
        assert len(mount.files()) == 3 and len(mount.reader("read", *mount.files().values())) == 3
    assert not helper_of_any(mount.path)
    if "outlook" in request.node.name:
        sent = {e.verb.removeprefix("UID ") for e in request.getfixturevalue("outlook").transcript.entries()}
        assert not sent & CHANGES, sent


def helper_of_any(path):
    """Whether a helper of a mount on this path is left."""
    answer = subprocess.run(["pgrep", "-f", f"--raise-events {path}$"], stdout=subprocess.PIPE, check=False, timeout=10)
    return answer.stdout.split()


def test_mailboxes(load, server, mounted, options):
    load([("Gone", sample.START, (), sample.message(1)), ("Level/Below", sample.START, (), sample.message(2))])
    with mounted(options) as mount:
        mount.run("ls", "-R", cwd=mount.path)
        with watching(mount, ".", "Level") as seen:
            server.delete("Gone")
            load([("Fresh", sample.START, (), sample.message(3)), ("Level/New", sample.START, (), sample.message(4))])
            seen.waits_for(looked(mount, ".", lambda: seen.of("Gone") and seen.of("Fresh") and seen.of("New")), SEEN,
                           "the events of mailboxes")
            assert ("", "Gone", ["DELETE", "ISDIR"]) in places(seen)
            assert ("", "Fresh", ["CREATE", "ISDIR"]) in places(seen)
            assert ("Level", "New", ["CREATE", "ISDIR"]) in places(seen)
        # what they stand for is there, and is the server's
        for path in ("Fresh", "Level/New"):
            assert mount.run("ls", path, cwd=mount.path).stdout.count(b"\n") == 1


def places(seen):
    """all(), where the mount's root is ""."""
    return [("" if where in (".", "") else where, name, words) for where, name, words in seen.all()]


def test_no_event_for_a_first_listing(load, mounted, options):
    load([("INBOX", sample.START, (), sample.message(n)) for n in range(1, 31)])
    with mounted(options) as mount:
        with watching(mount, "Inbox") as seen:
            assert mount.run("ls", "Inbox", cwd=mount.path).stdout.count(b"\n") == 30
            assert mount.run("bash", "-c", "cat Inbox/*", cwd=mount.path).returncode == 0
            load([("INBOX", sample.START, (), sample.message(31))])
            seen.waits_for(looked(mount, "Inbox", lambda: seen.named("CREATE")), SEEN, "CREATE")
            assert len(seen.all()) == 1, seen.all()


def test_what_is_done_here_is_told_once(desk, way):
    with desk(sample.few(3) + sample.few(1, "Archive"), way=way) as d:
        one, two, three = (os.path.basename(d.path("INBOX", n)) for n in (1, 2, 3))
        d.do("ls -R >/dev/null")
        fresh = d.mail(9)
        with watching(d.mount, "Inbox", "Archive") as seen:
            d.do(f'cp {fresh} Inbox/new.eml && mv "Inbox/{one}" Archive/ && rm "Inbox/{two}"')
            d.do(f'setfattr -n user.imap.flags -v "+\\\\Flagged" "Inbox/{three}"')
            d.there.append("INBOX", sample.message(50))  # what comes after all of them
            seen.waits_for(looked(d.mount, "Inbox", lambda: len(seen.named("CREATE")) >= 2), SEEN, "the last event")
            d.do("ls -R >/dev/null")
            assert seen.of(one) == ["MOVED_FROM", "MOVED_TO"]
            assert seen.of(two) == ["DELETE"]
            assert seen.of(three) == ["ATTRIB"]
            assert [w for w in seen.of("new.eml") if w not in ("MODIFY", "ATTRIB")] == ["CREATE"]
            assert len(seen.named("CREATE")) == 2, seen.all()
            assert len(seen.named("DELETE")) == 1, seen.all()
        d.agree()


def test_a_flood_is_limited(load, mounted, outlook_options):
    """In a mailbox that the server does not tell of (IDLE is Inbox's), so that it comes in few looks. Each message is told
    of: by its own event, or by a change of the directory."""
    load([("Flood", sample.START, (), sample.message(1))])
    with mounted(outlook_options, poll=3600) as mount:
        mount.run("ls", "Flood", cwd=mount.path)
        with watching(mount, "Flood") as seen:
            begin = time.monotonic()
            load([("Flood", sample.START, (), sample.message(n, size=200)) for n in range(2, 2002)])
            wait_for(lambda: mount.run("ls", "Flood", cwd=mount.path).stdout.count(b"\n") == 2001, 60, "all of them")
            seen.waits_for(lambda: "ATTRIB" in seen.of("", "Flood") or len(seen.named("CREATE")) == 2000, SEEN, "the end")
            assert len(seen.named("CREATE")) <= 300 + 300 * (time.monotonic() - begin)
            # and afterwards all is as before
            load([("Flood", sample.START, (), sample.message(3000))])
            seen.waits_for(looked(mount, "Flood", lambda: any("3000" in name for name in seen.named("CREATE"))), SEEN,
                           "CREATE")


def test_a_helper_that_is_killed_is_replaced(load, mounted, options):
    load([("INBOX", sample.START, (), sample.message(1))])
    with mounted(options) as mount:
        mount.run("ls", "Inbox", cwd=mount.path)
        with watching(mount, "Inbox") as seen:
            load([("INBOX", sample.START, (), sample.message(2))])
            seen.waits_for(looked(mount, "Inbox", lambda: len(seen.named("CREATE")) == 1), SEEN, "CREATE")
            for count in (2, 3):
                first = helper_of(mount)
                os.kill(first, signal.SIGKILL)
                load([("INBOX", sample.START, (), sample.message(1 + count))])
                seen.waits_for(looked(mount, "Inbox", lambda n=count: len(seen.named("CREATE")) == n), SEEN, "CREATE")
                assert helper_of(mount) not in (None, first)


def test_the_helper_ends_with_the_daemon(load, mounted, dovecot_options):
    load([("INBOX", sample.START, (), sample.message(1))])
    with mounted(dovecot_options, check=False) as mount:
        mount.run("ls", "Inbox", cwd=mount.path)
        with watching(mount, "Inbox") as seen:
            load([("INBOX", sample.START, (), sample.message(2))])
            seen.waits_for(looked(mount, "Inbox", lambda: seen.named("CREATE")), SEEN, "CREATE")
            helper = helper_of(mount)
            mount.process.kill()
            mount.process.wait(10)
            wait_for(lambda: state_of(helper) is None, 10, "the helper's end")
        mount.kill()


def test_the_helper_holds_nothing_of_the_mount(load, mounted, dovecot_options):
    load([("INBOX", sample.START, (), sample.message(1))])
    with mounted(dovecot_options) as mount:
        mount.run("ls", "Inbox", cwd=mount.path)
        with watching(mount, "Inbox") as seen:
            load([("INBOX", sample.START, (), sample.message(2))])
            seen.waits_for(looked(mount, "Inbox", lambda: seen.named("CREATE")), SEEN, "CREATE")
            helper = helper_of(mount)
            held = [os.readlink(f"/proc/{helper}/fd/{fd}") for fd in os.listdir(f"/proc/{helper}/fd")]
            assert sorted(held)[:2] == ["/dev/null", "/dev/null"] and len(held) == 3 and "socket:" in sorted(held)[2]
    # the context has unmounted it without -z


def test_a_name_that_went_and_is_made_again_here(load, server, mounted, options):
    """The new one stands: no event of the old name's end may take it away."""
    load([("INBOX", sample.START, (), sample.message(n)) for n in (1, 2, 3)])
    with mounted(options) as mount:
        names = {uid: os.path.basename(path) for (_, uid), path in mount.files().items()}
        local = mount.home.top / "again.eml"
        local.write_bytes(sample.message(77))
        with watching(mount, "Inbox") as seen:
            for uid in (1, 2, 3):
                remove(server, uid)
                gone = f'while [ -e "Inbox/{names[uid]}" ]; do ls Inbox >/dev/null; done; cp {local} "Inbox/{names[uid]}"'
                assert mount.run("bash", "-c", gone, cwd=mount.path, seconds=SEEN).returncode == 0
            load([("INBOX", sample.START, (), sample.message(50))])
            last = seen.waits_for(looked(mount, "Inbox", lambda: [n for n in seen.named("CREATE") if n not in names.values()]),
                                  SEEN, "the last event")
            assert len(last) == 1
            for name in names.values():
                assert seen.of(name).count("CREATE") == 1, seen.of(name)
                assert seen.of(name).count("DELETE") <= 1, seen.of(name)
        shown = mount.run("ls", "Inbox", cwd=mount.path).stdout.decode().splitlines()
        assert set(names.values()) < set(shown) and len(shown) == 4
        assert all(b"number 77" in mount.run("cat", f"Inbox/{name}", cwd=mount.path).stdout for name in names.values())


ATTACK = """
import ctypes, errno, os, sys
pid = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
# it cannot be traced (16: PTRACE_ATTACH), nor its memory or socket be had, by a process that is not root
failed = libc.ptrace(16, pid, 0, 0) != 0
memory = socket = "opened"
try:
    os.open(f"/proc/{pid}/mem", os.O_RDWR)
except OSError as e:
    memory = errno.errorcode[e.errno]
try:
    os.open(f"/proc/{pid}/fd/0", os.O_RDWR)
except OSError as e:
    socket = errno.errorcode[e.errno]
print(failed, memory, socket)
"""


def test_what_the_helper_may_others_may_not(load, server, mounted, options):
    """Others who make or remove names are served as ever, while the helper is at work."""
    load([("INBOX", sample.START, (), sample.message(n)) for n in range(1, 8)])
    with mounted(options) as mount:
        names = {uid: os.path.basename(path) for (_, uid), path in mount.files().items()}
        with watching(mount, "Inbox") as seen:
            remove(server, 1, 2, 3)
            rival = "while [ -d . ]; do for n in \"$@\"; do rm -f \"Inbox/$n\" 2>/dev/null; done; ls Inbox; done >/dev/null"
            process = mount.spawn("bash", "-c", rival, "bash", *(names[n] for n in (1, 2, 3)))
            try:
                seen.waits_for(lambda: len(seen.named("DELETE")) >= 3, SEEN, "DELETE")
            finally:
                process.kill()
                process.communicate()
            assert sorted(seen.named("DELETE")) == sorted(names[n] for n in (1, 2, 3))
            # nothing but what was ordered has gone
            assert {uid for _, uid in mount.files()} == {4, 5, 6, 7}
    server.select("INBOX", readonly=True)
    # what the rival removed itself before it was known to be gone is gone all the same; nothing else is
    assert server.uid("SEARCH", "ALL")[1][0].split() == [b"4", b"5", b"6", b"7"]


@pytest.mark.skipif(os.geteuid() != 0 or not pathlib.Path("/usr/bin/setpriv").exists(), reason="drops root's rights")
def test_the_helper_cannot_be_steered(load, mounted, dovecot_options):
    load([("INBOX", sample.START, (), sample.message(1))])
    with mounted(dovecot_options) as mount:
        mount.run("ls", "Inbox", cwd=mount.path)
        with watching(mount, "Inbox") as seen:
            load([("INBOX", sample.START, (), sample.message(2))])
            seen.waits_for(looked(mount, "Inbox", lambda: seen.named("CREATE")), SEEN, "CREATE")
            plain = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
            answer = subprocess.run([*plain, sys.executable, "-c", ATTACK, str(helper_of(mount))],
                                    stdout=subprocess.PIPE, text=True, timeout=20, check=True)
            assert answer.stdout.split() == ["True", "EACCES", "EACCES"], answer.stdout


def test_a_read_only_mount_raises_none(load, mounted, dovecot_options):
    load([("INBOX", sample.START, (), sample.message(1))])
    with mounted(dovecot_options, ro=True) as mount:
        mount.run("ls", "Inbox", cwd=mount.path)
        with watching(mount, "Inbox") as seen:
            load([("INBOX", sample.START, (), sample.message(2))])
            wait_for(lambda: mount.run("ls", "Inbox", cwd=mount.path).stdout.count(b"\n") == 2, SEEN, "the message")
            time.sleep(1)
            assert not seen.all() and helper_of(mount) is None
