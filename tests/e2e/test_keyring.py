"""Where a login's key is kept: the token store against session buses of every kind; then a login and its mounts.

The store is driven by a small program (tests/unit/auth/keyring_tool.c), since signing in needs more than a keyring.
What the desktop does to it must never cost a login, nor more than 5 s, nor show anything to the person.
"""
import errno
import os
import select
import socket
import subprocess
import threading

import pytest

from . import test_login
from .support import sample
from .support.bus import SECRETS, SessionBus
from .support.mount import wait_for

BOUND_MS, SLACK_MS = 5000, 1500
ACCOUNT = "jane@example.org"
login, mounts = test_login.login, test_login.mounts
SEALED, PLAIN = "encrypted, key in the Secret Service", "plain file, readable by its owner alone"


@pytest.fixture
def bus():
    with SessionBus() as running:
        yield running


class Tool:
    """The program, on one state directory; run() returns (result, milliseconds, words)."""

    def __init__(self, binary, directory):
        self.program = binary.parents[1] / "tests/unit/auth/keyring_tool"
        if not os.access(self.program, os.X_OK):
            pytest.fail(f"no program at {self.program}: build the unit tests", pytrace=False)
        self.state = directory / "state" / ACCOUNT
        self.token = self.state / "token"

    def popen(self, operation, environment):
        return subprocess.Popen([self.program, operation, self.state, ACCOUNT], env=environment, text=True,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run(self, operation, environment, abandons=False):
        """`abandons`: a thread is left behind with its connection, until GDBus gives up."""
        process = self.popen(operation, environment)
        output, errors = process.communicate(timeout=60)
        assert process.returncode == 0 and "ERROR" not in errors, errors
        assert ("sockets" in errors) == abandons, errors
        return self.parse(output)

    @staticmethod
    def parse(line):
        result, milliseconds, words = line.rstrip("\n").split(" ", 2)
        return result, int(milliseconds), words

    def check(self, operation, environment, result, words, within=1000):
        got, took, said = self.run(operation, environment)
        assert (got, words in said) == (result, True), f"{operation}: {got} {said}"
        assert took < within, f"{operation} took {took} ms"

    def holds_tokens(self):
        return b"token-of-the-test" in self.token.read_bytes()


@pytest.fixture
def tool(binary, tmp_path):
    return Tool(binary, tmp_path)


def without_bus(bus):
    environment = bus.environment()
    del environment["DBUS_SESSION_BUS_ADDRESS"]
    environment["XDG_RUNTIME_DIR"] = str(bus.home)
    return environment


def items(bus):
    """How many keys of ours the keyring holds."""
    reply = subprocess.run(["dbus-send", "--session", "--print-reply", f"--dest={SECRETS}", "/org/freedesktop/secrets",
                            "org.freedesktop.Secret.Service.SearchItems", "dict:string:string:application,outlookfs"],
                           env=bus.environment(), capture_output=True, text=True, timeout=20, check=True)
    return reply.stdout.count("object path")


def test_unlocked(bus, tool):
    bus.keyring(unlocked=True)
    environment = bus.environment()
    tool.check("create", environment, "ok", SEALED)
    assert not tool.holds_tokens() and tool.token.stat().st_mode & 0o7777 == 0o600
    tool.check("load", environment, "ok", SEALED)
    tool.check("create", environment, "ok", SEALED)  # the same key again
    assert items(bus) == 1
    tool.check("load", environment, "ok", SEALED)
    tool.check("forget", environment, "ok", "")
    assert items(bus) == 0 and not tool.token.exists()
    tool.check("load", environment, "absent", "")


def test_bus_by_runtime_directory(bus, tool):
    """Where only systemd's socket tells of the bus."""
    bus.keyring(unlocked=True)
    environment = bus.environment()
    del environment["DBUS_SESSION_BUS_ADDRESS"]
    tool.check("create", environment, "ok", SEALED)


@pytest.mark.parametrize("collection", ["none", "locked"])
def test_not_unlocked(bus, tool, collection):
    """No prompt, no waiting, nothing made; and the file that was sealed before says what to do."""
    if collection == "locked":
        keyring = bus.keyring(unlocked=True)
        tool.check("create", bus.environment(), "ok", SEALED)
        bus.end(keyring)
        wait_for(lambda: not bus.has(SECRETS), what="the keyring's end")
    bus.keyring(unlocked=False)
    watcher = bus.fake("prompter")
    if collection == "locked":
        tool.check("load", bus.environment(), "keyring", "the keyring is locked; unlock it and try again")
    tool.check("create", bus.environment(), "ok", PLAIN)
    assert tool.holds_tokens()
    tool.check("load", bus.environment(), "ok", PLAIN)
    tool.check("forget", bus.environment(), "ok", "")
    if collection == "locked":  # that a prompt would have been seen
        assert not select.select([watcher.stdout], [], [], 0)[0]
        bus.fake("unlock")
        assert watcher.stdout.readline() == "prompted\n"
    assert "prompted" not in bus.end(watcher)


def test_service_that_would_ask(bus, tool):
    service = bus.fake("prompting")
    tool.check("create", bus.environment(), "ok", PLAIN)
    assert bus.end(service) == "stored\n"


def test_no_service(bus, tool):
    tool.check("create", bus.environment(), "ok", PLAIN)


def test_no_bus(bus, tool):
    tool.check("create", without_bus(bus), "ok", PLAIN, within=500)


@pytest.mark.parametrize("address", ["autolaunch:", "unix:path=/nonexistent/bus", "tcp:host=127.0.0.1,port=9",
                                     "unix:path=/nonexistent/bus;autolaunch:", "disabled:", "nonsense"])
def test_useless_address(bus, tool, address):
    tool.check("create", bus.environment(DBUS_SESSION_BUS_ADDRESS=address), "ok", PLAIN, within=500)


def test_sealed_then_elsewhere(bus, tool):
    """A sealed login where its key is out of reach: each case has its own words."""
    bus.keyring(unlocked=True)
    tool.check("create", bus.environment(), "ok", SEALED)
    tool.check("load", without_bus(bus), "store", "there is no session bus")
    with SessionBus() as other:
        tool.check("load", other.environment(), "keyring", "no keyring runs in this session")
        other.keyring(unlocked=True)
        tool.check("load", other.environment(), "store", f"has no key for it; sign in again: outlookfs login {ACCOUNT}")
    tool.check("load", bus.environment(), "ok", SEALED)


def test_silent_service(bus, tool):
    bus.fake("silent")
    tool.check("create", bus.environment(), "ok", PLAIN, within=BOUND_MS + SLACK_MS)


@pytest.mark.parametrize("authenticates", [False, True])
def test_silent_bus(bus, tool, authenticates):
    """It accepts and says nothing; or lets us in, and never answers the first call."""
    path = str(bus.directory / "silent")
    connections, said_begin = [], threading.Event()
    answers = {b"AUTH": b"REJECTED EXTERNAL\r\n", b"AUTH EXTERNAL": b"OK 0123456789abcdef0123456789abcdef\r\n",
               b"NEGOTIATE_UNIX_FD": b"AGREE_UNIX_FD\r\n"}

    def serve(listener):
        connection, _ = listener.accept()
        connections.append(connection)
        for line in connection.makefile("rb"):
            words = b" ".join(line.strip(b"\0\r\n").split(b" ")[:2])
            if words == b"BEGIN":
                said_begin.set()
                return
            if authenticates:
                connection.sendall(answers[words])

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        server = threading.Thread(target=serve, args=(listener,), daemon=True)
        server.start()
        environment = bus.environment(DBUS_SESSION_BUS_ADDRESS=f"unix:path={path}")
        got, took, said = tool.run("create", environment, abandons=authenticates)
        assert (got, said) == ("ok", PLAIN)
        assert BOUND_MS - 1000 < took < BOUND_MS + SLACK_MS
        server.join(10)
        assert said_begin.is_set() == authenticates
        connections[0].close()


def test_bus_goes_away(bus, tool):
    """A process that has its key needs no bus any more, and does not end with it."""
    bus.keyring(unlocked=True)
    tool.check("create", bus.environment(), "ok", SEALED)
    process = tool.popen("hold", bus.environment())
    assert tool.parse(process.stdout.readline())[::2] == ("ok", SEALED)
    bus.end(bus.daemon)
    rest, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert tool.parse(rest)[::2] == ("ok", SEALED)


def in_background(mount):
    """Mounts as a person does, without -f: what the command printed. The process is a child's."""
    command = [word for word in mount.command() if word != "-f"]
    answer = subprocess.run(command, env=mount.home.env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                            timeout=30)
    assert answer.returncode == 0, answer.stderr
    return answer.stderr


def test_mounts_of_a_sealed_login(bus, login, mounts, home, load, signin):
    """In the background, and where the keyring is still locked, as when a desktop has just started: the mount comes up
    from its cache, and signs in once the keyring is unlocked."""
    home.env["DBUS_SESSION_BUS_ADDRESS"] = bus.address
    keyring = bus.keyring(unlocked=True)
    load(sample.few(3))
    assert SEALED in login.by_device() and b"refresh_token" not in login.token_file.read_bytes()
    mount = mounts()
    assert in_background(mount) == ""
    assert SEALED in mount.outlookfs("status", str(mount.path)).stdout
    path = mount.path_of("Inbox", 1)
    assert mount.outlookfs("umount", str(mount.path)).returncode == 0
    bus.end(keyring)
    wait_for(lambda: not bus.has(SECRETS), what="the keyring's end")
    keyring = bus.keyring(unlocked=False)
    warning = in_background(mount)
    assert "the keyring is locked; unlock it" in warning and len(warning.splitlines()) == 1
    assert mount.error_of(path)[0] == errno.EACCES
    assert "the keyring is locked" in mount.outlookfs("status", str(mount.path)).stdout
    bus.end(keyring)
    wait_for(lambda: not bus.has(SECRETS), what="the keyring's end")
    bus.keyring(unlocked=True)
    wait_for(lambda: mount.error_of(path)[0] == 0, 30, what="the mount's recovery")
    assert mount.outlookfs("umount", str(mount.path)).returncode == 0
    assert signin.visits.count("token", "refresh_token") == 0
