"""`outlookfs status` while mounted, and what the mount looks like to the system."""
import json
import os
import pathlib
import signal

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
    import subprocess
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


def test_mount_table(load, mounted, options):
    with mounted(options) as mount:
        line = next(li for li in open("/proc/self/mountinfo") if li.split()[4] == str(mount.path))
        flags = set(line.split()[5].split(","))
        assert {"nosuid", "nodev", "noexec", "ro"} <= flags, line
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
