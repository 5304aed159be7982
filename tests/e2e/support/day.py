"""What happens to an account in a day: other clients change it, the network fails, tokens end, the service throttles.

World is the rest of the world, at the server itself; Weather is the network and the service in between; both draw
from a seeded Random. The life beside them, in the mount, is a process of its own: python3 -m tests.e2e.support.day.
The world moves and removes even numbers alone and the mount odd ones, so that every message has one owner and its
count at the end is known. Flags are everybody's.
"""
import contextlib
import json
import os
import random
import sys
import time

from . import sample

BOXES = ("INBOX", "Archive", "Work")
FLAGS = ("\\Seen", "\\Flagged", "\\Answered")


class World:
    """Another client of the account. gone: numbers that it has expunged; there: where each of its own is."""

    def __init__(self, there, chance, numbers):
        """numbers: {number: (mailbox, uid)} of what is there at the start."""
        self.there, self.chance = there, chance
        self.places, self.gone, self.delivered = dict(numbers), set(), []

    def deliver(self, number):
        box = "INBOX" if self.chance.random() < 0.7 else self.chance.choice(BOXES)
        self.places[number] = box, self.there.append(box, sample.message(number, size=500 + number % 400))
        self.delivered.append(number)

    def _mine(self):
        """A number, its mailbox and its UID; None where nothing is left."""
        numbers = [n for n in self.places if n % 2 == 0]
        if not numbers:
            return None
        number = self.chance.choice(numbers)
        return (number, *self.places[number])

    def act(self):
        """One change of what is there."""
        what, found = self.chance.choice(("flag", "flag", "move", "expunge")), self._mine()
        if not found:
            return
        number, box, uid = found
        if what == "flag":
            self.there.store(box, uid, self.chance.choice(FLAGS), self.chance.choice(("+FLAGS", "-FLAGS")))
        elif what == "expunge":
            self.there.expunge(box, uid)
            del self.places[number]
            self.gone.add(number)
        else:
            target = self.chance.choice([other for other in BOXES if other != box])
            next_uid = max(self.there.uids(target), default=0)
            self.there.move(box, uid, target)
            moved = [u for u in self.there.uids(target) if u > next_uid]
            self.places[number] = target, self._which(target, moved, number)

    def _which(self, box, uids, number):
        """The mount may have put others there at the same moment."""
        if len(uids) == 1:
            return uids[0]
        marker = f"Subject: number {number}\r\n".encode()
        return next(uid for uid, (_, _, data) in self.there.messages(box).items() if marker in data)


class Weather:
    """What befalls the connections of the mount."""

    def __init__(self, outlook, chance, renew):
        """renew(): there is another token from now on, and the one before it ends."""
        self.outlook, self.chance, self.renew = outlook, chance, renew
        self.struck, self._deck = [], []

    def strike(self):
        """Each kind comes once before one comes again."""
        if not self._deck:
            self._deck = [self.cut, self.outage, self.silence, self.throttle, self.break_command, self.token]
            self.chance.shuffle(self._deck)
        what = self._deck.pop()
        what()
        self.struck.append(what.__name__)

    def cut(self):
        self.outlook.drop()

    def outage(self):
        self.outlook.down()
        time.sleep(self.chance.uniform(0.1, 1.5))  # how long it lasts
        self.outlook.up()

    def silence(self):
        self.outlook.set(silence=f"{self.chance.randrange(400)}@{self.chance.choice(('FETCH', 'STATUS', 'SELECT', 'MOVE'))}*1")

    def break_command(self):
        self.outlook.set(cut_at=f"{self.chance.randrange(400)}@{self.chance.choice(('FETCH', 'STORE', 'MOVE', 'APPEND'))}*1")

    def throttle(self):
        self.outlook.set(throttle=f"NO:{self.chance.randrange(100, 2000)}@{self.chance.choice(('FETCH', 'LISTING', 'SELECT'))}*1")

    def token(self):
        self.renew()

    def clear(self):
        self.outlook.up()
        self.outlook.set(silence="off", cut_at="off", throttle="off")


def live(path, seed, until):
    """The life in the mount, while the file `until` is there: reads, flags, moves, writes. Prints what it met as JSON:
    written numbers, errnos by operation, and the longest that anything took."""
    os.chdir(path)
    chance, number = random.Random(seed), 1_000_000
    told = {"done": 0, "errors": [], "written": [], "longest": [0, ""]}
    boxes = ("Inbox", "Archive", "Work")

    def pick(odd=False):
        names = [f"{box}/{name}" for box in boxes for name in os.listdir(box) if name.endswith(".eml")]
        names = [name for name in names if not odd or is_odd(name)]
        return chance.choice(names) if names else None

    def write():
        nonlocal number
        number += 1
        with open(f"{chance.choice(boxes)}/new-{number}.eml", "xb") as file:
            file.write(sample.message(number))
        told["written"].append(number)

    def read():
        with contextlib.suppress(TypeError), open(pick(), "rb") as file:
            file.read()

    def flag():
        one = pick()
        if one:
            os.setxattr(one, "user.imap.flags", chance.choice((b"+\\Flagged", b"-\\Flagged", b"+\\Seen")))

    def move():
        one = pick(odd=True)
        if one:
            os.rename(one, f"{chance.choice(boxes)}/{os.path.basename(one)}")

    while os.path.exists(until):
        what = chance.choice((read, read, read, flag, move, write))
        begin = time.monotonic()
        try:
            what()
            told["done"] += 1
        except OSError as error:
            told["errors"].append([what.__name__, error.errno, str(error)])
            time.sleep(0.05)  # as a person would; the network may be down
        told["longest"] = max(told["longest"], [round(time.monotonic() - begin, 2), what.__name__])
    print(json.dumps(told))


def is_odd(path):
    """Names hold the number: number-17.eml of the world, new-1000017.eml of the mount, which are all its own."""
    word = os.path.basename(path).removesuffix(".eml").partition("~")[0].rpartition("-")[2]
    return "new-" in path or (word.isdigit() and int(word) % 2 == 1)


if __name__ == "__main__":
    live(sys.argv[1], int(sys.argv[2]), sys.argv[3])
