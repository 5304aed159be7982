"""What changing costs: 1,000 messages (5 MB) over a link of 50 ms, Dovecot with sdbox. Bounds are threefold those of
CONTRACT.md where they are times, since other tests run beside; figures are printed (pytest -rP)."""
import pathlib
import socket
import statistics
import sys
import threading
import time

import pytest

from tests.bench.link import Link

from .support import sample
from .support.desk import Desk, census
from .support.dovecot import Dovecot
from .support.mount import Home, Mount
from .support.servers import connect

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
RTT, COUNT, SLACK = 50, 1000, 3
ROUND = RTT / 1000


@pytest.fixture(scope="module")
def server():
    with Dovecot() as dovecot:
        yield dovecot


class Wire:
    """A link to the server, a mount behind it, the account past it."""

    def __init__(self, binary, dovecot, user, **options):
        from .support import mailboxes
        program = pathlib.Path(binary).parents[1] / "tests/bench/bench_link"
        if not program.exists():
            pytest.skip(f"{program} is not built")
        self.program, self.client = program, connect(dovecot, user)
        # 5 kB each
        mailboxes.load(self.client, [(box, when, flags, sample.message(n, size=5000)) for n, (box, when, flags, _)
                                     in enumerate(sample.few(COUNT), 1)])
        self.link = Link(program, f"{dovecot.host}:{dovecot.tls_port}", RTT, 0)
        self.home = Home()
        self.mount = Mount(binary, self.home, "test", {
            "host": "localhost", "port": self.link.port, "cafile": dovecot.ca, "username": user, "auth": "password",
            "password_command": self.home.secret("password", dovecot.password), **options})

    def __enter__(self):
        self.mount.start()
        self.d = Desk(self.mount, None, self.client, self.home.top)
        self.d.do("ls Inbox Archive Trash > /dev/null", seconds=120)
        return self

    def __exit__(self, *_):
        try:
            self.mount.stop(check=False)
        finally:
            self.mount.kill()
            self.home.close()
            self.report = self.link.stop()
            self.client.logout()

    def timed(self, script, *arguments):
        begin = time.monotonic()
        self.d.do(script, *arguments, seconds=400)
        return time.monotonic() - begin


@pytest.fixture
def wire(binary, server):
    return lambda name, **options: Wire(binary, server, f"{name}-{time.monotonic_ns()}", **options)


def report(name, value, unit, bound):
    print(f"figure: {name}: {value:.3f} {unit} (at most {bound:g})", file=sys.stderr)


def test_bytes_of_a_copy(wire):
    """cp of all between two mailboxes: under 300 kB up."""
    with wire("bytes", commit="journal") as w:
        seconds = w.timed("cp Inbox/*.eml Archive/; \"$1\" sync .", w.mount.binary)
        assert len(census(w.client)["Archive"]) == COUNT
    up = w.report["up"]
    report("cp of 1,000 between mailboxes, up", up / 1000, "kB", 300)
    report("cp of 1,000 between mailboxes whose bodies are not here", seconds, "s", 10)
    assert up < 300_000


@pytest.mark.parametrize("what", ["cp", "mv", "rm"])
def test_a_file_at_a_time(wire, what):
    """commit=server: one round trip and 10 ms a file, whose body is in the cache (cp opens it)."""
    with wire("single") as w:
        w.d.do("cat Inbox/*.eml > /dev/null", seconds=400)
        files = sorted(w.mount.run("ls", "Inbox", cwd=w.mount.path).stdout.decode().split())[:60]
        script = {"cp": 'for f; do cp "Inbox/$f" Archive/; done', "mv": 'for f; do mv "Inbox/$f" Archive/; done',
                  "rm": 'for f; do rm "Inbox/$f"; done'}[what]
        spawning = w.timed('for f; do cp "$LOCAL/password" "$LOCAL/x"; done', *files) / len(files)
        each = w.timed(script, *files) / len(files)
    report(f"{what}, commit=server, a file", each * 1000, "ms", (ROUND + 0.010) * 1000)
    report("the program's own start", spawning * 1000, "ms", 0)
    assert each - spawning < ROUND + 0.010 * SLACK


@pytest.mark.parametrize("what", ["cp", "mv"])
def test_a_thousand_in_the_background(wire, what):
    """commit=journal: under 10 s, sync included; the bodies are in the cache."""
    with wire("many", commit="journal") as w:
        w.d.do("cat Inbox/*.eml > /dev/null", seconds=400)
        seconds = w.timed(f'{what} Inbox/*.eml Archive/; "$1" sync .', w.mount.binary)
        assert len(census(w.client)["Archive"]) == COUNT
    report(f"{what} of 1,000, commit=journal with sync", seconds, "s", 10)
    assert seconds < 10 * SLACK


def test_a_thousand_from_a_maildir(wire, server, binary, tmp_path):
    """Beside a bare client that pipelines the same APPENDs: 1.2 times its time is wanted. That is no promise of
    CONTRACT.md, so the ratio is told, and what is asserted is that all of them arrived."""
    folder = tmp_path / "cur"
    folder.mkdir()
    for n in range(COUNT):
        (folder / f"{n}.eml").write_bytes(sample.message(n, size=5000))
    ours, bare = [], []
    for _ in range(3):
        with wire("maildir", commit="journal") as w:
            ours.append(w.timed('cp "$1"/*.eml Archive/; "$2" sync .', folder, w.mount.binary))
            assert len(census(w.client)["Archive"]) == COUNT
            bare.append(bare_appends(w, server, folder))
    report("cp of 1,000 from a Maildir / bare client", statistics.median(a / b for a, b in zip(ours, bare)), "x", 1.2)
    report("cp of 1,000 from a Maildir", statistics.median(ours), "s", statistics.median(bare) * 1.2)


def bare_appends(wire, dovecot, folder):
    """Seconds of one connection over such a link that sends them one after the other and does not wait (LITERAL+)."""
    user, files = f"bare-{time.monotonic_ns()}", sorted(folder.iterdir())
    with Link(wire.program, f"{dovecot.host}:{dovecot.port}", RTT, 0) as link:
        begin = time.monotonic()
        with socket.create_connection(("127.0.0.1", link.port)) as sock:
            answers = sock.makefile("rb")
            answers.readline()
            sock.sendall(f"L LOGIN {user} {dovecot.password}\r\n".encode())
            while not answers.readline().startswith(b"L OK"):
                pass

            def drain():
                for line in answers:
                    if line.startswith(b"A%d " % (len(files) - 1)):
                        return
            reader = threading.Thread(target=drain)
            reader.start()
            for n, path in enumerate(files):
                data = path.read_bytes()
                sock.sendall(b"A%d APPEND Archive {%d+}\r\n%s\r\n" % (n, len(data), data))
            reader.join(300)
        return time.monotonic() - begin
