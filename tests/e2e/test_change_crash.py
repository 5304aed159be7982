"""The daemon is killed at any of its system calls while it appends, moves or trashes a message; after mounting
again every message is on the server exactly once or in the outbox."""
import contextlib
import json
import subprocess
import sys

import pytest

from .support import sample
from .support.desk import TRASH, census
from .support.mount import ROOT, Mount, wait_for
from .test_change_faults import kept, outbox_numbers

OPERATIONS = {
    "append": 'cp "$LOCAL/$2.eml" Archive/',
    "move": 'mv "$1" Archive/',
    "trash": 'rm "$1"',
}
MANY = [pytest.mark.long, pytest.mark.timeout(1800)]
# server, commit, points
CRASHES = [("dovecot", "server", 6), ("outlook", "journal", 6),
           *(pytest.param(server, commit, 100, marks=MANY) for server in ("dovecot", "outlook")
             for commit in ("server", "journal"))]


class Tracer:
    """killpoint.py --attach as a context; report() ends it."""

    def __init__(self, mount, number):
        self.process = subprocess.Popen([sys.executable, "-m", "tests.e2e.support.killpoint", "--attach",
                                         str(mount.process.pid), str(number)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def report(self):
        self.process.terminate()
        said = json.loads(self.process.stdout.read())
        self.process.wait(20)
        return said


class Life:
    """One account that is mounted again and again, in the same home."""

    def __init__(self, d, binary, home):
        self.d, self.binary, self.home = d, binary, home
        self.options = dict(d.mount.options)

    def died(self):
        """The daemon is dead; another one is mounted in its place, and has put right what it found."""
        self.d.mount.process.wait(10)
        self.d.mount.process = None
        self.again()

    def again(self):
        self.d.mount = Mount(self.binary, self.home, "test", self.options).start()

    def end(self):
        with contextlib.suppress(AssertionError):
            self.d.mount.stop(check=False)


def one_operation(d, operation, number, paths):
    try:
        return d.sh(OPERATIONS[operation], paths.get(number, ""), number, seconds=30)
    except OSError as error:  # the daemon died while the shell went to its directory
        return subprocess.CompletedProcess([], 1, b"", str(error).encode())


@pytest.mark.parametrize("way_of, commit, points", CRASHES)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_killed_at_any_call(desk, binary, home, way_of, operation, commit, points):
    count = points + 2
    mails = [] if operation == "append" else sample.few(count)
    with desk(mails, way=way_of, check=False, commit=commit) as d:
        paths = dict(enumerate(sorted(d.mount.files().values()), 1)) if mails else {}
        for number in range(1, count + 1):
            if not mails:
                d.mail(number)
        life = Life(d, binary, home)
        try:
            d.do("ls Archive Inbox Deleted > /dev/null")
            assert one_operation(d, operation, count, paths).returncode == 0  # every connection is up
            tracer = Tracer(d.mount, 0)
            assert one_operation(d, operation, 1, paths).returncode == 0
            d.sync()
            total = tracer.report()["calls"]
            told, killed = {1, count}, 0
            for point in range(points):
                number = point + 2
                if number >= count:
                    break
                at = 1 + total * point // points
                tracer = Tracer(d.mount, at)
                answer = one_operation(d, operation, number, paths)
                if answer.returncode == 0:
                    told.add(number)
                    d.sync()
                report = tracer.report()
                killed += report["killed"]
                if report["killed"]:
                    life.died()
                settled = d.sync()
                assert settled.returncode in (0, 1), settled
                done = census(d.client)
                here = done[TRASH if operation == "trash" else "Archive"]
                everywhere = sum(done.values(), [])
                waits = outbox_numbers(d)
                if operation == "append":
                    there = everywhere.count(number) + waits.count(number)
                    # not even begun: cp was told, and the bytes never reached the program
                    assert there == 1 or (there == 0 and number not in told), (at, total, report, answer, d.outbox())
                else:
                    assert everywhere.count(number) == 1, (at, total, report, answer, done)
                if number in told and commit == "server":
                    assert number in here, (at, total, report)
            # the watch and the poll are among the calls of the first one
            assert killed >= points / 3, "an operation takes fewer calls than the first one did"
            wanted = range(1, count + 1) if mails else [n for n in range(1, count + 1) if n in told or n in everywhere]
            kept(d, wanted)
            d.agree(settled=False)
        finally:
            life.end()


@pytest.mark.parametrize("commit", ["server", "journal"])
def test_killed_with_a_journal_full(desk, binary, home, way, commit):
    """Many changes are pending, none is lost."""
    with desk(sample.few(60), way=way, check=False, commit=commit) as d:
        life = Life(d, binary, home)
        try:
            d.do("ls Archive Inbox > /dev/null")
            process = d.mount.spawn("bash", "-c", "mv Inbox/*.eml Archive/")
            wait_for(lambda: len(census(d.client)["Inbox"]) < 55, 20, "some of them")
            d.mount.process.kill()
            process.wait(20)
            life.died()
            wait_for(lambda: d.sync().returncode == 0, 30, "what was pending")
            found = census(d.client)
            assert sorted(found["Inbox"] + found["Archive"]) == list(range(1, 61)), d.outbox()
            d.agree(settled=False)
        finally:
            life.end()


def test_fsynced_and_killed(desk, binary, home, way):
    """fsync of a file: the bytes outlive the daemon, as unfinished."""
    with desk(way=way, check=False) as d:
        life = Life(d, binary, home)
        try:
            writer = d.mount.spawn("/usr/bin/python3", "-c",
                                   "import os, sys\nf = os.open('Archive/x.eml', os.O_CREAT | os.O_WRONLY)\n"
                                   "os.write(f, open(sys.argv[1], 'rb').read())\nos.fsync(f)\nprint('synced', flush=True)\n"
                                   "import signal\nsignal.pause()", d.mail(7))
            assert writer.stdout.readline() == b"synced\n"
            d.mount.process.kill()
            writer.kill()
            writer.wait(10)
            life.died()
            assert outbox_numbers(d) == [7] and "unfinished" in d.outbox()[0]
            assert census(d.client)["Archive"] == []
        finally:
            life.end()


def test_the_cache_is_lost_and_the_journal_is_not(desk, binary, home, outlook):
    """Intents are in the server's terms: they are carried out though the cache is gone."""
    import shutil
    with desk(sample.few(5), way="outlook, journal", check=False, timeout=3) as d:
        life = Life(d, binary, home)
        try:
            d.do("ls Inbox Archive Drafts > /dev/null")
            outlook.down()
            d.do('mv Inbox/*.eml Archive/; cp "$1" Drafts/', d.mail(7))
            d.mount.process.kill()
            d.mount.process.wait(10)
            d.mount.process = None
            for path in home.cache.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            outlook.up()
            life.again()
            wait_for(lambda: d.sync().returncode == 0, 30, "what was pending")
            found = census(d.client)
            assert found["Archive"] == [1, 2, 3, 4, 5] and found["Inbox"] == [] and found["Drafts"] == [7]
            d.agree(settled=False)
        finally:
            life.end()
