"""`outlookfs status` while mounted, and what the mount looks like to the system."""
import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

import pytest

from .support import sample
from .support.mount import wait_for


def test_status_text(load, mounted, options):
    load(sample.folders())
    with mounted(options) as mount:
        mount.files()
        answer = mount.outlookfs("status", str(mount.path))
        assert answer.returncode == 0, answer.stderr
        assert str(mount.path) in answer.stdout or "test" in answer.stdout
        assert "\x1b" not in answer.stdout
        bare = mount.outlookfs("status")
        assert bare.returncode == 0 and bare.stdout
        hidden = mount.run("cat", ".status", cwd=mount.path)
        assert hidden.returncode == 0 and hidden.stdout
        assert b".status" not in mount.run("ls", "-a", cwd=mount.path).stdout


def test_status_json(load, mounted, options, home):
    load(sample.few(3))
    with mounted(options) as mount:
        answer = mount.outlookfs("status", str(mount.path), "--json")
        assert answer.returncode == 0, answer.stderr
        assert isinstance(json.loads(answer.stdout), dict)
        for secret in pathlib.Path(home.top).glob("token"):
            assert secret.read_text().strip() not in answer.stdout


def test_status_of_nothing(binary, mounted, options, home):
    answer = subprocess.run([binary, "status", str(home.mountpoint)], env=home.env, capture_output=True, text=True,
                            timeout=20)
    assert answer.returncode == 1 and len(answer.stderr.splitlines()) == 1


def test_status_works_when_the_network_is_silent(load, mounted, outlook, outlook_options):
    load(sample.few(3))
    with mounted(outlook_options, timeout=3) as mount:
        path = mount.files()["Inbox", 1]
        outlook.set(silence="0@BODY")
        outlook.transcript.clear()
        waiting = mount.spawn("cat", path)
        wait_for(lambda: outlook.transcript.entries("FETCH"), what="the fetch")
        assert mount.outlookfs("status", str(mount.path), seconds=2).returncode == 0
        assert mount.outlookfs("status", str(mount.path), "--json", seconds=2).returncode == 0
        assert waiting.poll() is None
        waiting.send_signal(signal.SIGINT)
        waiting.wait(2)
        outlook.reset()


def state(mount):
    answer = mount.outlookfs("status", str(mount.path), "--json")
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def text(mount):
    return mount.outlookfs("status", str(mount.path)).stdout


def hidden(mount):
    return mount.run("cat", ".status", cwd=mount.path).stdout.decode()


@contextlib.contextmanager
def waiting(mount, *command):
    """A program that waits for the mount, until the end of the block."""
    process = mount.spawn(*command)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)


def test_listing_under_way(load, mounted, outlook, outlook_options):
    """A first listing on a link of a byte a millisecond: how far it is, of how many."""
    load(sample.few(40, "INBOX/Projects"))
    with mounted(outlook_options, timeout=60) as mount:
        outlook.set(dribble="1@LISTING")
        with waiting(mount, "ls", "Inbox/Projects") as process:
            def landed(least):
                found = state(mount)["listings"]
                return found and found[0]["landed"] >= least and found[0]
            first = wait_for(lambda: landed(1), 20, "the first messages")
            assert first["mailbox"] == "Inbox/Projects" and first["first"] is True and first["total"] == 40
            more = wait_for(lambda: landed(first["landed"] + 1), 20, "more messages")
            assert first["landed"] < more["landed"] <= 40 and more["total"] == 40
            line = re.compile(r"^listing:    Inbox/Projects, (\d+) of 40 \((\d+) %\)$", re.M)
            for shown in (text(mount), hidden(mount)):
                found = line.search(shown)
                assert found and int(found[2]) == int(found[1]) * 100 // 40, shown
            now = state(mount)
            assert [c["doing"] for c in now["connections"] if c.get("mailbox") == "Inbox/Projects"] == ["listing"]
            assert now["waiters"] == 1 and "1 program waiting" in text(mount)
            outlook.reset()
            out, _ = process.communicate(timeout=30)
            assert process.returncode == 0 and len(out.splitlines()) == 40
        now = state(mount)
        assert now["listings"] == [] and now["messages"] >= 40
        assert "listing:" not in text(mount)


def test_download_under_way(load, mounted, outlook, outlook_options):
    load(sample.few(1, size=3_000_000))
    with mounted(outlook_options, timeout=60) as mount:
        path = mount.files()["Inbox", 1]
        outlook.set(dribble="0@BODY")
        with waiting(mount, "cat", path):
            found = wait_for(lambda: (d := state(mount)["downloads"])["bytes"] > 0 and d, 20, "bytes")
            assert found["messages"] == 1 and found["bytes"] < found["bytes_expected"]
            assert abs(found["bytes_expected"] - 3_000_000) < 1000
            assert re.search(r"^fetching:   1 message, \d+\.\d of 3\.0 MB", text(mount), re.M)
            outlook.reset()


@pytest.mark.parametrize("form", ["NO", "BAD+BYE"])
def test_back_off_says_until_when(load, mounted, outlook, outlook_options, form):
    load(sample.few(3))
    with mounted(outlook_options, timeout=3) as mount:
        path = mount.files()["Inbox", 1]
        outlook.set(throttle=f"{form}:70000@BODY*1")
        mount.run("cat", path, cwd=mount.path)
        now, at = state(mount), time.time()
        assert now["state"] == "waiting" and now["waiting"]["for"] == "back-off"
        assert 60 <= now["waiting"]["seconds"] <= 70 and 60 <= now["waiting"]["until"] - at <= 71
        assert now["wait_seconds"] == now["waiting"]["seconds"]
        clocks = "|".join(time.strftime("%H:%M:%S", time.localtime(now["waiting"]["until"] + n)) for n in (-1, 0, 1))
        line = re.compile(rf"^waiting:    the server asked to wait, until .*({clocks}) \(\d\d s more\)$", re.M)
        for shown in (text(mount), hidden(mount)):
            assert line.search(shown), shown


def test_offline_says_what_it_waits_for(load, mounted, outlook, outlook_options):
    load(sample.few(3))
    with mounted(outlook_options, timeout=3) as mount:
        path = mount.files()["Inbox", 1]
        outlook.down()
        assert mount.error_of(path)[0] != 0
        now = state(mount)
        assert now["state"] == "offline" and now["problem"]
        assert now["waiting"]["for"] in ("reconnect", "connect")
        assert "state:      offline (" in text(mount) and "\nwaiting:    " in text(mount)
        outlook.up()
        wait_for(lambda: mount.error_of(path)[0] == 0, 20, "the way back")
        assert state(mount)["waiting"] is None and "waiting:" not in text(mount)


def test_silence_says_who_waits(load, mounted, outlook, outlook_options):
    load(sample.few(3))
    with mounted(outlook_options, timeout=60) as mount:
        path = mount.files()["Inbox", 1]
        outlook.set(silence="0@BODY")
        with waiting(mount, "cat", path):
            now = wait_for(lambda: (s := state(mount))["waiting"] and s, 20, "the silence")
            assert now["waiting"]["for"] == "answer" and now["waiters"] == 1
            assert 1 <= now["waiting"]["waited_seconds"] <= now["longest_wait_seconds"] + 1
            assert 30 <= now["waiting"]["until"] - time.time() <= 61
        outlook.reset()
        outlook.drop()


def test_status_file_is_what_status_prints(load, mounted, options):
    load(sample.folders())
    with mounted(options) as mount:
        mount.reader("read")
        wait_for(lambda: text(mount) == hidden(mount), what="the same text")
        assert "outbox:     empty\n" in hidden(mount) and "sign-in:    command, " in hidden(mount)


def test_members_are_in_the_manual(load, mounted, outlook, outlook_options):
    """Scripts rely on them: whatever JSON has is named in outlookfs(1)."""
    manual = (pathlib.Path(__file__).parents[2] / "docs/outlookfs.1").read_text()
    load(sample.few(3))
    with mounted(outlook_options, timeout=3) as mount:
        path = mount.files()["Inbox", 1]
        outlook.set(throttle="NO:60000@BODY*1")
        mount.run("cat", path, cwd=mount.path)
        now = state(mount)
        names = set(now) | set(now["waiting"]) | set(now["sign_in"]) | set(now["downloads"])
        names |= {name for connection in now["connections"] for name in connection}
        names |= {"listings", "first", "landed", "total", "problem"}
        missing = [name for name in names if not re.search(rf"^\.It Li (.* , )?{name}( ,|$)", manual, re.M)]
        assert not missing, missing
        assert now["outbox"] == 0 and now["sign_in"] == {"source": "command", "expires": None, "kept": "memory"}


def test_idle_control_clients_keep_nobody_out(load, mounted, options, home):
    load(sample.few(1))
    with mounted(options) as mount, contextlib.ExitStack() as clients:
        path, = (home.top / "runtime_dir" / "outlookfs").glob("*.sock")
        for _ in range(120):
            client = clients.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(str(path))
        for _ in range(10):
            answer = mount.outlookfs("status", str(mount.path), seconds=5)
            assert answer.returncode == 0 and "account:    test" in answer.stdout, answer.stderr


def test_mount_table(load, mounted, options):
    with mounted(options) as mount:
        line = next(li for li in open("/proc/self/mountinfo") if li.split()[4] == str(mount.path))
        flags = set(line.split()[5].split(","))
        assert {"nosuid", "nodev", "noexec", "rw"} <= flags, line
        assert "fuse" in line.split(" - ")[1].split()[0]


def test_statfs(load, mounted, options):
    with mounted(options) as mount:
        for arguments in (("df", "."), ("df", "-i", "."), ("df", "-h", "."), ("stat", "-f", ".")):
            answer = mount.run(*arguments, cwd=mount.path)
            assert answer.returncode == 0 and answer.stdout, arguments
        figures = mount.run("df", "-B1", "--output=size,avail", ".", cwd=mount.path).stdout.split()
        assert int(figures[-2]) > 0 and 0 <= int(figures[-1]) <= int(figures[-2])


def test_log_holds_no_secret(load, mounted, outlook, outlook_options, token):
    load(sample.few(3))
    with mounted(outlook_options, debug=True) as mount:
        mount.reader("read")
        outlook.tokens.expire()
        mount.run("cat", mount.files()["Inbox", 1])
        text = mount.log()
    assert token[:40] not in text and "needle" not in text


def test_private_files(load, mounted, options, home):
    load(sample.few(2))
    with mounted(options) as mount:
        mount.reader("read")
        for top in (home.cache, home.top / "state_home", home.top / "runtime_dir"):
            for folder, directories, files in os.walk(top):
                for name in files:
                    mode = os.lstat(os.path.join(folder, name)).st_mode & 0o777
                    assert mode == 0o600, (name, oct(mode))
                for name in directories:
                    mode = os.lstat(os.path.join(folder, name)).st_mode & 0o777
                    assert mode == 0o700, (name, oct(mode))
