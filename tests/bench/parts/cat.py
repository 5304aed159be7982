"""One person's `cat` of a message that is not here, while the connection is busy with something large."""
import contextlib
import subprocess
import time

from .. import mail, outlookfs
from ..commands import Broken, run
from ..stage import ASIDE, MANY, USER

RTT = 50
TIMES = 3  # a round
PAUSE = 0.25


def beside_grep(stage, turn):
    stage.mail()
    with outlookfs.Mount(stage, USER, stage.link("imap", RTT)) as mount:
        names = mount.names()  # in the order in which grep reads them
        far = [names[len(names) * (16 + n) // 20] for n in range(TIMES)]
        with _meanwhile(["grep", "-rlF", mail.WORD, mount.inbox()]) as busy:
            for name in far:
                time.sleep(PAUSE)
                _cat(turn, "cat-prefetch", mount.inbox() / name, busy)


def beside_listing(stage, turn):
    stage.many()
    with outlookfs.Mount(stage, MANY, stage.link("imap", RTT)) as mount:
        names = mount.names(ASIDE)
        with _meanwhile(["ls", "-1U", mount.inbox()]) as busy:
            for name in names[:TIMES]:
                time.sleep(PAUSE)
                _cat(turn, "cat-listing", mount.path / ASIDE / name, busy)


def _cat(turn, row, path, busy):
    seconds, out = run(["cat", path])
    if busy.poll() is not None:
        raise Broken(f"{row}: what was to go on meanwhile was done; --count is too small")
    if not out:
        raise Broken(f"{path}: empty")
    turn.note(row, "outlookfs", seconds * 1000 / RTT)


@contextlib.contextmanager
def _meanwhile(command):
    process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)
