"""A private sshd on loopback, for sshfs and rclone: keys of its own, one user (whoever runs this), sftp alone."""
import getpass
import os
import pathlib
import shutil
import socket
import subprocess
import time

from tests.e2e.support.dovecot import die_with_parent, free_port

from .commands import Broken, run

CONFIG = """ListenAddress 127.0.0.1
Port {port}
HostKey {top}/host
AuthorizedKeysFile {top}/user.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
AllowUsers {user}
MaxStartups 100
Subsystem sftp internal-sftp
"""


class Sshd:
    """A context; `.options` are ssh's own for a client of it."""

    def __init__(self, top):
        self.top, self.user = pathlib.Path(top), getpass.getuser()

    def __enter__(self):
        self.top.mkdir(mode=0o700)
        for name in ("host", "user"):
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.top / name])
        self.key, self.port = self.top / "user", free_port()
        (self.top / "config").write_text(CONFIG.format(port=self.port, top=self.top, user=self.user))
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)  # sshd wants it for its privilege separation
        program = shutil.which("sshd") or "/usr/sbin/sshd"  # by its whole path, it says
        with open(self.top / "log", "wb") as log:
            self.process = subprocess.Popen([program, "-D", "-e", "-f", self.top / "config"],
                                            stdin=subprocess.DEVNULL, stderr=log, preexec_fn=die_with_parent)
        self._wait()
        return self

    def _wait(self):
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.__exit__()
                    raise Broken(f"sshd does not answer: {(self.top / 'log').read_text()[-500:]}") from None
                time.sleep(0.02)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)
