"""The device code grant (RFC 8628): codes, polls, and the user at another machine, who is a script.

A plan says what the polls of the next device codes are answered: so many times authorization_pending,
so many times slow_down, then the outcome. `wait` as outcome means pending until decide() is called.
A poll that comes sooner than the interval in force (plus 5 s after each slow_down, RFC 8628 section
3.5) is answered all the same and noted in `violations`.

Methods may be called from any thread.
"""
import collections
import dataclasses
import secrets
import threading
import time

from .aadsts import Refused

ANSWERS = {
    "pending": lambda: Refused(70016),
    "wait": lambda: Refused(70016),
    "slow_down": lambda: Refused(error="slow_down", text="The device polls too often."),
    "decline": lambda: Refused(error="authorization_declined", text="The end user denied the authorization request."),
    "expire": lambda: Refused(70020),
    "bad_code": lambda: Refused(70018),
}
OUTCOMES = ("approve", "decline", "expire", "bad_code", "wait")
STEP = 5             # seconds that slow_down adds
TOLERANCE = 0.1      # seconds that clocks and threads may differ
Early = collections.namedtuple("Early", "waited interval")


@dataclasses.dataclass
class Device:
    client: str
    scope: frozenset
    user_code: str
    end: float
    interval: float
    steps: collections.deque
    then: str
    last: float | None = None  # when it was polled last
    used: bool = False


class DeviceBook:
    def __init__(self, grants, clock=time.monotonic):
        self.interval, self.seconds = 5, 900
        self.verification_uri = "https://www.microsoft.com/link"
        self.violations = []  # of Early
        self._grants, self._clock = grants, clock
        self._lock = threading.Lock()
        self._devices = {}    # protected by _lock: by device code
        self._plan = ((), "approve")
        self.plan(pending=2)

    def plan(self, pending=0, slow_down=0, then="approve"):
        """For the device codes given out from now on."""
        _known(then)
        self._plan = (("pending",) * pending + ("slow_down",) * slow_down, then)

    def decide(self, outcome):
        """What the user does now, whatever was planned, at every code that is still open."""
        _known(outcome)
        with self._lock:
            for device in self._devices.values():
                device.steps.clear()
                device.then = outcome

    def start(self, client, scope):
        """The device authorization response (RFC 8628 section 3.2)."""
        value = secrets.token_urlsafe(120)
        user_code = "".join(secrets.choice("BCDFGHJKLMNPQRSTVWXYZ23456789") for _ in range(8))
        with self._lock:
            steps, then = self._plan
            self._devices[value] = Device(client, frozenset(scope), user_code, self._clock() + self.seconds,
                                          self.interval, collections.deque(steps), then)
        return {"user_code": user_code, "device_code": value, "verification_uri": self.verification_uri,
                "expires_in": self.seconds, "interval": self.interval,
                "message": f"To sign in, use a web browser to open the page {self.verification_uri} and enter the "
                           f"code {user_code} to authenticate."}

    def poll(self, value, client, user):
        """The pair for `user` once approved; raises Refused until then and otherwise."""
        with self._lock:
            device = self._devices.get(value)
            if not device or device.client != client:
                raise Refused(70018)
            self._time(device)
            if device.used:
                raise Refused(54005)
            if self._clock() >= device.end:
                raise Refused(70020)
            step = device.steps.popleft() if device.steps else device.then
            if step == "slow_down":
                device.interval += STEP
            if step != "approve":
                raise ANSWERS[step]()
            device.used = True
        return self._grants.issue(user, client, device.scope)

    def _time(self, device):
        now = self._clock()
        if device.last is not None and now - device.last < device.interval - TOLERANCE:
            self.violations.append(Early(now - device.last, device.interval))
        device.last = now


def _known(outcome):
    if outcome not in OUTCOMES:
        raise ValueError(f"one of {', '.join(OUTCOMES)}, not {outcome!r}")
