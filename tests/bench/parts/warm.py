"""What has been read before, in mounts that stay for all rounds: the cache is filled, the kernel's too.

All mounts are filled over a link without delay: a delay changes nothing for who keeps what was read, and would
be unkind to who does not.
"""
import time

from .. import floor, maildir, mail, outlookfs, sftp
from ..commands import bytes_below, expect, find_size, grep, ls_long, run
from ..stage import USER, say

WHOLE = "files are opened without asking"
WHOLE_SECONDS = 30
TIMES = 3  # a round, since each takes well under a second


def measure(stage, turn):
    mounts = _all(stage)
    for _ in range(TIMES):
        for name, path in mounts.items():
            turn.note("warm-grep", name, grep(mail.WORD, stage.marked, path))
            turn.note("warm-ls", name, ls_long(stage.count, path))
            turn.note("warm-find", name, find_size(stage.count, path))


def measure_read_only(stage, turn):
    mount = stage.once("warm ro", lambda: _read_only(stage))
    for name, path in TIMES * (("outlookfs", mount.inbox()), ("local", _local(stage))):
        turn.note("warm-grep-ro", name, grep(mail.WORD, stage.marked, path))


def _all(stage):
    """{contender: the folder with the mail}; each has been read once."""
    stage.mail()
    found = {"outlookfs": stage.once("warm rw", lambda: _read_write(stage)).inbox(), "local": _local(stage)}
    if floor.available(stage):
        found["floor"] = stage.once("warm floor", lambda: _warmed(stage, floor.Floor(stage))).path
    for name in sftp.available(stage):
        found[name] = stage.once(f"warm {name}", lambda name=name: _warmed(
            stage, sftp.Mount(stage, name, stage.link("sftp", 0), stage.source))).path
    return found


class _Warmed:
    """A mount that has been read once, and held what it should."""

    def __init__(self, stage, mount, path, then=lambda mount: None):
        self.stage, self.mount, self.folder, self.then = stage, mount, path, then

    def __enter__(self):
        self.mount.__enter__()
        try:
            say(f"reading all that {self.mount.name} has, once")
            folder = self.folder(self.mount)
            ours = isinstance(self.mount, outlookfs.Mount)
            expect(bytes_below(folder), self.stage.mail() if ours else self.stage.source_bytes, f"bytes in {folder}")
            ls_long(self.stage.count, folder)
            self.then(self.mount)
        except BaseException:
            self.mount.__exit__(None, None, None)
            raise
        return self.mount

    def __exit__(self, *words):
        self.mount.__exit__(*words)


def _warmed(stage, mount):
    return _Warmed(stage, mount, lambda mount: mount.path)


def _read_write(stage):
    mount = outlookfs.Mount(stage, USER, stage.link("imap", 0))
    return _Warmed(stage, mount, lambda mount: mount.inbox())


def _read_only(stage):
    stage.mail()
    return _Warmed(stage, outlookfs.Mount(stage, USER, stage.link("imap", 0), ro=True, prefetch="all"),
                   lambda mount: mount.inbox(), lambda mount: _wait_until_whole(stage, mount))


def _wait_until_whole(stage, mount):
    """Once all of it is here, the mount says in its log that the kernel does not ask any more."""
    run(["ls", "-R", mount.path])
    deadline = time.monotonic() + WHOLE_SECONDS
    while WHOLE not in mount.log.read_text(errors="replace"):
        if time.monotonic() > deadline:
            stage.remarks.append("ro,prefetch=all: the kernel still asked at each open")
            return
        time.sleep(0.2)
    grep(mail.WORD, stage.marked, mount.inbox())  # the first after that asks once more


def _local(stage):
    def make():
        stage.mail()
        folder = maildir.plain(stage) / "cur"
        grep(mail.WORD, stage.marked, folder)
        return folder
    return stage.once("warm local", make)
