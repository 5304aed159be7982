"""What goes wrong at mount time: one line that says what to do, the contract's exit code, within 10 s."""
import errno
import os
import socket
import subprocess
import time

import pytest

from tests.outlook import Outlook

from .support import sample
from .support.mount import Mount, is_mounted, join_options

DONE, OTHER, USAGE, SIGN_IN, UNREACHABLE, REFUSED = range(6)
BOUND = 10


def attempt(binary, home, options, foreground=True, account="test", directory=None):
    """A mount that must fail: (exit code, stderr lines)."""
    options = {"cache_dir": home.cache, **options}
    command = [str(binary), "mount", account, str(directory or home.mountpoint), *(["-f"] if foreground else []), "-o",
               join_options(options)]
    begin = time.monotonic()
    try:
        answer = subprocess.run(command, env=home.env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                timeout=30)
    finally:
        if is_mounted(home.mountpoint):
            subprocess.run(["fusermount3", "-uz", str(home.mountpoint)], timeout=10)
    assert time.monotonic() - begin < BOUND, f"{time.monotonic() - begin:.1f} s: {answer.stderr}"
    assert not is_mounted(home.mountpoint)
    return answer.returncode, [line for line in answer.stderr.splitlines() if line]


@pytest.fixture(params=["foreground", "background"])
def refused(request, binary, home):
    def run(options, code, *words, **more):
        got, lines = attempt(binary, home, options, request.param == "foreground", **more)
        messages = [line for line in lines if line.startswith("outlookfs: ")]
        assert got == code, (got, lines)
        assert len(messages) == 1 and (request.param == "foreground" or len(lines) == 1), lines
        for word in words:
            assert word.lower() in messages[0].lower(), messages[0]
    return run


def test_wrong_password(refused, dovecot_options, home):
    refused({**dovecot_options, "password_command": home.secret("wrong", "wrong")}, SIGN_IN)


def test_wrong_token(refused, outlook_options, home):
    refused({**outlook_options, "token_command": home.secret("wrong", "wrong")}, SIGN_IN)


def test_wrong_token_with_a_challenge(refused, outlook, outlook_options, home):
    outlook.set(json_challenge="on")
    refused({**outlook_options, "token_command": home.secret("wrong", "wrong")}, SIGN_IN)


def test_expired_token(refused, outlook, outlook_options):
    outlook.tokens.expire()
    refused(outlook_options, SIGN_IN)


def test_basic_authentication_is_disabled(refused, outlook, dovecot_options):
    refused({**dovecot_options, "port": outlook.port}, SIGN_IN, "oauth")


def test_basic_disabled_though_offered(refused, outlook, dovecot_options):
    outlook.set(caps="old")
    refused({**dovecot_options, "port": outlook.port}, SIGN_IN, "oauth")


@pytest.mark.parametrize("cause", ["imap off", "other user"])
def test_authenticated_but_not_connected(refused, outlook, outlook_options, user, home, cause):
    options = dict(outlook_options)
    if cause == "imap off":
        outlook.set(auth_ok_not_connected="on")
    else:
        outlook.tokens.add("other", "somebody-else@example.org")
        options["token_command"] = home.secret("other", "other")
    refused(options, REFUSED, "imap")


def test_unknown_host(refused, outlook_options):
    refused({**outlook_options, "host": "nonexistent.invalid"}, UNREACHABLE, "nonexistent.invalid")


def test_closed_port(refused, outlook_options):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        refused({**outlook_options, "port": probe.getsockname()[1]}, UNREACHABLE)


def test_a_server_that_says_nothing(refused, outlook_options):
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen(50)
        refused({**outlook_options, "port": mute.getsockname()[1], "timeout": 2}, UNREACHABLE)


def test_a_greeting_that_never_comes(refused, outlook, outlook_options):
    outlook.set(silence="0")
    refused({**outlook_options, "timeout": 2}, UNREACHABLE)


def test_not_an_imap_server(refused, outlook_options, home):
    import threading
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen(50)

        def serve():
            while True:
                try:
                    client, _ = other.accept()
                except OSError:
                    return
                client.sendall(b"SSH-2.0-Other\r\n")
                client.close()

        threading.Thread(target=serve, daemon=True).start()
        refused({**outlook_options, "port": other.getsockname()[1], "timeout": 2}, UNREACHABLE)
        other.shutdown(socket.SHUT_RDWR)


def tls_service(dovecot, pair):
    return Outlook((dovecot.host, dovecot.port), *pair, backend_password=dovecot.password)


def test_untrusted_certificate(refused, dovecot, outlook_options):
    with tls_service(dovecot, dovecot.certificates.untrusted()) as service:
        refused({**outlook_options, "port": service.port}, UNREACHABLE, "certificate")


def test_no_cafile(refused, outlook_options):
    refused({**outlook_options, "cafile": None}, UNREACHABLE, "certificate")


def test_wrong_host_name(refused, dovecot, outlook_options):
    with tls_service(dovecot, dovecot.certificates.wrong_name()) as service:
        refused({**outlook_options, "port": service.port}, UNREACHABLE, "localhost")


def test_tls_none_beyond_loopback(binary, home, outlook_options):
    """Nothing may leave in the clear: no connection is tried at all."""
    code, lines = attempt(binary, home, {**outlook_options, "tls": "none", "host": "192.0.2.1"})
    assert code in (USAGE, UNREACHABLE) and len(lines) == 1 and "loopback" in lines[0], (code, lines)


@pytest.mark.parametrize("options", [
    {"nosuch": "1"}, {"port": "99999"}, {"port": "x"}, {"tls": "maybe"}, {"auth": "magic"}, {"timeout": "0"},
    {"timeout": "-5"}, {"names": "long"}, {"cache_size": "lots"}, {"connections": "0"}])
def test_bad_options(binary, home, options):
    code, lines = attempt(binary, home, {"host": "localhost", **options})
    assert code == USAGE and len(lines) == 1, (code, lines)


def test_no_secret_at_all(binary, home):
    code, lines = attempt(binary, home, {"host": "localhost"})
    assert code == SIGN_IN and len(lines) == 1 and "token_command" in lines[0], (code, lines)


@pytest.mark.parametrize("command", ["exit 3", "true", "no-such-command-here", "echo"])
def test_token_command_that_fails(refused, outlook_options, command):
    refused({**outlook_options, "token_command": command}, SIGN_IN, "command")


def test_cafile_that_is_not_there(binary, home, outlook_options):
    code, lines = attempt(binary, home, {**outlook_options, "cafile": "/nonexistent/ca.pem"})
    assert code in (OTHER, USAGE, UNREACHABLE) and len(lines) == 1 and "cafile" in lines[0], (code, lines)


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_mountpoint(binary, home, outlook_options, kind):
    place = home.top / "place"
    if kind == "file":
        place.write_text("")
    code, lines = attempt(binary, home, outlook_options, directory=place)
    assert code == OTHER and len(lines) == 1 and str(place) in lines[0], (code, lines)


def test_usage(binary, home):
    for arguments, code in ((["mount"], USAGE), (["mount", "a"], USAGE), (["nosuch"], USAGE), ([], USAGE),
                            (["mount", "../x", str(home.mountpoint)], USAGE), (["--help"], DONE), (["--version"], DONE),
                            (["mount", "--help"], DONE), (["umount", "--help"], DONE), (["status", "--help"], DONE),
                            (["umount", str(home.mountpoint)], OTHER), (["umount"], USAGE)):
        answer = subprocess.run([binary, *arguments], env=home.env, capture_output=True, text=True, timeout=20)
        assert answer.returncode == code, (arguments, answer)
        if code == DONE:
            assert answer.stdout and not answer.stderr, arguments
        else:
            assert len(answer.stderr.splitlines()) == 1 and not answer.stdout, (arguments, answer)


def test_second_mount_of_one_cache(binary, home, mounted, options):
    other = home.top / "second"
    other.mkdir()
    with mounted(options) as mount:
        code, lines = attempt(binary, home_of(home, other), options, directory=other)
        assert code == OTHER and len(lines) == 1, (code, lines)
        assert mount.run("ls", cwd=mount.path).returncode == 0


def home_of(home, mountpoint):
    """The same home with another mountpoint."""
    import copy
    other = copy.copy(home)
    other.mountpoint = mountpoint
    return other


def test_a_mount_on_a_mount(binary, home, mounted, options):
    with mounted(options) as mount:
        command = [str(binary), "mount", "test", str(mount.path), "-f", "-o",
                   join_options({**options, "cache_dir": home.top / "cache2"})]
        answer = subprocess.run(command, env=home.env, capture_output=True, text=True, timeout=20)
        assert answer.returncode == OTHER and len(answer.stderr.splitlines()) == 1, answer
        assert mount.run("ls", cwd=mount.path).returncode == 0


def test_a_directory_that_is_not_empty(load, mounted, options, home):
    (home.mountpoint / "something").write_text("below")
    load(sample.few(1))
    with mounted(options) as mount:
        assert b"something" not in mount.run("ls", cwd=mount.path).stdout
    assert (home.mountpoint / "something").read_text() == "below"


CHANGES = {
    "create": "os.open('Inbox/new.eml', os.O_CREAT | os.O_WRONLY)", "write": "os.open(path, os.O_WRONLY)",
    "append": "os.open(path, os.O_WRONLY | os.O_APPEND)", "truncate": "os.truncate(path, 0)", "rm": "os.unlink(path)",
    "mkdir": "os.mkdir('Inbox/x')", "rmdir": "os.rmdir('Archive')", "mv": "os.rename(path, 'Inbox/other.eml')",
    "mv to a mailbox": "os.rename(path, 'Archive/other.eml')", "ln": "os.link(path, 'Archive/x.eml')",
    "symlink": "os.symlink('x', 'Inbox/l')", "chmod": "os.chmod(path, 0o644)", "chown": "os.chown(path, 0, 0)",
    "utime": "os.utime(path, (1, 1))", "setxattr": "os.setxattr(path, 'user.imap.flags', b'+\\\\Seen')",
    "removexattr": "os.removexattr(path, 'user.imap.flags')", "mknod": "os.mknod('Inbox/x')",
    "mkdir at the root": "os.mkdir('New')", "create at the root": "os.open('x', os.O_CREAT | os.O_WRONLY)"}


# what the watch and the poll send, on one more connection where they like
LOOKS = {"CAPABILITY", "AUTHENTICATE", "ID", "NAMESPACE", "EXAMINE", "IDLE", "NOOP", "STATUS", "LIST", "LSUB", "UID FETCH"}


def test_read_only(load, mounted, outlook, outlook_options):
    load(sample.few(2))
    with mounted(outlook_options, ro=True) as mount:
        path = mount.files()["Inbox", 1]
        outlook.transcript.clear()
        for name, call in CHANGES.items():
            script = f"import os, sys\npath = sys.argv[1]\ntry:\n    {call}\nexcept OSError as e:\n    sys.exit(e.errno)\n"
            code = mount.run("/usr/bin/python3", "-c", script, path, cwd=mount.path).returncode
            assert code == errno.EROFS, (name, code, os.strerror(code))
        assert {e.verb for e in outlook.transcript.entries()} <= LOOKS


@pytest.mark.parametrize("how", ["umount", "fusermount3", "SIGTERM", "SIGINT"])
def test_ways_to_end(load, binary, home, options, how):
    import signal
    load(sample.few(2))
    mount = Mount(binary, home, "test", options).start()
    try:
        mount.reader("read")
        if how == "umount":
            assert mount.outlookfs("umount", str(mount.path)).returncode == 0
        elif how == "fusermount3":
            subprocess.run(["fusermount3", "-u", str(mount.path)], check=True, timeout=10)
        else:
            mount.process.send_signal(getattr(signal, how))
        assert mount.process.wait(10) == 0
        assert not is_mounted(mount.path)
        mount.check_log()
    finally:
        mount.kill()


def test_background(load, binary, home, options):
    """Without -f the command returns when the mount answers, and leaves nothing behind after umount."""
    load(sample.few(2))
    command = [str(binary), "mount", "test", str(home.mountpoint), "-o",
               join_options({**options, "cache_dir": home.cache, "log": home.top / "log"})]
    answer = subprocess.run(command, env=home.env, capture_output=True, text=True, timeout=20)
    assert answer.returncode == 0 and answer.stderr == "", answer
    try:
        assert is_mounted(home.mountpoint)
        listing = subprocess.run(["ls", str(home.mountpoint)], capture_output=True, timeout=20)
        assert b"Inbox" in listing.stdout
    finally:
        ended = subprocess.run([binary, "umount", str(home.mountpoint)], env=home.env, capture_output=True, text=True,
                               timeout=20)
    assert ended.returncode == 0, ended
    assert not is_mounted(home.mountpoint)
    assert "Sanitizer" not in (home.top / "log").read_text()
