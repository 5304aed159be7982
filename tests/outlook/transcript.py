"""What clients have sent: one entry a command, without secrets, readable while the service runs.

An entry is there once the command's first line has come; the rest of it fills in as the dialogue goes on.
"""
import dataclasses
import threading
import time


@dataclasses.dataclass
class Entry:
    when: float
    connection: int
    tag: str
    verb: str       # upper case; `UID FETCH` for UID commands
    arguments: str  # as sent; literals as {n}; secrets as ***
    received: int = 0       # bytes of the command, once it is whole
    continuations: int = 0  # bytes of the `+` lines that it was sent
    sent: int = 0           # bytes of all that was sent since its first line had come
    status: str = ""        # OK, NO or BAD, once it is on its way
    answered: float = 0.0   # when that was
    cut: str = ""           # the switch that ended its dialogue

    @property
    def line(self):
        return f"{self.verb} {self.arguments}".strip()


def without_secrets(verb, arguments):
    words = arguments.split(" ", 1)
    return words[0] + (" ***" if len(words) > 1 else "") if verb in ("LOGIN", "AUTHENTICATE") else arguments


class Transcript:
    def __init__(self):
        self._lock = threading.Lock()
        self._entries = []  # protected by _lock

    def add(self, connection, tag, verb, arguments):
        entry = Entry(time.time(), connection, tag, verb, without_secrets(verb, arguments))
        with self._lock:
            self._entries.append(entry)
        return entry

    def clear(self):
        with self._lock:
            self._entries.clear()

    def count(self):
        with self._lock:
            return len(self._entries)

    def entries(self, verb=None):
        """All of them, or those of a verb (`FETCH` matches `UID FETCH` too)."""
        with self._lock:
            known = list(self._entries)
        return [e for e in known if verb is None or e.verb == verb or e.verb == f"UID {verb}"]

    def lines(self, verb=None):
        return [entry.line for entry in self.entries(verb)]
