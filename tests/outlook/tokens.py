"""The token book: which access tokens are good, whose they are, and until when.

A token's state is asked at each command, so a test can let one expire under an open connection.
"""
import base64
import binascii
import re
import threading
import time

_XOAUTH2 = re.compile(rb"user=([^\x01]+)\x01auth=Bearer ([!-~]+)\x01\x01")


class TokenBook:
    def __init__(self):
        self._lock = threading.Lock()
        self._tokens = {}  # protected by _lock: value -> [user, monotonic end or None]
        self._watchers = []

    def add(self, value, user, seconds=None):
        with self._lock:
            self._tokens[value] = [user, None if seconds is None else time.monotonic() + float(seconds)]
        return value

    def expire(self, value=None):
        """Ends one token now, or every one."""
        with self._lock:
            for known, entry in self._tokens.items():
                if value in (None, known):
                    entry[1] = time.monotonic()

    def user_of(self, value):
        """The user whom a token belongs to, or None for a token that is unknown or has expired."""
        with self._lock:
            user, end = self._tokens.get(value, (None, None))
        return user if end is None or time.monotonic() < end else None

    def watch(self, callback):
        """callback(value) is called whenever somebody signs in with a good token, in that thread."""
        self._watchers.append(callback)

    def use(self, value):
        """user_of() for a sign-in: those who watch hear of it."""
        user = self.user_of(value)
        if user is not None:
            for callback in list(self._watchers):
                callback(value)
        return user


def parse_xoauth2(text):
    """(user, token) of an initial response, which must have its form exactly; None otherwise."""
    try:
        match = _XOAUTH2.fullmatch(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return None
    return (match[1].decode(errors="replace"), match[2].decode()) if match else None
