"""What it costs to hear of 10 new messages from a server with Outlook.com's capabilities, at a look so late that
all flags are due as well. It is read off the emulation's transcript: a round trip begins with a command that comes
when all before it were answered so long ago that the client must have waited for the answers.

Everything from the arrival of the mail until `ls` shows it and nothing more is asked counts, but for what watches
anyway; how many round trips it takes until the names show is among the figures of --json. Bytes are those of
all answers; those to a FETCH of flags alone are left out of the comparison with a mailbox of FEW_COUNT.
"""
import re
import time

from .. import mail, outlookfs
from ..commands import Broken, expect
from ..stage import FEW, FEW_COUNT, MANY, say

RTT = 200
NEW = 10
FLAGS_OLD = 62  # seconds: flags are looked at again in a listing older than 60
QUIET = 2  # seconds
BOUND = 120
FLAGS = re.compile(r"\((UID )?FLAGS\)$")
WATCHING = ("IDLE", "NOOP", "DONE", "STATUS")


def measure(stage, turn):
    stage.many(), stage.few()
    link = stage.link("outlook", RTT)
    with outlookfs.Mount(stage, MANY, link, outlook=True) as many, \
            outlookfs.Mount(stage, FEW, link, outlook=True) as few:
        counts = [stage.options.many + stage.more[MANY], FEW_COUNT + stage.more[FEW]]
        for mount, count in zip((many, few), counts):
            expect(len(mount.names()), count, f"{mount.user}, names")
        say(f"waiting {FLAGS_OLD} s until flags are due")
        time.sleep(FLAGS_OLD)
        trips, plain, flags = _refreshed(stage, turn, many, counts[0])
        _, plain_few, _ = _refreshed(stage, turn, few, counts[1])
    turn.note("refresh", "outlookfs", trips)
    turn.note("refresh-bytes", "outlookfs", plain / plain_few)
    turn.note("refresh, bytes but for flags", "outlookfs", plain)
    turn.note("refresh, bytes of flags", "outlookfs", flags)


def _refreshed(stage, turn, mount, count):
    """(round trips, bytes but for flags, bytes of flags)."""
    before = stage.outlook().transcript.count()
    mail.fill(stage.dovecot, mount.user, mail.short(NEW, first=count))
    stage.more[mount.user] += NEW
    deadline = time.monotonic() + BOUND
    while len(mount.names()) != count + NEW:
        if time.monotonic() > deadline:
            raise Broken(f"{mount.user}: new mail does not show")
        time.sleep(0.1)
    shown = time.time()
    entries = _until_quiet(stage, before)
    stage.trails[f"refresh of {count}"] = [
        f"{e.when - entries[0].when:.3f} {e.connection} {e.line[:120]} [{e.sent} bytes]" for e in entries]
    flags = sum(e.sent for e in entries if FLAGS.search(e.arguments))
    turn.note(f"refresh of {count}, until the names show", "outlookfs", _trips([e for e in entries if e.when < shown]))
    return _trips(entries), sum(e.sent for e in entries) - flags, flags


def _until_quiet(stage, before):
    """What was sent, once all of it is answered and nothing has followed for a while."""
    deadline = time.monotonic() + BOUND
    while True:
        entries = [e for e in stage.outlook().transcript.entries()[before:] if e.verb not in WATCHING]
        last = max((e.answered or time.time() for e in entries), default=0)
        if time.time() - last > QUIET:
            return entries
        if time.monotonic() > deadline:
            raise Broken("a refresh does not end")
        time.sleep(0.1)


def _trips(entries):
    trips, answered = 0, 0
    for entry in sorted(entries, key=lambda e: e.when):
        trips += entry.when > answered + 0.6 * RTT / 1000
        answered = max(answered, entry.answered or entry.when)
    return trips
