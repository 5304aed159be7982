"""The book of grants: authorization codes and refresh tokens, what each is good for and until when.

A refresh token R1 gives a pair (R2, A2). R1 stays good until the service sees R2 or A2 used, since the
answer may have been lost on its way: used again before that, it gives a new pair, and the one that
nobody has used is void. From the first use of R2 or A2 on, R1 is refused (AADSTS70000) and the refusal
counted in `reused`. Access tokens go into the IMAP emulation's TokenBook, which also tells which of
them have been used.

Methods may be called from any thread. Lock order: this book's lock, then the token book's.
"""
import base64
import dataclasses
import hashlib
import re
import secrets
import string
import threading
import time

from .aadsts import Refused

_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")  # RFC 7636 section 4.1
# Microsoft's own alphabet for personal accounts: a client that does not escape these loses them.
_REFRESH = string.ascii_letters + string.digits + "*!$"


@dataclasses.dataclass
class Code:
    """An authorization code (RFC 6749 section 4.1.2)."""
    user: str
    client: str
    redirect: str
    scope: frozenset
    challenge: str  # "" where the family does without PKCE
    end: float
    used: bool = False


@dataclasses.dataclass(repr=False)
class Pair:
    """What one successful token request gives. It has no repr: both values are secrets."""
    user: str
    client: str
    scope: frozenset
    access: str
    refresh: str
    seconds: int
    end: float | None              # of the refresh token
    previous: "Pair | None" = None  # whose refresh token gave this one, while it is still good
    next: "Pair | None" = None      # what its refresh token gave last
    refused: int | None = None      # the AADSTS code once the refresh token is no longer good
    replaced: bool = False          # ... because a newer one took its place


class GrantBook:
    def __init__(self, tokens=None, clock=time.monotonic):
        self.lifetime = 3600           # seconds of an access token
        self.refresh_lifetime = None   # seconds of a refresh token, or None
        self.code_lifetime = 60        # seconds of an authorization code
        self.access_bytes = 1500
        self.reused = 0                # refusals of refresh tokens that had been replaced
        self._tokens, self._clock = tokens, clock
        self._lock = threading.Lock()
        self._codes, self._refresh, self._access = {}, {}, {}  # protected by _lock: by value
        if tokens is not None:
            tokens.watch(self.access_used)

    # --- codes ---

    def issue_code(self, user, client, redirect, scope, challenge):
        value = f"M.C507_BAY.2.U.{secrets.token_hex(4)}-{_random(80)}"
        with self._lock:
            self._codes[value] = Code(user, client, redirect, frozenset(scope), challenge,
                                      self._clock() + self.code_lifetime)
        return value

    def redeem_code(self, value, client, redirect, verifier):
        """The first pair of a grant. A code is spent by its first correct use."""
        with self._lock:
            code = self._codes.get(value)
            if not code or code.client != client:
                raise Refused(70000, "code")
            if code.used:
                raise Refused(54005)
            if self._clock() >= code.end:
                raise Refused(70008)
            if redirect != code.redirect:
                raise Refused(50011, redirect)
            if (code.challenge or verifier) and not _proves(verifier, code.challenge):
                raise Refused(501481)
            code.used = True
            return self._issue(code.user, client, code.scope)

    # --- tokens ---

    def issue(self, user, client, scope):
        """A first pair for somebody who has signed in by other means (a device code, a test's wish)."""
        with self._lock:
            return self._issue(user, client, frozenset(scope))

    def refresh(self, value, client, scope=None):
        """A new pair for a refresh token; scope None asks for what was granted."""
        with self._lock:
            held = self._refresh.get(value)
            if not held or held.client != client:
                raise Refused(70000, "refresh_token")
            if held.refused:
                self.reused += held.replaced
                raise Refused(held.refused, "refresh_token")
            if held.end is not None and self._clock() >= held.end:
                raise Refused(700082)
            if scope is not None and not set(scope) <= held.scope:
                raise Refused(70000, "scope")
            self._arrived(held)
            if held.next:
                self._void(held.next)
            held.next = self._issue(held.user, client, held.scope)
            held.next.previous = held
            return held.next

    def access_used(self, value):
        """An access token has been used: the pair has arrived, what came before it is over."""
        with self._lock:
            pair = self._access.get(value)
            if pair:
                self._arrived(pair)

    def revoke(self, user=None, code=70008):
        """Every refresh token (of a user) is refused from now on, with this AADSTS code."""
        with self._lock:
            for pair in self._refresh.values():
                if user in (None, pair.user) and not pair.refused:
                    pair.refused = code

    def usable(self, value):
        """Whether this refresh token would be taken now."""
        with self._lock:
            pair = self._refresh.get(value)
            return bool(pair) and not pair.refused and (pair.end is None or self._clock() < pair.end)

    # --- inside, with the lock held ---

    def _issue(self, user, client, scope):
        end = None if self.refresh_lifetime is None else self._clock() + self.refresh_lifetime
        pair = Pair(user, client, scope, _opaque(self.access_bytes), "M.C507_BAY.0.U.-" + _random(400),
                    self.lifetime, end)
        self._refresh[pair.refresh] = self._access[pair.access] = pair
        if self._tokens is not None:
            self._tokens.add(pair.access, user, self.lifetime)
        return pair

    @staticmethod
    def _arrived(pair):
        previous, pair.previous = pair.previous, None
        if previous:
            previous.refused, previous.replaced = previous.refused or 70000, True

    def _void(self, pair):
        pair.refused, pair.replaced, pair.previous = 70000, True, None
        if self._tokens is not None:
            self._tokens.expire(pair.access)


def _proves(verifier, challenge):
    """RFC 7636 section 4.6, S256."""
    if not challenge or not _VERIFIER.fullmatch(verifier or ""):
        return False
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return secrets.compare_digest(digest, challenge)


def _random(size):
    return "".join(secrets.choice(_REFRESH) for _ in range(size))


def _opaque(size):
    return ("EwA" + base64.b64encode(secrets.token_bytes(size)).decode())[:size]
