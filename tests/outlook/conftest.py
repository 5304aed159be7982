"""A Dovecot and an emulation in front of it for this folder's tests."""
import base64
import socket
import ssl

import pytest

from tests.e2e.support.servers import connect, make_token, outlook_dovecot, outlook_in_front

USER = "joe@example.org"
TOKEN = make_token(USER)


class Raw:
    """A socket that speaks lines: sees exactly what a client would."""

    def __init__(self, service, ca):
        context = ssl.create_default_context(cafile=ca)
        plain = socket.create_connection(("127.0.0.1", service.port), 10)
        self.socket = context.wrap_socket(plain, server_hostname="localhost")
        self.file = self.socket.makefile("rb")
        self.greeting = self.line()
        self.count = 0

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
            if not line:
                return lines, b""
            line = line.rstrip(b"\r\n")
            if line.startswith(tag + b" "):
                return lines, line[len(tag) + 1:]
            lines.append(line)

    def sign_in(self, user=USER, token=TOKEN):
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
def raw(service, dovecot):
    """Opens clients; closes them at the end."""
    clients = []

    def make(signed_in=True, selected=False):
        clients.append(Raw(service, dovecot.ca))
        if signed_in:
            assert clients[-1].sign_in()[1] == b"OK AUTHENTICATE completed."
        if selected:
            assert clients[-1].command(b"SELECT Inbox")[1] == b"OK [READ-WRITE] SELECT completed."
        return clients[-1]

    yield make
    for client in clients:
        client.close()
