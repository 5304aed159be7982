"""A mailbox of a million: what the daemon's memory is once it is listed, and how soon it answers after a remount.
The server is one that makes its answers up (endless.py), in a process of its own."""
import json
import subprocess
import sys
import time

from tests.e2e.support.mount import Home

from .. import outlookfs
from ..commands import expect, run
from ..stage import ROOT, say

REMOUNTS = 5


def measure(stage, turn):
    count = stage.options.million
    home = Home()
    process = subprocess.Popen([sys.executable, "-m", "tests.bench.endless", str(count)], cwd=ROOT,
                               stdout=subprocess.PIPE)
    try:
        server = _Server(json.loads(process.stdout.readline())["port"])
        _listed(stage, turn, server, home, count)
        for _ in range(REMOUNTS):
            _remounted(stage, turn, server, home)
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()
        home.close()


class _Server:
    """Where to mount from, as a Link is."""

    def __init__(self, port):
        self.port = port


def _mount(stage, server, home):
    return outlookfs.Mount(stage, "million", server, home=home, tls="none", host="127.0.0.1", cafile=None)


def _listed(stage, turn, server, home, count):
    say(f"listing {count} messages")
    with _mount(stage, server, home) as mount:
        seconds, out = run(["sh", "-c", 'ls -1U "$1" | wc -l', "sh", mount.inbox()])
        expect(int(out), count, "names")
        turn.note("memory", "outlookfs", mount.resident())
        turn.note("memory, the listing's seconds", "outlookfs", seconds)


def _remounted(stage, turn, server, home):
    start = time.monotonic()
    with _mount(stage, server, home) as mount:
        run(["stat", mount.inbox()])
        turn.note("remount", "outlookfs", time.monotonic() - start)
