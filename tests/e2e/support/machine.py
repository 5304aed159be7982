"""A private view of this machine in which outlookfs is installed, for what works only there.

mount(8) clears PATH before it runs mount.fuse3, fstab is one file, and the home of root is one directory:
so what is tested through them runs in a mount namespace of its own, with the program in /usr/local/bin,
and the test's own directories and files as /root, /etc/fstab and /etc/passwd, and where mount(8) and the
program keep their books in /run. Nothing of the machine changes, tests run side by side, and when the
namespace's last process ends all of it is gone. Needs root.
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from .mount import wait_for

READER = 61234  # an ordinary user, who exists in the namespace only
SETUP = """set -e
mount --bind "$1/bin" /usr/local/bin
mount --bind "$2" /usr/local/bin/outlookfs
mount --bind "$1/passwd" /etc/passwd
mount --bind "$1/fstab" /etc/fstab
mount --bind "$1/root" /root
mkdir -p /run/mount
mount -t tmpfs tmpfs /run/mount
[ ! -d /run/user ] || mount -t tmpfs tmpfs /run/user
echo ready
exec cat"""


def usable():
    """Why there can be no such view here, or None."""
    if os.geteuid() != 0:
        return "needs root"
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, timeout=10).returncode != 0:
        return "no mount namespaces here"
    return None


class Machine:
    def __init__(self, binary):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="ofs-m-", dir="/tmp"))
        self.top.chmod(0o755)
        self.root, self.reader = self.top / "root", self.top / "reader"
        for home in (self.root, self.reader):
            home.mkdir(mode=0o700)
            (home / "mail").mkdir()
        (self.top / "bin").mkdir()
        (self.top / "bin/outlookfs").touch()
        self.fstab = self.top / "fstab"
        self.fstab.touch()
        shutil.copy("/etc/passwd", self.top / "passwd")
        with open(self.top / "passwd", "a", encoding="ascii") as users:
            users.write(f"reader:x:{READER}:{READER}::{self.reader}:/bin/sh\n")
        self.holder = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", SETUP, "sh", self.top, binary],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/")
        assert self.holder.stdout.readline() == b"ready\n"
        self.space = os.readlink(f"/proc/{self.holder.pid}/ns/mnt")

    def close(self):
        for pid in self.processes():
            if pid != self.holder.pid:
                os.kill(pid, signal.SIGKILL)
        self.holder.stdin.close()
        self.holder.wait(10)
        self.holder.stdout.close()
        shutil.rmtree(self.top)

    def configure(self, home, account, options):
        """Writes accounts.json of a home directory, whose owner may read what it names."""
        folder = home / ".config/outlookfs"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "accounts.json").write_text(json.dumps({"accounts": {account: options}}))
        (folder / "accounts.json").chmod(0o600)
        if home == self.reader:
            for path in (home, *home.rglob("*")):
                os.chown(path, READER, READER)

    def run(self, *arguments, user=None, env=None, seconds=30):
        """A program in the namespace; by default as root, with next to nothing in the environment."""
        who = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user else []
        env = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
               "HOME": str(self.reader if user else "/root"), **(env or {})}
        return subprocess.run(["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt", *who, *map(str, arguments)],
                              env=env, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=seconds)

    def mounts(self):
        """{mountpoint: (flags, type)} of what is mounted by FUSE in the namespace."""
        found = {}
        for line in pathlib.Path(f"/proc/{self.holder.pid}/mountinfo").read_text().splitlines():
            before, after = line.split(" - ")
            if after.startswith("fuse."):
                found[before.split()[4]] = (set(before.split()[5].split(",")), after.split()[0])
        return found

    def processes(self, name=None):
        """The processes that live in the namespace, or those of them with this name."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and os.readlink(entry / "ns/mnt") == self.space and \
                        (name is None or (entry / "comm").read_text().strip() == name):
                    found.append(int(entry.name))
            except OSError:
                continue  # it has just ended
        return found

    def kill_daemon(self):
        """SIGKILL for the daemon and, first, for the helper that would unmount: a dead mount stays."""
        for name in ("fusermount3", "outlookfs"):
            pids = self.processes(name)
            assert pids, f"no {name}"
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            wait_for(lambda: not self.processes(name), what=f"the end of {name}")


def is_open_to_others(path="/dev/fuse"):
    return os.stat(path).st_mode & 0o006 == 0o006
