"""A day of changes, cuts and throttles, its time compressed; at its end the tree is the account (CONTRACT.md 4)."""
import errno
import json
import os
import random
import re
import subprocess
import sys
import time

import pytest

from .support import sample
from .support.day import BOXES, Weather, World
from .support.desk import census, number_of
from .support.mount import ROOT

# the other one was first; the network or the service said no, in time
EXPECTED = {errno.ENOENT, errno.EEXIST, errno.ESTALE, errno.ENETUNREACH, errno.ENETDOWN, errno.EAGAIN, errno.EIO}
TIMEOUT, CONNECTIONS = 4, 4
LONG = [pytest.mark.long, pytest.mark.timeout(3000)]


def connections(pid, port):
    """How many TCP connections to that port the program has."""
    held = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            held.add(os.readlink(f"/proc/{pid}/fd/{name}"))
        except OSError:
            continue  # closed since
    with open(f"/proc/{pid}/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table][1:]
    return sum(f"socket:[{row[9]}]" in held and int(row[2].rpartition(":")[2], 16) == port and row[3] == "01" for row in rows)


@pytest.mark.parametrize("commit", ["server", "journal"])
@pytest.mark.parametrize("deliveries, pause", [(40, 0.1), pytest.param(1000, 0.3, marks=LONG)])
def test_day(desk, home, user, binary, deliveries, pause, commit):
    mails = sample.few(30) + [(box, date, flags, sample.message(100 + n)) for n, (box, date, flags, _) in
                              enumerate(sample.few(10, "Archive") + sample.few(10, "Work"))]
    chance = random.Random(deliveries)
    with desk(mails, way="outlook", commit=commit, poll=2, timeout=TIMEOUT, connections=CONNECTIONS) as d:
        start = {number_of(data): (box, uid) for box in BOXES for uid, (_, _, data) in d.there.messages(box).items()}
        world, weather = World(d.there, chance, start), Weather(d.outlook, chance, renewal(d.outlook, home, user))
        alive = home.top / "alive"
        alive.touch()
        life = subprocess.Popen([sys.executable, "-m", "tests.e2e.support.day", str(d.mount.path), "1", str(alive)],
                                cwd=ROOT, stdout=subprocess.PIPE, text=True)
        most, memory = 0, []
        for number in range(10_000, 10_000 + deliveries):
            world.deliver(number)
            world.act()
            if number % 6 == 5:
                weather.strike()
            most = max(most, connections(d.mount.process.pid, d.outlook.port))
            memory.append(d.mount.memory())
            time.sleep(pause)  # the pace of the day
        weather.clear()
        alive.unlink()
        told = json.loads(life.communicate(timeout=60)[0])
        print(json.dumps({**told, "errors": len(told["errors"]), "most": most, "struck": weather.struck,
                          "memory": [memory[0], memory[len(memory) // 2], memory[-1]]}))
        assert not [e for e in told["errors"] if e[1] not in EXPECTED], told["errors"]
        assert told["done"] > deliveries / 4, told
        # a change may be asked for a second time, on another connection
        assert told["longest"][0] < 3 * 2 * TIMEOUT, told["longest"]
        assert most <= CONNECTIONS
        assert d.mount.sanitized() or memory[-1] < memory[len(memory) // 2] + (8 << 20), memory[::20]
        d.sync()
        d.agree(90, settled=False)
        outbox = {int(found) for line in d.outbox() for found in re.findall(r"new-(\d+)\.eml", line)}
        counts = sum(census(d.client).values(), [])
        for number in world.delivered + list(start):
            assert counts.count(number) == (number not in world.gone), number
        for number in told["written"]:
            assert counts.count(number) == 1 or (number in outbox and counts.count(number) == 0), number
        assert len(counts) == len(set(counts)), sorted(n for n in counts if counts.count(n) > 1)
        assert not alive.exists()


def renewal(outlook, home, user):
    """A function that gives the account another token and ends the one before."""
    count, last = 0, None

    def renew():
        nonlocal count, last
        count += 1
        token = outlook.tokens.add(f"day-{count}-{user}", user)
        before, last = last, token
        home.secret("token", token)
        outlook.tokens.expire(before) if before else None
    return renew
