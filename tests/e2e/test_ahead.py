"""Bodies are asked for ahead of programs that read a mailbox in order (sync/ahead.h)."""
import datetime
import random
import re
import time

import pytest

from .support import sample
from .support.mount import wait_for

COUNT = 400
STEPS = COUNT // 4  # commands for bodies: far fewer than messages, however loaded the machine

# Each opens every message of Inbox once, in an order of its own.
READERS = {
    "cat *": "cat Inbox/* | md5sum",
    "grep -r": "grep -rc needle Inbox | wc -l",
    "find": "find Inbox -type f -exec md5sum {} +",
    "newest first": "ls -t Inbox | (cd Inbox && xargs cat) | md5sum",
    "names backwards": "ls -r Inbox | (cd Inbox && xargs cat) | md5sum",
    "two at once": "grep -rc needle Inbox >/dev/null & cat Other/* >/dev/null; wait",
    "four share the work": "ls Inbox | (cd Inbox && xargs -P 4 -n 10 cat) | wc -c",
}


def mails(count, mailbox="INBOX", size=1500, shuffled=False):
    order = list(range(1, count + 1))
    if shuffled:
        random.Random(7).shuffle(order)
    return [(mailbox, sample.START + datetime.timedelta(minutes=n), "", sample.message(n, size=size + n % 90))
            for n in order]


def body_fetches(outlook):
    return [entry for entry in outlook.transcript.entries("FETCH") if "BODY.PEEK[]" in entry.line]


def asked(entry):
    """How many UIDs a FETCH names."""
    spans = re.match(r"UID FETCH ([0-9:,]+) ", entry.line)[1].split(",")
    return sum(int(span.split(":")[-1]) - int(span.split(":")[0]) + 1 for span in spans)


def same_as(truth, mount):
    held = {name: [e.sha256 for _, e in sorted(of.items())] for name, of in truth().items() if of}
    files, got = mount.files(), mount.reader("read")
    seen = {}
    for (mailbox, _), path in sorted(files.items()):
        seen.setdefault(mailbox, []).append(got[path]["sha256"])
    assert seen == held


@pytest.mark.parametrize("reader", READERS)
def test_a_reader_costs_few_commands(reader, load, truth, mounted, outlook, outlook_options):
    load(mails(COUNT, shuffled="back" in reader) + mails(COUNT, "Other"))
    with mounted(outlook_options) as mount:
        mount.run("ls", "Inbox")
        mount.run("ls", "Other")
        outlook.transcript.clear()
        answer = mount.run("sh", "-c", READERS[reader], cwd=mount.path)
        assert answer.returncode == 0, answer.stderr
        fetches = body_fetches(outlook)
        mailboxes = 2 if "two" in reader else 1
        assert sum(asked(entry) for entry in fetches) <= COUNT * mailboxes * 1.1
        assert len(fetches) <= STEPS * mailboxes, [entry.line for entry in fetches]
        same_as(truth, mount)


def test_a_mailbox_read_by_another_server(load, truth, mounted, dovecot_options):
    load(mails(COUNT, shuffled=True))
    with mounted(dovecot_options) as mount:
        answer = mount.run("sh", "-c", "cat Inbox/* | wc -c", cwd=mount.path)
        assert int(answer.stdout) == sum(e.size for e in truth()["Inbox"].values())
        same_as(truth, mount)


def test_a_reader_that_stops(load, mounted, outlook, outlook_options):
    size = 20_000
    load(mails(600, size=size))
    with mounted(outlook_options) as mount:
        mount.run("ls", "Inbox")
        outlook.transcript.clear()
        assert mount.run("sh", "-c", "ls Inbox | head -60 | (cd Inbox && xargs cat) >/dev/null").returncode == 0
        stopped = time.time()
        time.sleep(3)  # what would come, comes
        fetches = body_fetches(outlook)
        assert not [entry.line for entry in fetches if entry.when > stopped + 3 - 1]
        assert sum(asked(entry) for entry in fetches) * size < 60 * size + (2 << 20)


def test_others_do_not_wait_for_it(load, mounted, outlook, outlook_options):
    load(mails(1500, size=6000) + mails(1, "Other"))
    with mounted(outlook_options) as mount:
        mount.run("ls", "Inbox")
        (other,) = mount.run("ls", "Other").stdout.decode().split()
        outlook.transcript.clear()
        reader = mount.spawn("sh", "-c", "cat Inbox/* >/dev/null")
        wait_for(lambda: len(body_fetches(outlook)) > 6, what="the reader being served ahead")
        before = len(body_fetches(outlook))
        assert mount.run("cat", f"Other/{other}").stdout == sample.message(1, size=1501)
        entries = outlook.transcript.entries()
        assert reader.poll() is None, "the reader was through too early for this test"
        reader.communicate(timeout=60)
        (own,) = [i for i, entry in enumerate(entries) if "Other" in entry.line]
        line = [entry for entry in entries[own:] if entry.connection == entries[own].connection]
        assert [entry.verb for entry in line[:2]] == ["EXAMINE", "UID FETCH"] and asked(line[1]) == 1
        assert line[1].when - line[0].when < 1, "the FETCH waits for nothing"
        assert before < len(body_fetches(outlook))


@pytest.mark.parametrize("fault", [{"peek_empty": "7,60,61,300"}, {"unavailable_no": "150*1"},
                                   {"unavailable_bare": "150*1"}])
def test_a_message_that_does_not_come_takes_no_other_with_it(fault, load, truth, mounted, outlook, outlook_options):
    load(mails(COUNT))
    with mounted(outlook_options) as mount:
        mount.run("ls", "Inbox")
        outlook.switches.set(**fault)
        answer = mount.run("sh", "-c", "cat Inbox/* >/dev/null", cwd=mount.path)
        errors = answer.stderr.decode().splitlines()
        assert len(errors) == (4 if "peek_empty" in fault else 0), errors
        outlook.switches.reset()
        same_as(truth, mount)


def test_the_servers_pause_holds(load, mounted, outlook, outlook_options):
    load(mails(COUNT))
    with mounted(outlook_options) as mount:
        mount.run("ls", "Inbox")
        outlook.switches.set(throttle="NO:3000@FETCH#4*1")
        outlook.transcript.clear()
        assert mount.run("sh", "-c", "cat Inbox/* | wc -c", cwd=mount.path).returncode == 0
        entries = outlook.transcript.entries()
        (refused,) = [entry for entry in entries if entry.status == "NO"]
        # for a second, since the emulation may be late to read what was on its way
        later = [entry.when - refused.when for entry in entries if entry.when > refused.when + 1]
        assert later and min(later) > 2.9, "nothing is sent while the server wants a pause"
        assert len(body_fetches(outlook)) <= STEPS
