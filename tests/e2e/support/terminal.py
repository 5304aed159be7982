"""A program on a terminal of its own, and what a person would have seen there.

The screen understands what outlookfs sends and nothing else: text, CR, LF, home, erase to the end of line
and of screen. Anything more is kept in `unknown`, so that a test can say that there was none.
"""
import codecs
import fcntl
import os
import re
import signal
import struct
import subprocess
import termios
import threading

from .mount import wait_for

_TAIL = re.compile(r"\x1b(\[[0-9;?]*)?\Z")
_TOKEN = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\n]|[^\x1b\r\n]+|\x1b")


class Screen:
    """lines: as they stand; seen: every text that a line ever showed when the cursor came back to its start."""

    def __init__(self, columns):
        self.columns, self.lines, self.row, self.column = columns, [""], 0, 0
        self.seen, self.unknown, self.widest = [], [], 0
        self._rest = ""  # the start of a sequence whose end has not come yet

    def feed(self, text):
        text = self._rest + text
        whole = _TAIL.sub("", text)
        self._rest = text[len(whole):]
        for token in _TOKEN.findall(whole):
            if token == "\r":
                self._note()
                self.column = 0
            elif token == "\n":
                self._note()
                self.row += 1
                self.lines += [""] * (self.row + 1 - len(self.lines))
            elif token == "\x1b[H":
                self.row = self.column = 0
            elif token == "\x1b[K":
                self.lines[self.row] = self.lines[self.row][:self.column]
            elif token == "\x1b[J":
                self.lines[self.row] = self.lines[self.row][:self.column]
                del self.lines[self.row + 1:]
            elif token.startswith("\x1b"):
                self.unknown.append(token)
            else:
                line = self.lines[self.row].ljust(self.column)
                self.lines[self.row] = line[:self.column] + token + line[self.column + len(token):]
                self.column += len(token)
                self.widest = max(self.widest, self.column)

    def _note(self):
        if self.lines[self.row]:
            self.seen.append(self.lines[self.row])


class Terminal:
    """with Terminal([program, ...], env) as terminal: ... The program leads the terminal's foreground job."""

    def __init__(self, command, env, columns=80, rows=24, **where):
        self.screen, self.raw, self._lock = Screen(columns), "", threading.Lock()
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen(command, env=dict(env, TERM="xterm"), cwd="/", pass_fds=[slave],
                                        preexec_fn=lambda: self._enter(slave, where))
        os.close(slave)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @staticmethod
    def _enter(slave, where):
        os.login_tty(slave)
        for number, path in where.items():
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), int(number[2:]))

    def _read(self):
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        while True:
            try:
                data = os.read(self._master, 65536)
            except OSError:  # EIO: the last program on it is gone
                return
            if not data:
                return
            text = decoder.decode(data)
            with self._lock:
                self.raw += text
                self.screen.feed(text)

    def look(self, what):
        """what(screen), at one moment."""
        with self._lock:
            return what(self.screen)

    def text(self):
        return self.look(lambda screen: "\n".join(screen.lines))

    def wait_for(self, pattern, seconds=15):
        """A line that was shown, or stands now, and matches; the match."""
        def find():
            return self.look(lambda s: next(filter(None, (re.search(pattern, t) for t in s.seen + s.lines)), None))
        try:
            return wait_for(find, seconds, f"{pattern!r} on the terminal")
        except TimeoutError as error:
            error.add_note(repr(self.raw[-4000:]))
            raise

    def interrupt(self):
        """Ctrl-C, as the keyboard sends it."""
        self.type(b"\x03")

    def type(self, keys):
        os.write(self._master, keys)

    @property
    def echoes(self):
        """Whether what is typed is shown."""
        return bool(termios.tcgetattr(self._master)[3] & termios.ECHO)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        self._reader.join(5)
        os.close(self._master)
