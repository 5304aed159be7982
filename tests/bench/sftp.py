"""sshfs and rclone mount: the folder `stage.source`, or another, through sshd and a link. Both get the options
that make them fastest for mail that does not change: long timeouts, the kernel's cache, rclone's full cache."""
import os
import shutil
import subprocess
import time

from tests.e2e.support.mount import is_mounted

from .commands import Broken

PROGRAMS = {"sshfs": ("sshfs", "sshd"), "rclone": ("rclone", "fusermount3", "sshd")}
SECONDS = 30


def sshfs_command(sshd, port, source, goal, _):
    options = {"IdentityFile": sshd.key, "UserKnownHostsFile": "/dev/null", "StrictHostKeyChecking": "no",
               "BatchMode": "yes", "dcache_timeout": 3600, "dcache_max_size": 10000000, "entry_timeout": 3600,
               "attr_timeout": 3600}
    words = ",".join(f"{name}={value}" for name, value in options.items())
    return ["sshfs", "-f", "-F", "/dev/null", "-p", port, f"{sshd.user}@127.0.0.1:{source}", goal, "-o",
            f"{words},kernel_cache,ro"]


def rclone_command(sshd, port, source, goal, cache):
    return ["rclone", "mount", f":sftp:{source}", goal, "--config", "/dev/null", "--sftp-host", "127.0.0.1",
            "--sftp-port", port, "--sftp-user", sshd.user, "--sftp-key-file", sshd.key, "--sftp-disable-hashcheck",
            "--sftp-shell-type", "none", "--read-only", "--vfs-cache-mode", "full", "--cache-dir", cache,
            "--dir-cache-time", "1h", "--attr-timeout", "1h", "--poll-interval", "0", "--no-checksum"]


COMMANDS = {"sshfs": sshfs_command, "rclone": rclone_command}


class Mount:
    """A context: mounted on `.path`, nothing in its caches; `.seconds` is what that took."""

    def __init__(self, stage, name, link, source):
        self.name, self.top = name, stage.fresh(name)
        self.path = self.top / "mount"
        self.command = [str(word) for word in COMMANDS[name](stage.sshd(), link.port, source, self.path,
                                                             self.top / "cache")]

    def __enter__(self):
        self.path.mkdir()
        start = time.monotonic()
        with open(self.top / "log", "wb") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={**os.environ, "HOME": str(self.top)})
        deadline = start + SECONDS
        while not is_mounted(self.path):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self._end()
                raise Broken(f"{self.name}: {(self.top / 'log').read_text(errors='replace')[-500:].strip()}")
            time.sleep(0.01)
        self.seconds = time.monotonic() - start
        return self

    def __exit__(self, *_):
        subprocess.run(["fusermount3", "-uz", self.path], stderr=subprocess.DEVNULL, timeout=SECONDS, check=False)
        self._end()

    def _end(self):
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.terminate()
            self.process.wait(10)
        shutil.rmtree(self.top, ignore_errors=True)


def available(stage):
    """The names of those that are installed."""
    return [name for name, programs in PROGRAMS.items() if not stage.lacks(name, *programs)]
