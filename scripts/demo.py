"""What scripts/demo runs once the program is built.

One process holds the whole demo: a private Dovecot and the emulation of Outlook.com in front of it, both
on loopback, and the mount as a child in the foreground. All of them die with it, and what they wrote is in
one temporary folder. .demo/ in the checkout says which process that is, for --stop; its lock says whether
the demo still runs. Ports, folders and the cache are each demo's own, so two checkouts do not meet.
"""
import argparse
import fcntl
import hashlib
import json
import os
import pathlib
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

from tests.data import generate, hard
from tests.e2e.support import dovecot, mailboxes, servers
from tests.e2e.support.mount import join_options

ROOT = pathlib.Path(__file__).resolve().parents[1]
BINARY = pathlib.Path(os.environ.get("OUTLOOKFS_BINARY", ROOT / "build/release/cli/outlookfs"))
STATE = ROOT / ".demo"
USER = "robin.meyer@outlook.example"
MESSAGES = 400
RENAME = {"Trash": "Deleted"}  # as Outlook.com names it


class Stop(Exception):
    """The user has had enough, or something failed that is already said."""


def say(text=""):
    print(text, flush=True)


class Demo:
    """Steps in order; close() undoes, in reverse, as many of them as were done."""

    def __init__(self, mountpoint):
        self.mountpoint, self.made = mountpoint, False
        self.server = self.service = self.mount = None
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="outlookfs-demo-"))

    def start_servers(self):
        self.server = servers.outlook_dovecot()
        self.server.start()
        self.service = servers.outlook_in_front(self.server)
        self.service.start()
        token = self.service.tokens.add(secrets.token_urlsafe(48), USER)
        self.token_command = self.work / "token"
        self.token_command.write_text(f"#!/bin/sh\necho {token}\n")
        self.token_command.chmod(0o700)

    def fill(self):
        mails = [*generate.messages(MESSAGES, seed=1, rename=RENAME), *hard.messages("Hard cases")]
        client = servers.connect(self.server, USER)
        try:
            return mailboxes.load(client, sorted(mails, key=lambda mail: mail.mailbox))
        finally:
            client.logout()

    def start_mount(self):
        if not self.mountpoint.exists():
            self.mountpoint.mkdir(parents=True)
            self.made = True
        options = join_options({"host": self.service.host, "port": self.service.port, "cafile": self.server.ca,
                                "token_command": shlex.quote(str(self.token_command)),
                                "cache_dir": self.work / "cache", "log": self.work / "log"})
        self.mount = subprocess.Popen(
            [BINARY, "mount", USER, self.mountpoint, "-f", "-o", options], env=self.environment(),
            stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=dovecot.die_with_parent)
        deadline = time.monotonic() + 20
        while not os.path.ismount(self.mountpoint):
            if self.mount.poll() is not None:
                raise Stop(f"the mount failed (exit code {self.mount.returncode})")
            if time.monotonic() > deadline:
                raise Stop("the mount does not come up")
            time.sleep(0.02)

    def environment(self):
        """The user's own accounts and caches stay out of it."""
        own = {name: str(self.work / name.lower()) for name in
               ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR")}
        for path in own.values():
            pathlib.Path(path).mkdir(mode=0o700, exist_ok=True)
        return {**os.environ, **own}

    def run(self, *command, **more):
        """What a command prints; an exit code other than 0 is an error."""
        done = subprocess.run(command, env=self.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=120, cwd=self.mountpoint.parent, **more)
        if done.returncode != 0 or done.stderr:
            raise Stop(f"{' '.join(map(str, command))}: exit code {done.returncode} {done.stderr.decode(errors='replace').strip()}")
        return done.stdout.decode(errors="surrogateescape")

    def close(self):
        """Everything goes; True where nothing is left."""
        gone = True
        if self.mount:
            end(self.mount)
            gone = unmount(self.mountpoint)
        if self.service:
            self.service.stop()
        if self.server:
            self.server.stop()
        if self.made and gone:
            self.mountpoint.rmdir()
        shutil.rmtree(self.work, ignore_errors=True)
        return gone and not self.work.exists()


def end(process):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(15)


def unmount(mountpoint):
    """For what a killed daemon, or a shell that stands in the mount, leaves behind; True once it is gone."""
    for _ in range(20):  # auto_unmount's helper may be at it
        if not mounted(mountpoint):
            return True
        time.sleep(0.05)
    subprocess.run(["fusermount3", "-u", "-z", str(mountpoint)], stdin=subprocess.DEVNULL, check=False)
    return not mounted(mountpoint)


def mounted(path):
    try:
        os.stat(path)
    except FileNotFoundError:
        return False
    except OSError:  # a mount whose daemon is dead
        return True
    return os.path.ismount(path)


# --- the two ways to run it ---

def show(demo):
    """A listing, a grep and a status."""
    name = shorten(demo.mountpoint)
    inbox = demo.mountpoint / "Inbox"
    say(f"$ ls {name}")
    say("  " + "   ".join(sorted(os.listdir(demo.mountpoint))))
    entries = sorted(entry for entry in os.listdir(inbox) if entry.endswith(".eml"))
    say(f"$ ls {name}/Inbox | tail -n 5          # of {len(entries)}")
    for entry in entries[-5:]:
        say("  " + entry)
    found = demo.run("grep", "-rl", "heating engineer", str(inbox)).splitlines()
    say(f"$ grep -rl 'heating engineer' {name}/Inbox | head -n 3          # of {len(found)}")
    for path in sorted(found)[:3]:
        say("  " + str(pathlib.Path(path).relative_to(demo.mountpoint)))
    say(f"$ outlookfs status {name}")
    for line in demo.run(BINARY, "status", str(demo.mountpoint)).splitlines():
        say("  " + line)


def shorten(path):
    try:
        return f"./{path.relative_to(pathlib.Path.cwd())}"
    except ValueError:
        return str(path)


def attend(mountpoint):
    """The demo for people: stays until a signal."""
    STATE.mkdir(exist_ok=True)
    lock = open(STATE / "lock", "a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Stop("a demo runs in this checkout already; scripts/demo --stop ends it")
    clear_leftovers()
    if mountpoint.exists() and (not mountpoint.is_dir() or any(mountpoint.iterdir())):
        raise Stop(f"{mountpoint} is not an empty directory")
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: interrupt(done))
    demo = Demo(mountpoint)
    state = STATE / "state.json"
    try:
        write_state(demo)
        prepare(demo, write_state)
        show(demo)
        say(f"\n{shorten(mountpoint)} is a mailbox. Look around with ls, cat, grep -r, find, tar or a mail reader;\n"
            "archive with mv, delete with rm, add with cp: the mail server is changed.\n"
            f"Its subject lines are not all kind: see '{shorten(mountpoint)}/Hard cases'.\n"
            "Ctrl-C here, or scripts/demo --stop elsewhere, ends it.")
        done.armed = True
        while not done.wait(0.5):
            if demo.mount.poll() is not None:
                say("the mount has gone")
                break
    except KeyboardInterrupt:
        pass
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # the end is not interrupted
        say("stopping ...")
        gone = demo.close()
        if gone:
            state.unlink(missing_ok=True)
    if not gone:
        raise Stop(f"still mounted: fusermount3 -u -z {mountpoint}")
    say("nothing is left running or mounted")


def interrupt(done):
    done.set()
    if not getattr(done, "armed", False):
        raise KeyboardInterrupt


def write_state(demo):
    """Who runs, and what would be left if it were killed outright."""
    folders = [demo.work] + ([demo.server.directory, demo.server._run] if demo.server else [])
    (STATE / "state.json").write_text(json.dumps({
        "pid": os.getpid(), "mount": str(demo.mountpoint), "made": not demo.mountpoint.exists(),
        "folders": [str(folder) for folder in folders]}))


def prepare(demo, note=lambda demo: None):
    say("starting a mail server on this machine ...")
    demo.start_servers()
    note(demo)
    count = demo.fill()
    say(f"mounting {count} messages ...\n")
    demo.start_mount()


def clear_leftovers():
    """What a demo that was killed outright has left."""
    try:
        state = json.loads((STATE / "state.json").read_text())
    except (FileNotFoundError, ValueError):
        return
    if not unmount(pathlib.Path(state["mount"])):
        raise Stop(f"still mounted: fusermount3 -u -z {state['mount']}")
    if state["made"] and os.path.isdir(state["mount"]):
        os.rmdir(state["mount"])
    for folder in state["folders"]:
        shutil.rmtree(folder, ignore_errors=True)
    (STATE / "state.json").unlink(missing_ok=True)


def stop():
    """--stop. The lock tells whether the process of the state file is still the demo."""
    try:
        lock = open(STATE / "lock", "r+")
    except FileNotFoundError:
        say("no demo runs in this checkout")
        return
    if not try_lock(lock):
        state = json.loads((STATE / "state.json").read_text())
        os.kill(state["pid"], signal.SIGTERM)
        deadline = time.monotonic() + 40
        while not try_lock(lock):
            if time.monotonic() > deadline:
                raise Stop(f"process {state['pid']} does not end")
            time.sleep(0.05)
        say("stopped")
    else:
        say("no demo runs in this checkout")
    clear_leftovers()


def try_lock(file):
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False


def check():
    """The same steps, and whether what they show is right."""
    top = pathlib.Path(tempfile.mkdtemp(prefix="outlookfs-check-"))
    demo = Demo(top / "mail")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        prepare(demo)
        show(demo)
        compare(demo)
    finally:
        gone = demo.close()
        if gone:
            shutil.rmtree(top, ignore_errors=True)
    if not gone:
        raise Stop("something was left behind")
    say("check: ok")


def compare(demo):
    """Every message of the mount is, byte for byte, one that the server has, and the other way round."""
    shown = [hashlib.sha256(path.read_bytes()).hexdigest() for path in demo.mountpoint.rglob("*.eml") if path.is_file()]
    stored = list(server_digests(demo.server))
    if sorted(shown) != sorted(stored):
        raise Stop(f"{len(shown)} messages shown, {len(stored)} on the server, "
                   f"{len(set(shown) ^ set(stored))} of them differ")
    say(f"\n{len(shown)} messages are the server's, byte for byte")
    change(demo)


def change(demo):
    """A message is saved, moved and removed; the server has each change at once."""
    before = {box: len(held) for box, held in truth(demo.server).items()}

    def expect(what, box):
        now = {name: len(held) for name, held in truth(demo.server).items()}
        more = {name: count - before.get(name, 0) for name, count in now.items() if count != before.get(name, 0)}
        if more != {box: 1}:
            raise Stop(f"after a message was {what} the server has {more} more, not one in {box}")

    file = demo.mountpoint / "Inbox" / "new.eml"
    file.write_text("From: me\nSubject: a new one\n\nhello\n")
    expect("saved", "Inbox")
    file = file.rename(demo.mountpoint / "Archive" / "new.eml")
    expect("moved", "Archive")
    file.unlink()
    expect("removed", RENAME["Trash"])
    say("a message was saved, moved and removed, and the server has it so")


def truth(server):
    client = servers.connect(server, USER)
    try:
        return mailboxes.truth(client)
    finally:
        client.logout()


def server_digests(server):
    for held in truth(server).values():
        yield from (message.sha256 for message in held.values())


def main():
    parser = argparse.ArgumentParser(prog="scripts/demo", description="A sample mailbox as files; Ctrl-C ends it.")
    parser.add_argument("dir", nargs="?", type=pathlib.Path, help="where to mount (default: ./mail)")
    parser.add_argument("--check", action="store_true", help="run unattended, compare every byte, exit 0 or 1")
    parser.add_argument("--stop", action="store_true", help="end the demo that runs in this checkout")
    options = parser.parse_args()
    sys.stdout.reconfigure(errors="backslashreplace")
    try:
        if options.stop:
            stop()
        elif options.check:
            check()
        else:
            attend((options.dir or pathlib.Path("mail")).absolute())
    except (Stop, subprocess.TimeoutExpired, OSError) as error:
        sys.exit(f"demo: {error}")
    except KeyboardInterrupt:
        sys.exit("demo: interrupted")


if __name__ == "__main__":
    main()
