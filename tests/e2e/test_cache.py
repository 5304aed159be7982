"""The cache: offline use, damage, size, and being taken away while nobody looks."""
import errno
import json
import os
import pathlib
import shutil
import subprocess

import pytest

from .support import mailboxes, sample
from .support.mount import Mount, join_options, wait_for
from .support.servers import connect
from .test_faults import everything_right, in_time


@pytest.fixture
def filled(load, truth):
    load(sample.folders())
    return truth()


def database(home, name="index.db"):
    (path,) = pathlib.Path(home.cache).rglob(name)
    return path


def test_offline(filled, outlook, outlook_options, mounted):
    """A filled cache and no server: mount succeeds with a warning, what is cached reads."""
    with mounted(outlook_options, timeout=3) as mount:
        files = mount.files()
        read = [path for (box, _), path in files.items() if box == "Inbox"]
        mount.reader("read", *read)
        listing = mount.run("ls", "-lRi", cwd=mount.path).stdout
    outlook.down()
    with mounted(outlook_options, timeout=3) as mount:
        assert mount.run("ls", "-lRi", cwd=mount.path).stdout == listing
        assert mount.files() == files
        for path in read:
            in_time(mount.error_of(path), 0, bound=2)
        in_time(mount.error_of(files["Archive", 1]), errno.ENETUNREACH)
        assert mount.run("grep", "needle", *read, cwd=mount.path).returncode == 0
        assert "warn" in mount.log().lower()
        outlook.up()
        wait_for(lambda: mount.error_of(files["Archive", 1])[0] == 0, 20, "the server being back")
        everything_right(mount, filled)


def test_no_token_to_be_had(filled, outlook_options, mounted, home):
    """The token's command fails, as it does without a network: the cache is served, and status says why."""
    with mounted(outlook_options) as mount:
        files = mount.files()
    with mounted({**outlook_options, "token_command": "exit 7"}) as mount:
        assert mount.files() == files
        status = json.loads(mount.outlookfs("status", mount.path, "--json").stdout)
        assert status["state"] == "offline" and "exit status 7" in status["problem"]
        in_time(mount.error_of(files["Archive", 1]), errno.EACCES)


def test_throttled_while_mounting(filled, outlook, outlook_options, mounted):
    with mounted(outlook_options) as mount:
        files = mount.files()
    outlook.set(throttle="NO:120000@AUTHENTICATE")
    with mounted(outlook_options) as mount:
        assert mount.files() == files


def test_no_server_and_no_cache(outlook, outlook_options, binary, home):
    outlook.down()
    answer = subprocess.run([binary, "mount", "test", home.mountpoint, "-f", "-o",
                             join_options({**outlook_options, "cache_dir": home.cache})], env=home.env,
                            capture_output=True, text=True, timeout=20)
    assert answer.returncode == 4 and len([li for li in answer.stderr.splitlines() if li.startswith("outlookfs:")]) == 1


@pytest.mark.parametrize("name", ["index.db", "bodies.db"])
@pytest.mark.parametrize("damage", ["text", "empty", "half", "middle", "gone", "old"])
def test_damage(filled, options, mounted, home, name, damage):
    """A damaged file is set aside with a word in the log, and all is right again."""
    with mounted(options) as mount:
        everything_right(mount, filled)
    path = database(home, name)
    data = path.read_bytes()
    for extra in path.parent.glob(name + "-*"):
        extra.unlink()
    if damage == "text":
        path.write_bytes(b"this is no database\n" * 500)
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "half":
        path.write_bytes(data[:len(data) // 2])
    elif damage == "middle":
        path.write_bytes(data[:4096] + bytes(len(data) - 4096))
    elif damage == "old":
        path.write_bytes(data[:60] + b"\x7f\xff\xff\xff" + data[64:])
    else:
        path.unlink()
    with mounted(options) as mount:
        everything_right(mount, filled)
        everything_right(mount, filled)


def test_taken_away_while_unmounted(filled, options, mounted, home):
    with mounted(options) as mount:
        everything_right(mount, filled)
        inode = mount.reader("stat", "Inbox")["Inbox"]["kind"]
    shutil.rmtree(home.cache)
    with mounted(options) as mount:
        everything_right(mount, filled)
        assert mount.reader("stat", "Inbox")["Inbox"]["kind"] == inode


def test_a_small_cache(load, truth, options, mounted, home):
    """Bodies come and go; each reads right however often, and the disk use stays near the limit."""
    load(sample.few(30, size=100_000))
    held = truth()
    with mounted(options, cache_size="1M") as mount:
        for _ in range(3):
            everything_right(mount, held)
        used = sum(p.stat().st_blocks * 512 for p in pathlib.Path(home.cache).rglob("bodies.db*"))
        assert used < 8 << 20, used


def test_an_open_file_outlives_its_eviction(load, truth, options, mounted):
    load(sample.few(30, size=100_000))
    held = truth()
    with mounted(options, cache_size="512K") as mount:
        first = mount.files()["Inbox", 1]
        script = ("import hashlib, os, sys, glob\n"
                  "f = open(sys.argv[1], 'rb')\n"
                  "for p in glob.glob('Inbox/*.eml'): open(p, 'rb').read()\n"
                  "print(hashlib.sha256(f.read()).hexdigest())\n")
        answer = mount.run("/usr/bin/python3", "-c", script, first, cwd=mount.path)
        assert answer.stdout.decode().strip() == held["Inbox"][1].sha256, answer.stderr


def test_second_reading_costs_no_fetch(filled, outlook, outlook_options, mounted):
    with mounted(outlook_options) as mount:
        everything_right(mount, filled)
        outlook.transcript.clear()
        everything_right(mount, filled)
        assert not [li for li in outlook.transcript.lines("FETCH") if "[]" in li]
    outlook.transcript.clear()
    with mounted(outlook_options) as mount:
        everything_right(mount, filled)
    assert not [li for li in outlook.transcript.lines("FETCH") if "[]" in li]


def test_another_host_sets_the_cache_aside(load, filled, dovecot_options, mounted, home, dovecot):
    """The cache belongs to a user and a host: another account's mail is never shown."""
    with mounted(dovecot_options) as mount:
        everything_right(mount, filled)
    other = f"other-{os.getpid()}@example.org"
    client = connect(dovecot, other)
    mailboxes.load(client, sample.few(2, "Archive"))
    held = mailboxes.truth(client)
    with mounted(dovecot_options, username=other) as mount:
        everything_right(mount, held)
        assert len(mount.files()) == sum(len(u) for u in held.values())


def test_new_mail_after_a_remount(load, truth, filled, options, mounted):
    with mounted(options) as mount:
        everything_right(mount, filled)
    load(sample.few(3, "Archive") + sample.few(2, "Brand/New"))
    held = truth()
    with mounted(options) as mount:
        everything_right(mount, held)


def test_killed_and_mounted_again(filled, options, mounted, binary, home):
    """SIGKILL of the daemon leaves a cache that the next mount takes, and no stale mount in its way."""
    mount = Mount(binary, home, "test", {**options}).start()
    everything_right(mount, filled)
    files = mount.files()
    mount.process.kill()
    mount.process.wait(10)
    mount.process = None
    with mounted(options) as mount:
        assert mount.files() == files
        everything_right(mount, filled)
