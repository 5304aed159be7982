"""outlookfs itself, as a person would start it."""
import json
import os
import pathlib
import re

from tests.e2e.support.mount import Home, join_options
from tests.e2e.support.servers import make_token

from .commands import run


class Mount:
    """A context: mounted, by a daemon, on `.path`; `.seconds` is what `outlookfs mount` took."""

    name = "outlookfs"

    def __init__(self, stage, user, link, outlook=False, home=None, **options):
        self.program = stage.options.build / "cli/outlookfs"
        self.home, self._own = home or Home(), home is None
        self.user, self.path, self.log = user, self.home.mountpoint, self.home.top / "log"
        self.options = {"host": "localhost", "port": link.port, "cafile": stage.dovecot.ca,
                        "cache_dir": self.home.cache, "log": self.log,
                        "compress": "no",  # as for all the others, but where it is what is measured
                        **(self._token(user) if outlook else self._password(stage)), **options}

    def _token(self, user):
        return {"auth": "xoauth2", "token_command": self.home.secret("token", make_token(user))}

    def _password(self, stage):
        return {"auth": "password", "password_command": self.home.secret("password", stage.dovecot.password)}

    def __enter__(self):
        try:
            self.seconds, _ = self.run("mount", self.user, self.path, "-o", join_options(self.options))
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *_):
        try:
            self.run("umount", self.path)
        finally:
            self._close()

    def _close(self):
        if self._own:
            self.home.close()

    def run(self, *words):
        return run([self.program, *words], env=self.home.env)

    def inbox(self):
        return self.path / "Inbox"

    def status(self):
        return json.loads(self.run("status", "--json", self.path)[1])

    def resident(self):
        """MiB of the daemon's memory."""
        text = pathlib.Path(f"/proc/{self.status()['pid']}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024

    def cpu(self):
        """Seconds of processor time that the daemon took since it was started."""
        fields = pathlib.Path(f"/proc/{self.status()['pid']}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")

    def names(self, mailbox="Inbox"):
        """In the order of the directory."""
        return run(["ls", "-1U", self.path / mailbox])[1].decode().splitlines()
