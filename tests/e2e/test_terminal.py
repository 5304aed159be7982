"""What a person sees on a terminal: the progress line of `mount`, beside a log that stays whole, and
`status --watch`. Elsewhere, nothing of it."""
import os
import re
import signal
import subprocess
import threading

import pytest

from .support import sample
from .support.mount import is_mounted, join_options, wait_for
from .support.terminal import Terminal

RECORD = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z outlookfs\[\d+\] (error|warning|info|debug): ")


@pytest.fixture
def command(binary, home):
    """command(options, "-f"): the words of a mount on the home's mountpoint. On the slow links here a
    busy machine may take seconds for the KiB that counts as progress, so the bound is wide."""
    def words(options, *flags, timeout=60):
        text = join_options({"cache_dir": home.cache, **options, "timeout": timeout})
        return [str(binary), "mount", "test", str(home.mountpoint), *flags, "-o", text]
    return words


@pytest.fixture
def ls(home):
    """ls(): a program that lists the Inbox and waits for it."""
    running = []

    def start(*words):
        words = words or ("ls", str(home.mountpoint / "Inbox"))
        running.append(subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        return running[-1]
    yield start
    for process in running:
        process.kill()
        process.wait(10)


def run(binary, home, *words):
    return subprocess.run([str(binary), *words], env=home.env, capture_output=True, text=True, timeout=30)


def whole(terminal):
    """Every record stands alone on its line, and nothing was sent that the terminal does not know."""
    lines, unknown, widest, columns = terminal.look(lambda s: (list(s.lines), s.unknown, s.widest, s.columns))
    assert not unknown
    for line in lines:
        starts = [match.start() for match in RECORD.finditer(line)]
        assert starts in ([], [0]), line
        assert "listing Inbox:" not in line, line
    return lines, widest < columns


# --- mount ---

def seconds_on_the_way(binary, home, seconds):
    """Until a listing has been under way for so long."""
    wait_for(lambda: re.search(rf"for up to ([{seconds}-9]|\d\d) s", run(binary, home, "status").stdout), 20,
             "a long listing")


@pytest.mark.parametrize("columns", [80, 34])
def test_listing_on_a_terminal(load, command, home, outlook, outlook_options, ls, columns):
    """The line grows while records come in between, fits the width, and is gone at the end."""
    load(sample.few(40))
    with Terminal(command(outlook_options, "-f"), home.env, columns=columns) as terminal:
        terminal.wait_for("is mounted at")
        outlook.set(dribble="1@LISTING")
        listing = ls()
        first = terminal.wait_for(r"outlookfs: listing Inbox: (\d+) o")
        terminal.wait_for(rf"outlookfs: listing Inbox: (?!{first[1]} )\d+ o")
        drawn = terminal.look(lambda s: [t for t in s.seen + s.lines if t.startswith("outlookfs: listing")])
        assert drawn and all(len(line) < columns for line in drawn), drawn
        outlook.drop()  # a record: the connection ended
        terminal.wait_for("connection 1 ended")
        outlook.reset()
        assert listing.wait(30) == 0
        wait_for(lambda: terminal.look(lambda s: s.lines[-1] == ""), what="the line being erased")
        terminal.interrupt()
        assert terminal.process.wait(20) == 0
        lines, _ = whole(terminal)
        assert [line for line in lines if line and not RECORD.match(line)] in ([], ["^C"])
        assert not is_mounted(home.mountpoint)


def test_debug_log_stays_whole(load, command, home, outlook, outlook_options, ls):
    """Every request of the kernel is a record, while the line is redrawn."""
    load(sample.few(40))
    with Terminal(command({**outlook_options, "debug": True}, "-f"), home.env) as terminal:
        terminal.wait_for("is mounted at")
        outlook.set(dribble="1@LISTING")
        listing = ls()
        terminal.wait_for("outlookfs: listing Inbox: ")
        for _ in range(20):
            subprocess.run(["stat", str(home.mountpoint), str(home.mountpoint / "nothing")], capture_output=True)
        outlook.reset()
        assert listing.wait(30) == 0
        terminal.interrupt()
        assert terminal.process.wait(20) == 0
        lines, _ = whole(terminal)
        assert sum(1 for line in lines if RECORD.match(line)) > 50


def test_download_on_a_terminal(load, command, home, outlook, outlook_options, ls):
    load(sample.few(1, size=3_000_000))
    with Terminal(command(outlook_options, "-f"), home.env) as terminal:
        terminal.wait_for("is mounted at")
        outlook.set(dribble="0@BODY")
        ls("cat", str(next((home.mountpoint / "Inbox").iterdir())))
        terminal.wait_for(r"outlookfs: fetching 1 message: \d+\.\d of 3\.0 MB \(\d+ %\)")
        outlook.reset()


def test_back_off_on_a_terminal(load, command, home, outlook, outlook_options, ls):
    load(sample.few(1))
    with Terminal(command(outlook_options, "-f", timeout=5), home.env) as terminal:
        terminal.wait_for("is mounted at")
        outlook.set(throttle="BAD:60000@LISTING*1")
        ls().wait(20)
        terminal.wait_for(r"outlookfs: localhost asked to wait until \d\d:\d\d:\d\d, \d+ s more")
        terminal.interrupt()
        assert terminal.process.wait(20) == 0
        whole(terminal)


@pytest.mark.parametrize("flags", [(), ("-f",)], ids=["background", "foreground"])
def test_connecting_on_a_terminal(command, home, outlook, outlook_options, flags):
    """A server that says nothing: the line, then the one line that says why, alone."""
    outlook.set(silence="0")
    with Terminal(command(outlook_options, *flags, timeout=3), home.env) as terminal:
        terminal.wait_for(r"outlookfs: connecting to localhost \.\.\.")
        assert terminal.process.wait(20) == 4
        wait_for(lambda: "check" in terminal.text() or "answer" in terminal.text(), what="the cause")
        lines = [line for line in terminal.text().split("\n") if line]
        assert len(lines) == 1 and lines[0].startswith("outlookfs: ") and "connecting" not in lines[0], lines
        whole(terminal)


def test_waiting_for_a_token_on_a_terminal(command, binary, home, outlook_options):
    """In the background too, until the mount stands; from then on the terminal is the shell's."""
    options = {**outlook_options, "token_command": f"sleep 3; {outlook_options['token_command']}"}
    with Terminal(command(options), home.env) as terminal:
        terminal.wait_for("outlookfs: waiting for the token or password")
        assert terminal.process.wait(30) == 0
        assert is_mounted(home.mountpoint)
        assert terminal.text() == ""
        assert run(binary, home, "umount", str(home.mountpoint)).returncode == 0
        assert terminal.text() == ""


def test_nothing_where_stderr_is_no_terminal(load, command, binary, home, outlook, outlook_options, ls):
    load(sample.few(30))
    log = home.top / "stderr"
    with Terminal(command(outlook_options, "-f"), home.env, fd2=log) as terminal:
        wait_for(lambda: log.exists() and b"is mounted at" in log.read_bytes(), 20)
        outlook.set(dribble="1@LISTING")
        listing = ls()
        seconds_on_the_way(binary, home, 2)
        outlook.reset()
        assert listing.wait(30) == 0
        terminal.interrupt()
        assert terminal.process.wait(20) == 0
        assert terminal.raw in ("", "^C")
        written = log.read_bytes()
        assert not re.search(rb"[\r\x1b]|listing Inbox:", written)
        assert all(RECORD.match(line) for line in written.decode().splitlines())


def test_log_in_a_file(load, command, home, outlook, outlook_options, ls):
    """The terminal has the line alone, the file the records alone."""
    load(sample.few(30))
    log = home.top / "log"
    with Terminal(command({**outlook_options, "log": log}, "-f"), home.env) as terminal:
        wait_for(lambda: log.exists() and b"is mounted at" in log.read_bytes(), 20)
        outlook.set(dribble="1@LISTING")
        ls()
        terminal.wait_for("outlookfs: listing Inbox: ")
        outlook.reset()
        terminal.interrupt()
        assert terminal.process.wait(20) == 0
        assert all(RECORD.match(line) for line in log.read_text().splitlines())
        assert [line for line in whole(terminal)[0] if line] in ([], ["^C"])


def test_a_job_in_the_background_draws_nothing(load, command, binary, home, outlook, outlook_options, ls):
    load(sample.few(30))
    script = 'set -m; "$@" & wait $!'
    with Terminal(["sh", "-c", script, "sh", *command(outlook_options, "-f")], home.env) as terminal:
        terminal.wait_for("is mounted at")
        outlook.set(dribble="1@LISTING")
        listing = ls()
        seconds_on_the_way(binary, home, 2)
        outlook.reset()
        assert listing.wait(30) == 0
        assert run(binary, home, "umount", str(home.mountpoint)).returncode == 0
        assert terminal.process.wait(20) == 0
        assert "listing Inbox:" not in terminal.raw and "\x1b" not in terminal.raw


# --- status --watch ---

@pytest.mark.parametrize("columns", [80, 24])
def test_watch_on_a_terminal(load, mounted, outlook, outlook_options, binary, home, columns):
    load(sample.few(40))
    with mounted(outlook_options, timeout=60) as mount:
        outlook.set(dribble="1@LISTING")
        listing = mount.spawn("ls", "Inbox")
        watch = [str(binary), "status", "--watch", str(mount.path)]
        with Terminal(watch, home.env, columns=columns, rows=30) as terminal:
            first = terminal.wait_for(r"^listing:    Inbox, (\d+)")
            terminal.wait_for(rf"^listing:    Inbox, (?!{first[1]}\b)\d")
            if columns == 80:
                terminal.wait_for(r"^listing:    Inbox, \d+ of 40 \(\d+ %\)$")
            outlook.reset()
            listing.communicate(timeout=30)
            wait_for(lambda: not re.search(r"^listing:", terminal.text(), re.M), what="the end of the listing")
            assert terminal.text().startswith("account:    test\n") and terminal.text().count("account:") == 1
            terminal.interrupt()
            assert terminal.process.wait(10) == 0
            lines, fits = whole(terminal)
            assert fits and not re.search(r"\x1b\[\?|\x1b\[2J", terminal.raw)
            assert lines[0].startswith("account:")  # what was last seen stays


def test_watch_of_a_small_terminal(load, mounted, options, binary, home):
    load(sample.few(1))
    with mounted(options):
        with Terminal([str(binary), "status", "--watch"], home.env, rows=6) as terminal:
            terminal.wait_for(r"^\.\.\. \d+ more lines$")
            terminal.interrupt()
            assert terminal.process.wait(10) == 0
            assert max(len(frame.split("\n")) for frame in terminal.raw.split("\x1b[H")) <= 6 + 1


class Output:
    """What a program has written to a pipe so far."""

    def __init__(self, process):
        self.text, self._process = "", process
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self):
        while data := os.read(self._process.stdout.fileno(), 65536):
            self.text += data.decode()

    def close(self):
        self._thread.join(10)
        self._process.stdout.close()


@pytest.fixture
def watch(binary, home):
    """watch(*words): (process, output) of status --watch into a pipe."""
    running = []

    def start(*words):
        process = subprocess.Popen([str(binary), "status", "--watch", *words], env=home.env, cwd="/",
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        running.append((process, Output(process)))
        return running[-1]
    yield start
    for process, output in running:
        if process.poll() is None:
            process.kill()
            process.wait(10)
        output.close()
        process.stderr.close()


def test_watch_into_a_pipe(load, mounted, options, watch):
    load(sample.few(1))
    with mounted(options) as mount:
        process, output = watch(str(mount.path))
        wait_for(lambda: output.text.count("account:") >= 3, what="three states")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert "\x1b" not in output.text and "\r" not in output.text
        states = output.text.split("\n\n")
        assert len(states) >= 3 and all(s.startswith("account:    test\n") for s in states)
        lines, output = watch(str(mount.path), "--json")
        wait_for(lambda: output.text.count("\n") >= 3, what="three lines")
        lines.send_signal(signal.SIGINT)
        assert lines.wait(10) == 0
        assert all(line.startswith('{"account":"test"') for line in output.text.splitlines())


def test_watch_outlives_a_mount(load, mounted, options, watch):
    load(sample.few(1))
    process, output = watch()
    wait_for(lambda: output.text.startswith("nothing is mounted\n"), what="nothing")
    for _ in range(2):
        with mounted(options):
            seen = len(output.text)
            wait_for(lambda: "account:    test\n" in output.text[seen:], what="the mount")
        seen = len(output.text)
        wait_for(lambda: "nothing is mounted\n" in output.text[seen:], what="its end")
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0 and process.stderr.read() == b""


def test_watch_of_a_directory_ends_with_its_mount(load, mounted, options, watch):
    load(sample.few(1))
    with mounted(options) as mount:
        process, output = watch(str(mount.path))
        wait_for(lambda: "account:" in output.text, what="a state")
    assert process.wait(10) == 1 and process.stderr.read().count(b"\n") == 1
