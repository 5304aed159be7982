"""`-o ro,prefetch=all`: once everything is in the cache, files are opened without asking the daemon."""
import os
import signal

import pytest

from .support import sample
from .support.mount import wait_for
from .test_faults import everything_right

WORD = "everything is in the cache"


@pytest.fixture
def filled(load, truth):
    load(sample.folders())
    return truth()


@pytest.fixture
def whole(filled, options, mounted):
    """A mount through which everything was read, so that it has everything."""
    with mounted(options, ro=True, prefetch="all") as mount:
        everything_right(mount, filled)
        wait_for(lambda: WORD in mount.log(), 20, "everything being in the cache")
        yield mount


def test_read_without_the_daemon(whole, filled):
    """Every name, size and byte is right; and what was read once more comes while the daemon stands still."""
    files = whole.files()
    sizes = whole.run("stat", "-c", "%s", *files.values()).stdout.split()
    assert [int(size) for size in sizes] == [filled[mailbox][uid].size for mailbox, uid in files]
    everything_right(whole, filled)
    once = whole.run("sha256sum", *files.values())
    assert once.returncode == 0
    os.kill(whole.process.pid, signal.SIGSTOP)
    try:
        process = whole.spawn("sha256sum", *files.values())
        again, _ = process.communicate(timeout=20)
    finally:
        os.kill(whole.process.pid, signal.SIGCONT)
    assert again == once.stdout and process.returncode == 0


def test_status_is_still_there(whole):
    for _ in range(2):
        answer = whole.run("cat", ".status")
        assert answer.returncode == 0 and answer.stdout.count(b"\n") > 3, answer
        assert whole.outlookfs("status", whole.path).returncode == 0


def test_programs_find_whole_files(whole, filled, home):
    """tar, rsync and a reader by mmap trust what stat says."""
    for command in (["tar", "cf", home.top / "all.tar", "."], ["rsync", "-a", "./", f"{home.top}/copy/"],
                    ["grep", "-rc", "needle", "."]):
        done = whole.run(*command)
        assert done.returncode in ((0, 1) if command[0] == "grep" else (0,)), done.stderr
    assert whole.run("diff", "-r", home.top / "copy", ".").returncode == 0
