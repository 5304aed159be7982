"""COMPRESS=DEFLATE with Dovecot's plugin: every byte of every message, both ways, and what crosses the wire for it."""
import hashlib
import re
import socket
import threading

import pytest

from tests.data import generate, hard

from .support import mailboxes, sample
from .support.dovecot import COMPRESS, Dovecot
from .support.mount import wait_for
from .support.servers import connect

CLEAR = re.compile(rb"\* \d+ FETCH \(")


class Wire:
    """The way to a server on loopback, which keeps what passed, connection by connection."""

    def __init__(self, port):
        self.target, self.up, self.down = port, [], []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            for source, sink, kept in ((client, server, self.up), (server, client, self.down)):
                kept.append(bytearray())
                threading.Thread(target=self._pump, args=(source, sink, kept[-1]), daemon=True).start()

    @staticmethod
    def _pump(source, sink, kept):
        try:
            while data := source.recv(65536):
                kept += data
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def bytes(self):
        return sum(map(len, self.up)), sum(map(len, self.down))


@pytest.fixture(scope="module")
def packing():
    """A Dovecot that offers COMPRESS=DEFLATE."""
    with Dovecot(extra=COMPRESS) as server:
        yield server


@pytest.fixture
def mailbox(packing, user):
    client = connect(packing, user)
    yield client
    client.logout()


@pytest.fixture
def packing_options(packing, user, home):
    return {"host": "localhost", "port": packing.tls_port, "cafile": packing.ca, "username": user, "auth": "password",
            "password_command": home.secret("password", packing.password), "timeout": 5}


def everything():
    yield from generate.messages(60)
    yield from hard.messages()
    yield from sample.folders()


def whole(mount, held):
    """Every message as the server has it."""
    files, got = mount.files(), mount.reader("read")
    wanted = {(box, uid): entry.sha256 for box, uids in held.items() for uid, entry in uids.items()}
    return {key: got[path]["sha256"] for key, path in files.items()} == wanted


def test_every_byte(packing, mailbox, mounted, packing_options):
    mailboxes.load(mailbox, everything())
    held = mailboxes.truth(mailbox)
    with mounted(packing_options, debug=True) as mount:
        assert "compressed from here on" in mount.log()
        assert whole(mount, held)


@pytest.mark.parametrize("compress", ["yes", "no"])
def test_on_the_wire(packing, mailbox, mounted, packing_options, compress):
    mailboxes.load(mailbox, sample.few(20, size=20_000))
    held = mailboxes.truth(mailbox)
    new = sample.message(900, size=60_000)
    with Wire(packing.port) as wire:
        with mounted(packing_options, host="127.0.0.1", port=wire.port, tls="none", cafile=None,
                     compress=compress) as mount:
            assert whole(mount, held)
            source = mount.home.top / "new.eml"
            source.write_bytes(new)
            assert mount.run("cp", str(source), "Archive/new.eml", cwd=mount.path).returncode == 0
        up, down = wire.bytes()
        clear = [bool(CLEAR.search(one)) for one in wire.down]
    stored = [entry.sha256 for entry in mailboxes.truth(mailbox)["Archive"].values()]
    assert stored == [hashlib.sha256(new).hexdigest()]
    assert all(b"COMPRESS DEFLATE" in one for one in wire.up) == (compress == "yes")
    assert any(clear) == (compress == "no")
    if compress == "yes":
        assert up < 20_000 and down < 60_000  # of 60 kB and 400 kB
    else:
        assert up > 60_000 and down > 400_000


def test_new_mail_shows(packing, mailbox, mounted, packing_options):
    """IDLE and its end, compressed."""
    mailboxes.load(mailbox, sample.few(3))
    with mounted(packing_options, poll=600) as mount:
        assert len(mount.run("ls", "Inbox").stdout.splitlines()) == 3
        mailboxes.load(mailbox, sample.few(1, size=900))
        wait_for(lambda: len(mount.run("ls", "Inbox").stdout.splitlines()) == 4, 10, "new mail")
