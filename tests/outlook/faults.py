"""What goes wrong at the sign-in service: faults with a count of times, and places where it stops to wait.

A fault either takes the place of the service's work (INSTEAD) or spoils the answer of work that
succeeded (AFTER); pending polls and refusals do not use it up. With issued=True one of the first kind
lets the work be done and loses its answer: the refresh token has been rotated, and the client never
hears of it.
"""
import functools
import inspect
import json
import threading

from .aadsts import Refused
from .answers import ENDLESS_BYTES, Answer

POINTS = ("connected", "before reading", "before issuing", "after issuing", "in answer")
HOLD_SECONDS = 60  # a pause that nobody releases ends by itself


def _status(service, code=500):
    return Answer.page(code, "Service Unavailable" if code == 503 else "Server Error", "Please try again later.")


def _html(service, body=None):
    page = Answer.page(200, "Sign in to your account", "We are sorry.")
    page.body = page.body if body is None else body
    return page


def _endless(service, bytes=ENDLESS_BYTES, pace=0):
    return Answer(body=b'{"token_type":"Bearer","access_token":"', endless=bytes, pace=pace)


def _redirect(service, code=302, to=None):
    return Answer(code, "text/html", headers=(("Location", to or service.elsewhere.url + "/moved"),))


def _throttled(service, retry_after=3):
    return Answer.of({"error": "temporarily_unavailable", "error_description": "Too many requests."}, 429,
                     headers=(("Retry-After", str(retry_after)),))


def _truncated(answer, keep=None):
    answer.body = answer.body[:len(answer.body) // 2 if keep is None else keep]


def _cut(answer, bytes):
    answer.cut = bytes


def _hang_after(answer, bytes=None):
    answer.stall = len(answer.head()) if bytes is None else bytes


def _slow(answer, pace=0.01):
    answer.pace = pace


def _fields(answer, changes):
    """Replaces fields of the JSON object; None takes one away."""
    value = {**json.loads(answer.body), **changes}
    answer.body = json.dumps({k: v for k, v in value.items() if v is not None}).encode()


def _raw(answer, body):
    answer.body = body


def _bare(_):
    """No options."""


def _error(_, code=None, detail="", error=None, text=None, status=None):
    """Those of Refused."""


# name: what takes the place of the work.
INSTEAD = {"status": _status, "html": _html, "empty": lambda service: Answer(), "endless": _endless,
           "redirect": _redirect, "throttled": _throttled, "hang": lambda service: Answer(stall=0),
           "drop": lambda service: Answer(cut=0)}
# name: what is done to the answer.
AFTER = {"truncated": _truncated, "cut": _cut, "hang_after": _hang_after, "slow": _slow, "fields": _fields,
         "raw": _raw}
# "refuse" closes the connection before TLS, so it knows no endpoint; "error" is fail()'s.
OTHER = {"refuse": _bare, "error": _error}
NAMES = (*INSTEAD, *AFTER, *OTHER)


class Fault:
    """One that waits or strikes; `struck` counts, cancel() ends it."""

    def __init__(self, name, times, where, grant, issued, options):
        if name not in NAMES:
            raise ValueError(f"no fault {name!r}: {', '.join(NAMES)}")
        inspect.signature(AFTER.get(name) or INSTEAD.get(name) or OTHER[name]).bind(None, **options)
        self.name, self.left, self.where, self.grant, self.options = name, times, where, grant, options
        self.late = issued or name in AFTER  # once the work is done
        self.struck = 0

    def cancel(self):
        self.left = 0

    def matches(self, visit, late):
        if self.left == 0 or (self.name == "refuse") != (visit is None):
            return False
        return visit is None or (self.late == late and self.where == visit.where
                                 and self.grant in (None, visit.grant))

    def refusal(self):
        return Refused(**self.options) if self.name == "error" else None

    def answer(self, service):
        """What is sent instead of the service's answer."""
        return INSTEAD[self.name](service, **self.options)

    def spoil(self, service, answer):
        """What becomes of the answer of work that is done."""
        if self.name not in AFTER:
            return self.answer(service)
        AFTER[self.name](answer, **self.options)
        return answer


class Pause:
    """Holds a request at a point until release(); wait() waits until one stands there."""

    def __init__(self):
        self._reached, self._go = threading.Event(), threading.Event()
        self.visit = None

    def __call__(self, visit):
        self.visit = visit
        self._reached.set()
        self._go.wait(HOLD_SECONDS)

    def wait(self, timeout=20):
        if not self._reached.wait(timeout):
            raise TimeoutError("no request came to the point")
        return self.visit

    def release(self):
        self._go.set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.release()


class Hook:
    def __init__(self, point, call, times, where, grant, after):
        if point not in POINTS:
            raise ValueError(f"no point {point!r}: {', '.join(POINTS)}")
        self.point, self.call, self.left, self.where, self.grant, self.after = point, call, times, where, grant, after

    def matches(self, point, visit):
        if self.point != point or self.left == 0:
            return False
        if visit is None:
            return True  # "connected": nothing is known yet
        known = None if point == "before reading" else self.grant
        return self.where == visit.where and known in (None, visit.grant)


class Faults:
    """All that is in force, asked by the service's threads."""

    def __init__(self):
        self._lock = threading.Lock()
        self._faults, self._hooks, self._pauses = [], [], []  # protected by _lock

    def add(self, name, times, where, grant, issued, options):
        fault = Fault(name, times, where, grant, issued, options)
        with self._lock:
            self._faults.append(fault)
        return fault

    def hook(self, *arguments):
        hook = Hook(*arguments)
        with self._lock:
            self._hooks.append(hook)
            if isinstance(hook.call, Pause):
                self._pauses.append(hook.call)
        return hook.call

    def clear(self):
        """No fault, no hook; whoever is held goes on."""
        with self._lock:
            self._faults, self._hooks = [], []
        self.release()

    def release(self):
        """Whoever is held goes on."""
        with self._lock:
            pauses, self._pauses = self._pauses, []
        for pause in pauses:
            pause.release()

    def take(self, visit, late=False):
        """The first fault that is for this request, counted; None for none. late: its work is done."""
        with self._lock:
            fault = next((f for f in self._faults if f.matches(visit, late)), None)
            if fault:
                fault.struck += 1
                fault.left = fault.left if fault.left is None else fault.left - 1
                if visit is not None:
                    visit.fault = fault.name
        return fault

    def reach(self, point, visit):
        """Runs the hooks of a point, in the calling thread."""
        for _, call in self.marks(point, visit):
            call()

    def marks(self, point, visit):
        """[(bytes, callback)] of a point's hooks, counted."""
        with self._lock:
            found = [h for h in self._hooks if h.matches(point, visit)]
            for hook in found:
                hook.left = hook.left if hook.left is None else hook.left - 1
        return [(hook.after, functools.partial(hook.call, visit)) for hook in found]
