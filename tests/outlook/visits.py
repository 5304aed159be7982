"""What came to the sign-in service: one Visit a request, readable while the service runs.

A Visit's repr and `line` are for logs and assertion messages and hold no secret; the values as sent
are in `values`, for tests that compare them.
"""
import dataclasses
import threading
import time

SECRETS = {"client_secret", "client_assertion", "code", "code_verifier", "device_code", "password", "refresh_token"}


@dataclasses.dataclass
class Visit:
    number: int
    when: float                      # time.monotonic() when the head of the request was there
    method: str
    path: str                        # without the query
    where: str                       # authorize, token, devicecode, or "" for anything else
    family: str = ""                 # v2 or live
    tenant: str = ""
    names: tuple = ()                # of the parameters, as often as they came, in their order
    values: dict = dataclasses.field(default_factory=dict, repr=False)   # name -> first value
    headers: dict = dataclasses.field(default_factory=dict, repr=False)  # by lower-case name
    issued: object = dataclasses.field(default=None, repr=False)         # the Pair, once there is one
    fault: str = ""                  # the fault that struck
    status: int = 0                  # of the answer; 0: none was sent
    error: str = ""                  # the OAuth word of the answer
    aadsts: int = 0
    sent: int = 0                    # bytes of the answer that were written
    gone: bool = False               # the client went away before the answer's end
    done: float = 0                  # time.monotonic() at the end of it
    inside: bool = dataclasses.field(default=True, repr=False)  # counts as under way

    @property
    def grant(self):
        """authorization_code, refresh_token, device_code or ""."""
        return self.values.get("grant_type", "").rpartition(":")[2]

    @property
    def line(self):
        shown = [f"{n}={'***' if n in SECRETS else self.values.get(n, '')}" for n in self.names]
        return " ".join([self.method, self.path, *shown])


class Visits:
    def __init__(self):
        self._changed = threading.Condition()
        self._visits, self._inside, self._most = [], {}, {}  # protected by _changed
        self._count = 0

    def begin(self, method, path, where):
        with self._changed:
            self._count += 1
            visit = Visit(self._count, time.monotonic(), method, path, where)
            self._visits.append(visit)
            self._inside[where] = self._inside.get(where, 0) + 1
            self._most[where] = max(self._most.get(where, 0), self._inside[where])
            self._changed.notify_all()
        return visit

    def leave(self, visit):
        """The end of its answer is about to go out: from then on the client may come again, and that is
        not "at once"."""
        with self._changed:
            if visit.inside:
                visit.inside = False
                self._inside[visit.where] -= 1

    def end(self, visit):
        self.leave(visit)
        with self._changed:
            visit.done = time.monotonic()
            self._changed.notify_all()

    def clear(self):
        """Forgets all; requests under way still count in most_at_once()."""
        with self._changed:
            self._visits = []
            self._most = dict(self._inside)

    def all(self, where=None, grant=None):
        """Those of an endpoint and of a kind of grant, in the order in which they came."""
        with self._changed:
            return [v for v in self._visits if where in (None, v.where) and grant in (None, v.grant)]

    def count(self, where=None, grant=None):
        return len(self.all(where, grant))

    def lines(self, where=None, grant=None):
        return [visit.line for visit in self.all(where, grant)]

    def most_at_once(self, where="token"):
        """How many requests were under way at the same time, at most."""
        with self._changed:
            return self._most.get(where, 0)

    def wait(self, count=1, where=None, grant=None, done=True, timeout=20):
        """Waits until so many have come (done: and are over); returns them."""
        deadline = time.monotonic() + timeout
        while True:
            with self._changed:
                known = [v for v in self._visits if where in (None, v.where) and grant in (None, v.grant)
                         and (v.done or not done)]
                if len(known) >= count:
                    return known
                if not self._changed.wait(deadline - time.monotonic()) and time.monotonic() >= deadline:
                    raise TimeoutError(f"{len(known)} of {count} requests came: {self._visits}")

    def told(self):
        """The grant of a visit, which wait() looks at, has become known."""
        with self._changed:
            self._changed.notify_all()
