"""Completion in bash, zsh and fish, in the shells themselves; and that it knows what the program knows."""
import re
import shutil
import subprocess

import pytest

from .support.mount import Mount
from .support.shells import shell

SHELLS = ["bash", "zsh", "fish"]
COMMANDS = {"login", "logout", "accounts", "mount", "umount", "status", "sync", "search", "outbox", "pin", "unpin"}
# Mount options that are completed, but are FUSE's or the kernel's and so not in --help's table.
OTHERS = {"allow_other", "allow_root", "noatime"}
STUB = """#!/bin/sh
if [ "$1" = accounts ]; then
    printf '%s\\n' 'me@outlook.com  microsoft  signed in' 'mine@example.org  generic' 'work  live'
fi
if [ "$1 $2 $3" = "outbox /m list" ]; then
    printf '%s\\n' 'ID  KIND    STATE' '12  append  refused' '340 move    held'
fi
"""
BROKEN = """#!/bin/sh
echo "outlookfs: accounts.json:1: not JSON here" >&2
exit 2
"""


@pytest.fixture
def programs(tmp_path):
    """A directory for PATH, with an `outlookfs` that knows three accounts."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "outlookfs").write_text(STUB)
    (folder / "outlookfs").chmod(0o755)
    return folder


@pytest.fixture(params=SHELLS)
def tab(request, programs, home, tmp_path):
    if not shutil.which(request.param):
        pytest.fail(f"{request.param} is not installed: scripts/setup test", pytrace=False)
    place = tmp_path / "here"
    (place / "folder").mkdir(parents=True)
    (place / "file.pem").touch()
    running = shell(request.param, programs, home.env, place)
    running.kind = request.param
    yield running
    running.close()


@pytest.fixture(scope="session")
def help_of(binary):
    """The text of COMMAND --help, or of --help."""
    def ask(*command):
        return subprocess.run([binary, *command, "--help"], capture_output=True, text=True, check=True, timeout=10).stdout
    return ask


def options_of(text):
    """{option: how its value is shown} of the table in `mount --help`."""
    table = text[text.index("Mount options, with defaults"):]
    return dict(re.findall(r"^  ([a-z_]+)(?:=(\S+))? ", table, re.M))


def test_commands(tab, help_of):
    words = {word for word in tab.choices("outlookfs ") if not word.startswith("-")}
    assert words == COMMANDS
    assert set(re.findall(r"^  outlookfs ([a-z]+) ", help_of(), re.M)) <= words
    assert tab.complete("outlookfs mo") == "outlookfs mount "
    assert tab.complete("outlookfs --v") == "outlookfs --version "


def test_words_with_dashes_are_those_of_the_program(tab, help_of):
    """Commands that the program does not have yet have nothing to compare."""
    for command in re.findall(r"^  outlookfs ([a-z]+) ", help_of(), re.M):
        text = help_of(command)
        told = set(re.findall(r"^  (-[-a-z0-9]+)", text, re.M)) | set(re.findall(r"\[(-[-a-z0-9]+)", text.splitlines()[0]))
        words = {word for word in tab.choices(f"outlookfs {command} -") if word.startswith("-")}
        assert words - {"-"} == told | {"--help"}, command


def test_mount_options_are_those_of_the_program(tab, help_of):
    table = options_of(help_of("mount"))
    assert len(table) > 20
    words = tab.choices("outlookfs mount -o ")
    assert {word.rstrip("=") for word in words} == set(table) | OTHERS
    if tab.kind != "zsh":  # which adds "=" itself
        assert {word.rstrip("=") for word in words if word.endswith("=")} == {name for name in table if table[name]}


def test_values_are_those_of_the_program(tab, help_of):
    for name, value in options_of(help_of("mount")).items():
        if "|" not in value:
            continue
        expected = {word.replace("DAYS", "") for word in value.split("|")}
        assert last_parts(tab.choices(f"outlookfs mount -o {name}=")) == expected, name


def last_parts(words):
    return {word.rpartition("=")[2].replace("\\", "").rstrip(",") for word in words}


def test_option_lists(tab):
    line = "outlookfs mount me@outlook.com folder -o "
    assert tab.complete(line + "ho") == line + "host="
    assert tab.complete(line + "host=localhost,tl") == line + "host=localhost,tls="
    assert tab.complete(line + "host=localhost,tls=st").rstrip(" ,") == line + "host=localhost,tls=starttls"
    assert tab.complete(line + "tls=none,nam") == line + "tls=none,names="
    assert tab.complete(line + "subscribed,cafile=fi").rstrip(" ,") == line + "subscribed,cafile=file.pem"
    assert tab.complete(line + "cache_dir=fo").rstrip("/ ,") == line + "cache_dir=folder"
    assert tab.complete("outlookfs login work -o tls=im").rstrip(" ,") == "outlookfs login work -o tls=implicit"


def test_accounts(tab, programs):
    for command in ("mount", "login", "logout"):
        assert tab.choices(f"outlookfs {command} ") >= {"me@outlook.com", "mine@example.org", "work"}
    assert tab.complete("outlookfs mount w") == "outlookfs mount work "
    assert tab.complete("outlookfs mount me") == "outlookfs mount me@outlook.com "
    assert tab.complete("outlookfs mount me@out") == "outlookfs mount me@outlook.com "
    assert tab.complete("outlookfs mount -f -o debug me@out") == "outlookfs mount -f -o debug me@outlook.com "
    (programs / "outlookfs").write_text(BROKEN)
    assert tab.complete("outlookfs mount me@out") == "outlookfs mount me@out"
    if tab.kind != "fish":
        assert b"JSON" not in tab.seen


def test_directories(tab):
    for line in ("outlookfs mount me@outlook.com fo", "outlookfs me@outlook.com fo", "outlookfs pin fo"):
        assert tab.complete(line) == line + "lder/"
    if tab.kind != "zsh":  # which offers files where no directory fits
        assert tab.complete("outlookfs mount me@outlook.com fi") == "outlookfs mount me@outlook.com fi"


WORDS = {
    "outlookfs status --j": "--json", "outlookfs status --w": "--watch", "outlookfs search /m --e": "--explain",
    "outlookfs login --prov": "--provider", "outlookfs login --provider mi": "microsoft",
    "outlookfs login --tenant cons": "consumers", "outlookfs login --dev": "--device",
    "outlookfs login --br": "--browser", "outlookfs login --cl": "--client-id", "outlookfs login --aut": "--authority",
    "outlookfs outbox /m re": "retry", "outlookfs outbox /m retry 1": "12", "outlookfs outbox /m save 3": "340",
    "outlookfs outbox --j": "--json", "outlookfs mount --h": "--help", "outlookfs umount --h": "--help",
    "outlookfs search /m subj": "subject:", "outlookfs search /m unread flag": "flagged"}


def test_words(tab):
    for line, expected in WORDS.items():
        assert tab.complete(line).rstrip() == line[:line.rfind(" ") + 1] + expected


def test_mount_points(tab, binary, home, dovecot_options):
    """Only those of outlookfs, and with a blank in the name as the shell wants it."""
    home.mountpoint = home.top / "my mail"
    home.mountpoint.mkdir()
    mount = Mount(binary, home, "test", dovecot_options).start()
    try:
        written = str(home.mountpoint).replace(" ", "\\ ")
        start = str(home.top) + "/my"
        for command in ("umount", "status", "sync"):
            assert tab.complete(f"outlookfs {command} {start}") == f"outlookfs {command} {written} "
        assert tab.complete("outlookfs umount /=q=") == "outlookfs umount /=q="
    finally:
        mount.stop()
