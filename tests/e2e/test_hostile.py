"""A sign-in server that means harm: `outlookfs login` ends in bounded time and memory, with one line, and
keeps nothing."""
import time

import pytest

from tests.outlook.listener import Listener

from . import test_login
from .support.login import Login

UNREACHABLE = test_login.UNREACHABLE
SIGN_IN = test_login.SIGN_IN
login = test_login.login

HEAD = b"HTTP/1.1 200 OK\r\n"
FIELDS = b"".join(b"X-%d: %s\r\n" % (i, b"a" * 100) for i in range(1000))
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


class Rough:
    """Answers each request with bytes, then with `flood` again and again until the client has had enough."""

    client_id = "x"

    def __init__(self, certificates):
        self.first, self.flood, self.sent = b"", b"", 0
        self._listener = Listener(certificates.cert, certificates.key, self._serve)
        self.url = None

    def _serve(self, handler):
        handler.body()
        handler.connection.settimeout(60)
        handler.connection.sendall(self.first)
        while self.flood:
            handler.connection.sendall(self.flood)
            self.sent += len(self.flood)
        return False

    def __enter__(self):
        self._listener.start()
        self.url = self._listener.url
        return self

    def __exit__(self, *_):
        self._listener.stop()
        self._listener.raise_bugs()


@pytest.fixture
def rough(dovecot):
    with Rough(dovecot.certificates) as service:
        yield service


@pytest.fixture
def hurt(binary, home, rough, user, dovecot):
    running = Login(binary, home, rough, user, dovecot.ca)
    yield running
    if running.process and running.process.poll() is None:
        running.process.kill()
        running.process.communicate()


@pytest.mark.parametrize("first, flood", [
    (HEAD, FIELDS), (CHUNKED + b"2\r\n{}\r\n0\r\n", FIELDS), (HEAD + b"X: ", b"a" * 65536),
    (b"", b"HTTP/1.1 103 Early Hints\r\nLink: " + b"a" * 1000 + b"\r\n\r\n"), (HEAD + b"\r\n", b"[" * 65536),
    (CHUNKED, b"1\r\n \r\n" * 10000)],
    ids=["fields", "trailers", "line", "hints", "body", "chunks"])
def test_floods(hurt, rough, first, flood):
    """The client leaves before its memory shows it."""
    rough.first, rough.flood = first, flood
    test_login.refused(hurt, *hurt.run("--device"), UNREACHABLE, "far too much")
    assert rough.sent < 32 << 20


@pytest.mark.parametrize("first", [
    b"\0\0\x12\x04\0\0\0\0\0" + b"\0" * 18, b"HTTP/1.1 000 OK\r\n\r\n{}", b'{"user_code":"X"}',
    b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}"], ids=["h2", "000", "bare", "negative"])
def test_no_http(hurt, rough, first):
    rough.first = first
    test_login.refused(hurt, *hurt.run("--device"), UNREACHABLE, "HTTP/1.1", "--authority")


def test_no_wait_beyond_the_code(login, signin):
    """An interval that is longer than the code lives."""
    signin.device(then="wait", interval=50, seconds=2)
    start = time.monotonic()
    test_login.refused(login, *login.run("--device"), SIGN_IN, "not entered in time")
    assert time.monotonic() - start < 15
