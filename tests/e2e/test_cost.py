"""What a mailbox of any size costs the daemon: processor time a message, and memory that its size does not change."""
import os

import pytest

from tests.bench import endless

pytestmark = pytest.mark.long
SECONDS = 5  # for 100,000 messages, parsed, named and inserted
MEMORY = 64 << 20


def listed(binary_mount, count):
    """(seconds of processor time, bytes of memory) once so many are listed."""
    with endless.Process(count) as server:
        with binary_mount({"host": "127.0.0.1", "port": server.port, "tls": "none", "auth": "password"}) as mount:
            found = mount.run("sh", "-c", "ls -1U Inbox | wc -l", seconds=900)
            assert int(found.stdout) == count, found.stderr
            fields = open(f"/proc/{mount.process.pid}/stat").read().rpartition(")")[2].split()
            return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK"), mount.memory()


@pytest.fixture
def endless_mount(mounted, home):
    return lambda options: mounted({**options, "username": "endless", "timeout": 30,
                                    "password_command": home.secret("password", "x")})


def test_processor_time_a_message(endless_mount):
    seconds, _ = listed(endless_mount, 100_000)
    assert seconds < SECONDS


@pytest.mark.timeout(1200)
def test_memory_is_flat(endless_mount, home):
    _, few = listed(endless_mount, 10_000)
    (home.top / "cache").rename(home.top / "few")
    _, many = listed(endless_mount, 1_000_000)
    assert many < MEMORY and many < 1.5 * few, f"{few} bytes with 10,000, {many} with 1,000,000"
