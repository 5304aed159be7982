"""The password that mount asks for: never shown, and the terminal echoes again whatever ends or stops it."""
import shlex

import pytest

from .support import sample
from .support.mount import is_mounted, join_options, wait_for
from .support.terminal import Terminal

PROMPT = r"Password of \S+ at localhost \(it is kept nowhere\): "


@pytest.fixture
def shell(binary, home, dovecot, user):
    """A shell with job control, and the line that it is given: a mount that asks for the password."""
    options = join_options({"provider": "generic", "host": "localhost", "port": dovecot.tls_port, "cafile": dovecot.ca,
                            "username": user, "cache_dir": home.cache})
    line = shlex.join([str(binary), "mount", user, str(home.mountpoint), "-o", options]) + "; echo code=$?\n"
    with Terminal(["/bin/sh", "-i"], dict(home.env, PS1="> ", ENV=""), columns=300) as terminal:
        terminal.type(line.encode())
        terminal.wait_for(PROMPT)
        wait_for(lambda: not terminal.echoes, what="the echo being off")
        yield terminal
        terminal.type(b"exit\n")
        terminal.process.wait(10)


def mounts(shell, home, keys):
    shell.type(keys)
    shell.wait_for("code=0")
    assert is_mounted(home.mountpoint) and shell.echoes


def umount(shell, binary, home):
    shell.type(f"{binary} umount {home.mountpoint}; echo umount=$?\n".encode())
    shell.wait_for("umount=0")


def test_a_password(shell, binary, home, dovecot, load):
    load(sample.few(1))
    mounts(shell, home, dovecot.password.encode() + b"\n")
    assert dovecot.password not in shell.raw
    umount(shell, binary, home)


@pytest.mark.parametrize("keys", [b"\x03", b"\x1c", b"\x04", b"half\x03", b"half\x1c", b"\n"])
def test_none(shell, home, keys):
    """Ctrl-C, Ctrl-\\ and Ctrl-D: one line of its own, and the terminal is as it was."""
    shell.type(keys)
    shell.wait_for(r"^outlookfs: \S+: no password was given; nothing was changed$")
    shell.wait_for("code=3")
    assert shell.echoes and not is_mounted(home.mountpoint) and "half" not in shell.raw


def test_stopped(shell, binary, home, dovecot, load):
    """Ctrl-Z gives the shell its echo back; fg asks again, hidden."""
    load(sample.few(1))
    shell.type(b"half\x1a")
    shell.wait_for("Stopped")
    assert shell.echoes
    before = shell.raw.count("Password of")
    shell.type(b"fg\n")
    wait_for(lambda: shell.raw.count("Password of") > before and not shell.echoes, what="the prompt again")
    shell.type(dovecot.password.encode() + b"\n")
    wait_for(lambda: is_mounted(home.mountpoint), 20, what="the mount")
    wait_for(lambda: shell.echoes, what="the echo being on")
    assert dovecot.password not in shell.raw and "half" not in shell.raw
    umount(shell, binary, home)
