"""`outlookfs login` as a person does it: a program that waits, a browser that is told an address."""
import os
import re
import subprocess

from .mount import wait_for


class Login:
    """Runs the command in a Home. Its browser is a script that notes the address it is given."""

    def __init__(self, binary, home, signin, account, cafile):
        self.binary, self.home, self.signin, self.account = str(binary), home, signin, account
        self.options = [f"cafile={cafile}"]
        self.noted = home.top / "address"
        self.browser = home.top / "browser"
        self.browser.write_text(f'#!/bin/sh\nprintf %s "$1" >{self.noted}.new && mv {self.noted}.new {self.noted}\n')
        self.browser.chmod(0o755)
        self.process = None

    def command(self, *words, client_id=True, authority=True):
        command = [self.binary, "login", self.account, *words, "-o", ",".join(self.options)]
        if client_id:
            command += ["--client-id", self.signin.client_id]
        if authority:
            command += ["--authority", self.signin.url]
        return command

    def environment(self, browser):
        env = {name: value for name, value in self.home.env.items()
               if name not in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")}
        return dict(env, BROWSER=str(self.browser)) if browser else env

    def start(self, *words, browser=False, **how):
        self.noted.unlink(missing_ok=True)
        self.process = subprocess.Popen(self.command(*words, **how), env=self.environment(browser), cwd="/", text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        return self.process

    def address(self):
        """What the browser was sent to."""
        wait_for(lambda: self.noted.exists() or self.process.poll() is not None, what="the browser")
        assert self.noted.exists(), self.process.communicate()
        return self.noted.read_text()

    def finish(self, seconds=30, pasted=None):
        """(exit code, stdout, stderr)."""
        out, err = self.process.communicate(pasted, timeout=seconds)
        return self.process.returncode, out, err

    def run(self, *words, seconds=30, **how):
        self.start(*words, **how)
        return self.finish(seconds)

    def by_device(self, **plan):
        """The shortest way to be signed in."""
        self.signin.device(interval=1, **plan)
        code, out, err = self.run("--device")
        assert code == 0, err
        return out

    @property
    def state(self):
        return self.home.top / "state_home" / "outlookfs" / self.account

    @property
    def token_file(self):
        return self.state / "token"


def one_line(err):
    """The error as a person sees it: one line, printable."""
    lines = err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("outlookfs: "), err
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", lines[0]), err
    return lines[0]


def everything_below(folder, but=()):
    """The bytes of every file, for a look for secrets."""
    for top, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(top, name)
            if os.path.isfile(path) and name not in but:
                with open(path, "rb") as file:
                    yield path, file.read()
