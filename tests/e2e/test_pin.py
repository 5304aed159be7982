"""`outlookfs pin` and `unpin`, and what -o prefetch= fetches in idle time (sync/stock.h)."""
import datetime
import json

import pytest

from .support import sample
from .support.mount import wait_for

COUNT = 12
SIZE = 30_000
NOW = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)


def mails(mailbox, count=COUNT, size=SIZE, when=sample.START, first=1):
    return [(mailbox, when + datetime.timedelta(minutes=n), "", sample.message(n, size=size))
            for n in range(first, first + count)]


def status(mount):
    answer = mount.outlookfs("status", "--json", mount.path)
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def pin_of(mount, mailbox):
    return next((pin for pin in status(mount)["pins"] if pin["mailbox"] == mailbox), None)


def pin(mount, mailbox):
    answer = mount.outlookfs("pin", f"{mount.path}/{mailbox}", seconds=60)
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr == ""


def prefetched(mount):
    wait_for(lambda: status(mount)["prefetched"], 60, "everything being fetched")


def readable(mount, mailbox, truth):
    held = sorted(entry.sha256 for entry in truth()[mailbox].values())
    answer = mount.run("sh", "-c", f"sha256sum {mailbox}/*", cwd=mount.path)
    assert answer.returncode == 0, answer.stderr
    assert sorted(line.split()[0] for line in answer.stdout.decode().splitlines()) == held


def read_much(mount):
    """More than there is room for."""
    assert mount.run("sh", "-c", "cat Inbox/* | wc -c", cwd=mount.path).returncode == 0
    wait_for(lambda: status(mount)["bytes_cached"] <= 400 << 10, 30, "room being made")
    assert status(mount)["bodies"] < 20


@pytest.fixture
def offline(mounted, options):
    """Mounts with nobody behind the port: only what is here can be read."""
    away = dict(options, port=1)
    return lambda **more: mounted(away, check=False, **more)


def test_pinned_is_readable_offline(load, truth, mounted, options, offline):
    load(mails("INBOX") + mails("Other", 3))
    with mounted(options) as mount:
        pin(mount, "Inbox")
        told = pin_of(mount, "Inbox")
        assert (told["messages"], told["here"], told["failed"], told["done"]) == (COUNT, COUNT, 0, True)
        assert status(mount)["bodies"] == COUNT, "nothing else was fetched"
        assert "pinned:     Inbox, 12 of 12" in mount.outlookfs("status", mount.path).stdout
    with offline() as mount:
        readable(mount, "Inbox", truth)
        again = mount.outlookfs("pin", f"{mount.path}/Other", seconds=60)
        assert again.returncode == 4 and "is pinned, but" in again.stderr, again


def test_new_mail_comes_by_itself(load, truth, mounted, options):
    load(mails("Kept", 3) + mails("INBOX", 1))
    with mounted(options, poll=1) as mount:
        pin(mount, "Kept")
        load(mails("Kept", 2, first=50))
        wait_for(lambda: (of := pin_of(mount, "Kept"))["here"] == 5 and of["done"], 60, "the new mail")
        assert status(mount)["bodies"] == 5
    with mounted(options, poll=1) as mount:
        load(mails("Kept", 1, first=60))
        wait_for(lambda: (of := pin_of(mount, "Kept")) and of["here"] == 6, 60, "what comes to a later mount")


def test_eviction_leaves_what_is_pinned(load, truth, mounted, options, offline):
    load(mails("Kept", 5) + mails("INBOX", 30))
    small = {"cache_size": "400K"}
    with mounted(options, **small) as mount:
        pin(mount, "Kept")
        read_much(mount)
    with mounted(options, **small) as mount:
        wait_for(lambda: (of := pin_of(mount, "Kept")) and of["done"], 30, "the pin being known")
        read_much(mount)
    with offline(**small) as mount:
        readable(mount, "Kept", truth)
    with mounted(options, **small) as mount:
        assert mount.outlookfs("unpin", f"{mount.path}/Kept").returncode == 0
        wait_for(lambda: status(mount)["pins"] == [], 10, "the pin going")
        again = mount.outlookfs("unpin", f"{mount.path}/Kept")
        assert again.returncode != 0 and "is not pinned" in again.stderr
        read_much(mount)
        read_much(mount)
    with offline(**small) as mount:
        assert mount.run("sh", "-c", "cat Kept/* >/dev/null", cwd=mount.path).returncode != 0


def test_what_does_not_fit_is_told(load, mounted, options):
    load(mails("Kept", 10))
    with mounted(options, cache_size="100K") as mount:
        answer = mount.outlookfs("pin", f"{mount.path}/Kept", seconds=60)
        assert answer.returncode == 1 and "cache_size" in answer.stderr, answer


@pytest.mark.parametrize("path, why", [("Nowhere", "there is no mailbox Nowhere"), ("", "holds no messages")])
def test_what_is_no_mailbox(path, why, load, mounted, options):
    load(mails("INBOX", 1))
    with mounted(options) as mount:
        for command in ("pin",) if path else ("pin", "unpin"):
            answer = mount.outlookfs(command, f"{mount.path}/{path}")
            assert answer.returncode in (1, 5) and why in answer.stderr, answer
        outside = mount.outlookfs("pin", "/usr")
        assert outside.returncode == 1 and "not in an outlookfs mount" in outside.stderr


@pytest.mark.parametrize("prefetch, bodies", [("headers", 0), ("recent:30", 4), ("all", 4 + COUNT)])
def test_prefetch(prefetch, bodies, load, mounted, options):
    load(mails("INBOX", COUNT) + mails("Recent", 4, when=NOW - datetime.timedelta(days=3)))
    with mounted(options, prefetch=prefetch) as mount:
        prefetched(mount)
        told = status(mount)
        assert (told["messages"], told["bodies"]) == (COUNT + 4, bodies)


def test_prefetch_stops_where_the_cache_is_full(load, mounted, options):
    load(mails("INBOX", 40))
    with mounted(options, prefetch="all", cache_size="300K") as mount:
        prefetched(mount)
        assert 0 < status(mount)["bodies"] < 20


def test_many_bodies_cost_few_commands(load, mounted, outlook, outlook_options):
    load(mails("INBOX", 200, size=1500))
    with mounted(outlook_options, prefetch="all") as mount:
        prefetched(mount)
        assert status(mount)["bodies"] == 200
    fetches = [e for e in outlook.transcript.entries("FETCH") if "BODY.PEEK[]" in e.line]
    assert 0 < len(fetches) <= 10, [entry.line for entry in fetches]


def test_the_servers_pause_holds(load, mounted, outlook, outlook_options):
    load(mails("INBOX", 150, size=1500))
    outlook.switches.set(throttle="NO:1500@FETCH#2*1")
    with mounted(outlook_options, prefetch="all") as mount:
        prefetched(mount)
        assert status(mount)["bodies"] == 150
    entries = outlook.transcript.entries()
    (refused,) = [entry for entry in entries if entry.status == "NO"]
    later = [entry.when - refused.when for entry in entries if entry.when > refused.when + 0.3]
    assert later and min(later) > 1.4, "nothing is sent while the server wants a pause"
