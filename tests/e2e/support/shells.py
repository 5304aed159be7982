"""An interactive bash or zsh on a terminal of its own, with the completion of outlookfs loaded as an
installed one is: what TAB makes of a line, and what there is to choose from.

The shell answers through a FIFO: a key of its own writes the line that stands there and clears it. So
nothing is read off the screen, and nothing waits for a time.
"""
import contextlib
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
COMPLETIONS = ROOT / "packaging/completions"
SHOW = b"\x18\x17"  # Ctrl-X Ctrl-W
ALL = b"\x1b*"  # Alt-*: every completion in place of the word
SECONDS = 20

BASH = r"""PS1='ready> '
export PATH="@bin@:$PATH"
. /usr/share/bash-completion/bash_completion
show() { printf '%s\n' "$READLINE_LINE" >@fifo@; READLINE_LINE=; }
bind -x '"\C-x\C-w": show'
"""
ZSH = r"""PS1='ready> '
export PATH="@bin@:$PATH"
fpath=(@functions@ $fpath)
setopt no_auto_list no_beep
autoload -Uz compinit && compinit -u -D
show() { print -r -- "$BUFFER" >@fifo@; BUFFER= }
zle -N show
bindkey '^X^W' show
zstyle ':completion:all-matches::::' completer _all_matches _complete
zstyle ':completion:all-matches:*' insert true
zle -C all-matches complete-word _generic
bindkey '\e*' all-matches
"""


class Terminal:
    def __init__(self, kind, programs, env, cwd):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="ofs-t-"))
        self.fifo = self.top / "fifo"
        os.mkfifo(self.fifo)
        self._install(kind, programs)
        command = {"bash": ["bash", "--noprofile", "--rcfile", str(self.top / "bashrc"), "-i"],
                   "zsh": ["zsh", "-d", "-i"]}[kind]
        leader, follower = pty.openpty()
        self.leader = leader
        self.process = subprocess.Popen(
            command, stdin=follower, stdout=follower, stderr=follower, start_new_session=True, cwd=cwd,
            env={**env, "ZDOTDIR": str(self.top), "TERM": "dumb", "XDG_DATA_HOME": str(self.top), "HISTFILE": ""})
        os.close(follower)
        self.seen = b""
        self._read_until(b"ready> ")

    def _install(self, kind, programs):
        words = {"@bin@": str(programs), "@fifo@": str(self.fifo), "@functions@": str(self.top / "functions")}
        for name, text in (("bashrc", BASH), (".zshrc", ZSH)):
            (self.top / name).write_text(re.sub("@[a-z]+@", lambda m: words[m[0]], text))
        (self.top / "functions").mkdir()
        shutil.copy(COMPLETIONS / "_outlookfs", self.top / "functions")
        folder = self.top / "bash-completion/completions"  # below XDG_DATA_HOME, where bash loads it from
        folder.mkdir(parents=True)
        shutil.copy(COMPLETIONS / "outlookfs.bash", folder / "outlookfs")

    def close(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)
        os.close(self.leader)
        shutil.rmtree(self.top)

    def _read_until(self, word):
        deadline = time.monotonic() + SECONDS
        while word not in self.seen:
            if not select.select([self.leader], [], [], max(0, deadline - time.monotonic()))[0]:
                raise TimeoutError(f"no {word} in {self.seen!r}")
            self.seen += os.read(self.leader, 4096)

    def _line_after(self, keys):
        os.write(self.leader, keys + SHOW)
        answer = os.open(self.fifo, os.O_RDONLY | os.O_NONBLOCK)
        text = b""
        deadline = time.monotonic() + SECONDS
        try:
            while not text.endswith(b"\n"):
                ready = select.select([answer, self.leader], [], [], max(0, deadline - time.monotonic()))[0]
                if not ready:
                    raise TimeoutError(f"no answer; the terminal shows {self.seen!r}")
                if self.leader in ready:
                    self.seen += os.read(self.leader, 4096)
                if answer in ready:
                    with contextlib.suppress(BlockingIOError):
                        text += os.read(answer, 65536)
        finally:
            os.close(answer)
        return text.decode().removesuffix("\n")

    def complete(self, line):
        """The line after TAB."""
        return self._line_after(line.encode() + b"\t")

    def choices(self, line):
        """All that the last word may become."""
        begin = line[:line.rfind(" ") + 1]
        after = self._line_after(line.encode() + ALL)
        assert after.startswith(begin), after
        return set(after[len(begin):].split())


class Fish:
    """fish tells its completions by itself; it has no need of a terminal."""

    def __init__(self, programs, env, cwd):
        self.env, self.cwd = {**env, "PATH": f"{programs}:{env['PATH']}"}, cwd

    def close(self):
        pass

    def _ask(self, line):
        answer = subprocess.run(
            ["fish", "--no-config", "-c", f"source {COMPLETIONS}/outlookfs.fish; complete --escape -C \"$LINE\""],
            env={**self.env, "LINE": line}, cwd=self.cwd, capture_output=True, text=True, timeout=SECONDS)
        assert answer.returncode == 0 and answer.stderr == "", answer
        return [word.split("\t")[0] for word in answer.stdout.splitlines()]

    def complete(self, line):
        words = self._ask(line)
        if len(words) != 1:
            return line
        return line[:line.rfind(" ") + 1] + words[0] + ("" if words[0][-1] in "=/:" else " ")

    def choices(self, line):
        return set(self._ask(line))


def shell(kind, programs, env, cwd):
    return Fish(programs, env, cwd) if kind == "fish" else Terminal(kind, programs, env, cwd)
