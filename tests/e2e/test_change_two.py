"""Two mounts of one account, two caches, both changing the same mailboxes at once."""
import contextlib
import errno
import json
import random
import re
import subprocess
import sys

import pytest

from .support import sample
from .support.desk import Desk, census
from .support.mount import ROOT, Home, Mount

# Conflicts that are real: the other one was first.
REAL = {errno.ENOENT, errno.EEXIST, errno.ESTALE}


@pytest.fixture
def other_home():
    place = Home()
    yield place
    place.close()


LONG = [pytest.mark.long, pytest.mark.timeout(700)]


@pytest.mark.parametrize("way_of, commit, seconds", [
    ("outlook", "server", 8), ("dovecot", "journal", 8),
    *(pytest.param(server, commit, 300, marks=LONG) for server in ("dovecot", "outlook") for commit in ("server", "journal"))])
def test_two_mounts(desk, way_of, commit, seconds, binary, other_home, home, tmp_path):
    mails = sample.few(40) + sample.few(20, "Archive") + sample.few(5, "Work")
    with desk(mails, way=way_of, check=False, commit=commit, poll=5) as d:
        secret = {k: v for k, v in d.mount.options.items() if k != "cache_dir"}
        second = Mount(binary, other_home, "test", {**secret, "cache_dir": other_home.cache}).start()
        try:
            workers = [subprocess.Popen([sys.executable, "-m", "tests.e2e.test_change_two", str(m.path), str(seconds),
                                         str(seed)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
                       for seed, m in ((1, d.mount), (2, second))]
            reports = [json.loads(worker.communicate(timeout=seconds + 60)[0]) for worker in workers]
            for mount in (d.mount, second):
                answer = mount.outlookfs("sync", str(mount.path), seconds=60)
                # with a journal a conflict shows here
                assert answer.returncode == 0 or commit == "journal", answer.stderr
            wrong = [e for report in reports for e in report["errors"] if e[1] not in REAL]
            assert not wrong, wrong[:10]
            assert all(report["done"] > seconds for report in reports), reports
            twice = Desk(second, d.there, d.client, d.local, d.outlook)
            # flags come when a listing older than a minute is read
            for one in (d, twice):
                one.agree(90, settled=False, flags=seconds > 60)
            everything = sum(census(d.client).values(), [])
            # What each one wrote has numbers of its own: none is lost. Of two sessions that move one message at once
            # Dovecot itself makes two (69 of 400 with two bare clients); what nobody moves is there once.
            for report in reports:
                for number in report["written"]:
                    assert everything.count(number) >= 1, (number, census(d.client))
                    assert everything.count(number) == 1 or not stays(number), (number, census(d.client))
        finally:
            second.kill()


def stays(number):
    """Half of what is written is never moved, renamed or removed."""
    return number % 2 == 1


def may_move(path):
    number = re.search(r"(?:new-|number-)(\d{6})", path)
    return not (number and stays(int(number[1])))


def changes(path, seconds, seed):
    """The worker: random changes of what it finds."""
    import os
    import time
    os.chdir(path)
    chance, end = random.Random(seed), time.monotonic() + seconds
    done, errors, written, number = 0, [], [], seed * 100_000
    boxes = ("Inbox", "Archive", "Work")

    def pick():
        box = chance.choice(boxes)
        names = [name for name in os.listdir(box) if name.endswith(".eml")]
        return f"{box}/{chance.choice(names)}" if names else None

    while time.monotonic() < end:
        what = chance.choice(("move", "move", "rename", "flag", "write", "read", "trash", "list"))
        try:
            one, box = pick(), chance.choice(boxes)
            if what in ("move", "rename", "trash") and one and not may_move(one):
                continue
            if what == "move" and one:
                os.rename(one, f"{box}/{os.path.basename(one)}")
            elif what == "rename" and one:
                os.rename(one, f"{os.path.dirname(one)}/{seed}-{done}.eml")
            elif what == "flag" and one:
                os.setxattr(one, "user.imap.flags", chance.choice((b"+\\Flagged", b"-\\Flagged", b"+\\Seen")))
            elif what == "write":
                number += 1
                with open(f"{box}/new-{number}.eml", "xb") as file:
                    file.write(sample.message(number))
                written.append(number)
            elif what == "read" and one:
                with open(one, "rb") as file:
                    assert file.read().startswith((b"From:", b"Return", b"X-"))
            elif what == "trash" and one and "new-" not in one and "number-" + str(seed) not in one and chance.random() < 0.2:
                os.unlink(one)
            else:
                os.listdir(box)
            done += 1
        except OSError as error:
            errors.append((what, error.errno, str(error)))
    print(json.dumps({"done": done, "errors": errors, "written": written}))


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        changes(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))
