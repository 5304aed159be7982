"""inotifywait on directories of a mount: what it has printed, as (directory, name, events)."""
import contextlib
import subprocess
import threading

from .mount import wait_for

START_SECONDS = 20


class Watcher:
    """Events in the order in which they came; `of(name)` those of one name."""

    def __init__(self, mount, *where, events="create,delete,attrib,moved_to,moved_from,modify,delete_self"):
        self.mount, self.lines, self.errors, self.lock = mount, [], [], threading.Lock()
        self.process = subprocess.Popen(
            ["inotifywait", "-m", "-e", events, "--format", "%w\t%f\t%e", *[str(mount.path / w) for w in where]],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1, cwd="/")
        self.threads = [threading.Thread(target=self._read, args=pair, daemon=True)
                        for pair in ((self.process.stdout, self.lines), (self.process.stderr, self.errors))]
        for thread in self.threads:
            thread.start()
        wait_for(lambda: any("Watches established" in line for line in self.errors) or self.process.poll() is not None,
                 START_SECONDS, "inotifywait to watch")
        assert self.process.poll() is None, self.errors

    def _read(self, stream, lines):
        for line in stream:
            with self.lock:
                lines.append(line.rstrip("\n"))

    def all(self):
        """[(directory below the mount, name, event words)]"""
        with self.lock:
            lines = list(self.lines)
        found = []
        for line in lines:
            where, name, words = line.split("\t")
            found.append((where[len(str(self.mount.path)) + 1:].rstrip("/"), name, words.split(",")))
        return found

    def of(self, name, where=None):
        """The events of one name, one word each."""
        return [words[0] for place, known, words in self.all() if known == name and where in (None, place)]

    def named(self, kind):
        return [name for _, name, words in self.all() if kind in words]

    def waits_for(self, condition, seconds, what):
        try:
            return wait_for(condition, seconds, what)
        except TimeoutError as error:
            error.add_note(f"seen: {self.all()[-40:]}")
            raise

    def close(self):
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        if self.process.poll() is None:
            self.process.kill()
        for thread in self.threads:
            thread.join(10)


@contextlib.contextmanager
def watching(mount, *where, **options):
    watcher = Watcher(mount, *where, **options)
    try:
        yield watcher
    finally:
        watcher.close()
