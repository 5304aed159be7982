"""What clients have sent: one entry a command, without secrets, readable while the service runs."""
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

    @property
    def line(self):
        return f"{self.verb} {self.arguments}".strip()


class Transcript:
    def __init__(self):
        self._lock = threading.Lock()
        self._entries = []  # protected by _lock

    def add(self, connection, tag, verb, arguments):
        if verb == "LOGIN":
            arguments = arguments.split(" ", 1)[0] + " ***"
        if verb == "AUTHENTICATE":
            words = arguments.split(" ", 1)
            arguments = words[0] + (" ***" if len(words) > 1 else "")
        with self._lock:
            self._entries.append(Entry(time.time(), connection, tag, verb, arguments))

    def clear(self):
        with self._lock:
            self._entries.clear()

    def entries(self, verb=None):
        """All of them, or those of a verb (`FETCH` matches `UID FETCH` too)."""
        with self._lock:
            known = list(self._entries)
        return [e for e in known if verb is None or e.verb == verb or e.verb == f"UID {verb}"]

    def lines(self, verb=None):
        return [entry.line for entry in self.entries(verb)]
