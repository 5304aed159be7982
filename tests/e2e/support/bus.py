"""A session bus of its own for a test, and who lives on it: GNOME's keyring, or one of secrets.py's fakes.

Everything is in one directory below /tmp, since a socket's path must be short; what was started is stopped by
stop(), or at the end of `with`.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from .mount import ROOT, wait_for

CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={path}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>
"""
SECRETS = "org.freedesktop.secrets"
PASSWORD = b"the person's password"


class SessionBus:
    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="outlookfs-bus-"))
        self.runtime, self.home = self.directory / "run", self.directory / "home"
        self.runtime.mkdir(mode=0o700)
        self.home.mkdir(mode=0o700)
        self.socket = self.runtime / "bus"
        self.address = f"unix:path={self.socket}"
        self.processes = []
        config = self.directory / "bus.conf"
        config.write_text(CONFIG.format(path=self.socket))
        self.daemon = self.start("dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile", "--nosyslog",
                                 "--print-address=1", stdout=subprocess.PIPE)
        self.daemon.stdout.readline()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def environment(self, **more):
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), "LC_ALL": "C.UTF-8",
                "XDG_RUNTIME_DIR": str(self.runtime), "DBUS_SESSION_BUS_ADDRESS": self.address, **more}

    def start(self, *words, **options):
        log = open(self.directory / "log", "ab")
        with log:
            process = subprocess.Popen(words, env=self.environment(), stderr=log, cwd=ROOT, **options)
        self.processes.append(process)
        return process

    def has(self, name):
        reply = subprocess.run(["dbus-send", "--session", "--print-reply", "--dest=org.freedesktop.DBus", "/",
                                "org.freedesktop.DBus.NameHasOwner", f"string:{name}"],
                               env=self.environment(), capture_output=True, text=True, timeout=20)
        return "boolean true" in reply.stdout

    def keyring(self, unlocked):
        """gnome-keyring-daemon. Unlocked it makes the default collection where there is none yet."""
        process = self.start("gnome-keyring-daemon", "--foreground", "--components=secrets",
                             f"--control-directory={self.runtime}", *(["--unlock"] if unlocked else []),
                             stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        process.stdin.write(PASSWORD if unlocked else b"")
        process.stdin.close()
        wait_for(lambda: self.has(SECRETS), what="the keyring")
        return process

    def fake(self, kind):
        """One of secrets.py's; ready when this returns. What it prints further tells what it was asked."""
        process = self.start(sys.executable, "-m", "tests.e2e.support.secrets", kind, stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "ready\n", (self.directory / "log").read_text()
        return process

    def end(self, process):
        """Ends one and returns what it had printed and nobody read."""
        process.terminate()
        rest = process.stdout.read() if process.stdout else ""
        process.wait(10)
        self.processes.remove(process)
        return rest

    def stop(self):
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            process.wait(10)
            if process.stdout:
                process.stdout.close()
        self.processes.clear()
        shutil.rmtree(self.directory, ignore_errors=True)
