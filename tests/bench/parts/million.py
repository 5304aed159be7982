"""A mailbox of a million: what the daemon's memory is once it is listed, beside that of one with a hundredth as many,
and how soon it answers after a remount. The server is one that makes its answers up (endless.py)."""
import time

from tests.e2e.support.mount import Home

from .. import endless
from ..commands import expect, run
from ..stage import say

REMOUNTS = 5


def measure(stage, turn):
    few = _listed(stage, turn, stage.options.million // 100)
    home = Home()
    try:
        with endless.Process(stage.options.million) as server:
            memory = _list(stage, turn, server, home, stage.options.million)
            turn.note("memory", "outlookfs", memory)
            turn.note("memory-flat", "outlookfs", memory / few)
            for _ in range(REMOUNTS):
                _remounted(stage, turn, server, home)
    finally:
        home.close()


def _listed(stage, turn, count):
    with endless.Process(count) as server:
        return _list(stage, turn, server, None, count)


def _list(stage, turn, server, home, count):
    """MiB of memory, with so many listed."""
    say(f"listing {count} messages")
    with endless.mount(stage, server, home) as mount:
        seconds, out = run(["sh", "-c", 'ls -1U "$1" | wc -l', "sh", mount.inbox()])
        expect(int(out), count, "names")
        turn.note(f"listing of {count}, seconds", "outlookfs", seconds)
        return mount.resident()


def _remounted(stage, turn, server, home):
    start = time.monotonic()
    with endless.mount(stage, server, home) as mount:
        run(["stat", mount.inbox()])
        turn.note("remount", "outlookfs", time.monotonic() - start)
