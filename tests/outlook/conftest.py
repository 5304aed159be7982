"""A Dovecot and an emulation in front of it, and a sign-in service, for this folder's tests."""
import base64
import itertools
import os
import re
import socket
import ssl

import pytest

from tests.e2e.support.certificates import Certificates
from tests.e2e.support.servers import connect, make_token, outlook_dovecot, outlook_in_front

from . import SignIn, TokenBook
from .oauth_client import Client

USER = "joe@example.org"
TOKEN = make_token(USER)
MESSAGE = b"From: a@example.org\r\nMessage-ID: <%d@x>\r\nSubject: number %d\r\n\r\nHello\r\n"
_users = itertools.count(1)


def subjects(elsewhere, mailbox):
    """{UID: number} of the messages made from MESSAGE."""
    return {uid: int(re.search(rb"number (\d+)", data)[1]) for uid, (_, _, data) in elsewhere.messages(mailbox).items()}


class Raw:
    """A socket that speaks lines: sees exactly what a client would."""

    def __init__(self, service, ca):
        context = ssl.create_default_context(cafile=ca)
        plain = socket.create_connection(("127.0.0.1", service.port), 10)
        self.socket = context.wrap_socket(plain, server_hostname="localhost")
        self.file = self.socket.makefile("rb")
        self.greeting = self.line()
        self.count, self.user = 0, None

    def line(self):
        return self.file.readline().rstrip(b"\r\n")

    def send(self, data):
        self.socket.sendall(data)

    def command(self, text):
        """(untagged lines, tagged line without its tag); literals count as lines. At EOF tagged is b''."""
        self.count += 1
        tag = b"t%d" % self.count
        self.send(tag + b" " + text + b"\r\n")
        return self.until(tag)

    def until(self, tag):
        lines = []
        while True:
            line = self.file.readline()
            if not line.endswith(b"\n"):  # the end; a broken line is no answer
                return lines, b""
            line = line.rstrip(b"\r\n")
            if line.startswith(tag + b" "):
                return lines, line[len(tag) + 1:]
            lines.append(line)

    def append(self, mailbox, data, flags=b"", plus=b"+"):
        """The same for an APPEND; waits for `+` where plus is empty, and then [] when refused before it."""
        self.count += 1
        tag = b"t%d" % self.count
        self.send(tag + b" APPEND " + mailbox + flags + b" {%d%s}\r\n" % (len(data), plus))
        if not plus:
            line = self.line()
            if not line.startswith(b"+"):
                return [], line[len(tag) + 1:]
        self.send(data + b"\r\n")
        return self.until(tag)

    def sign_in(self, user=USER, token=TOKEN):
        self.user = user
        text = base64.b64encode(f"user={user}\1auth=Bearer {token}\1\1".encode())
        return self.command(b"AUTHENTICATE XOAUTH2 " + text)

    def close(self):
        self.file.close()
        self.socket.close()


@pytest.fixture(scope="session")
def dovecot():
    with outlook_dovecot() as server:
        yield server


@pytest.fixture(scope="session")
def filled(dovecot):
    """Ten messages in the Inbox; their bodies by UID."""
    client = connect(dovecot, USER)
    bodies = {}
    for number in range(1, 11):
        body = b"From: a@example.org\r\nSubject: number %d\r\n\r\n%s\r\n" % (number, b"x" * number * 100)
        client.append("INBOX", None, None, body)
        bodies[number] = body
    client.logout()
    return bodies


@pytest.fixture
def service(dovecot):
    with outlook_in_front(dovecot) as emulation:
        emulation.tokens.add(TOKEN, USER)
        yield emulation


@pytest.fixture
def user():
    """An account of the test's own, for tests that write."""
    return f"w{next(_users)}-{os.getpid()}@example.org"


@pytest.fixture
def elsewhere(service, user):
    """Another client of that account; made the truth by going past the emulation."""
    with service.elsewhere(user) as client:
        yield client


@pytest.fixture
def loaded(elsewhere):
    """Five messages in that account's Inbox, UIDs 1 to 5."""
    return [elsewhere.append("INBOX", MESSAGE % (n, n)) for n in range(1, 6)]


@pytest.fixture
def writer(raw, user, loaded):
    """A client of that account with its Inbox selected."""
    return raw(selected=True, user=user)


@pytest.fixture
def raw(service, dovecot):
    """Opens clients; closes them at the end."""
    clients = []

    def make(signed_in=True, selected=False, user=USER):
        clients.append(Raw(service, dovecot.ca))
        if signed_in:
            token = TOKEN if user == USER else service.tokens.add(make_token(user), user)
            assert clients[-1].sign_in(user, token)[1] == b"OK AUTHENTICATE completed."
        if selected:
            assert clients[-1].command(b"SELECT Inbox")[1] == b"OK [READ-WRITE] SELECT completed."
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def tokens():
    return TokenBook()


@pytest.fixture
def signin(certificates, tokens):
    with SignIn(certificates.cert, certificates.key, tokens) as service:
        service.user = USER
        yield service


@pytest.fixture
def client(signin, certificates):
    return Client(signin, certificates.ca)
