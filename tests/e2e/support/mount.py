"""One mount of outlookfs: the program in the foreground, its own XDG directories, its log.

Nothing here touches the mount from the test's own process: a program that hangs would take the tests
with it. run() starts a child with a bound, and abort() frees whoever waits on a mount that is stuck.
"""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

MOUNT_SECONDS = 20
RUN_SECONDS = 60
REPORTS = re.compile(r"ERROR: \w*Sanitizer|runtime error:|WARNING: ThreadSanitizer|LeakSanitizer")
ROOT = pathlib.Path(__file__).resolve().parents[3]


def wait_for(condition, seconds=10, what="the condition"):
    """Polls until condition() is true and returns it; a bound, not a guess."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


def mounted_device(path):
    """The minor device number of what is mounted on a path, topmost; None when nothing is."""
    wanted, found = str(path), None
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as table:
        for line in table:
            words = line.split(" ")
            if words[4].encode().decode("unicode_escape") == wanted:
                found = int(words[2].split(":")[1])
    return found


def is_mounted(path):
    return mounted_device(path) is not None


def join_options(options):
    """-o's text: True is a bare word, None leaves out; commas and backslashes in values are escaped."""
    words = []
    for name, value in options.items():
        if value is True:
            words.append(name)
        elif value is not None:
            text = str(value).replace("\\", "\\\\").replace(",", "\\,")
            words.append(f"{name}={text}")
    return ",".join(words)


class Home:
    """XDG directories, cache and mountpoint of one account; short paths, since sockets need them."""

    def __init__(self):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="ofs-", dir="/tmp"))
        self.mountpoint = self.top / "mnt"
        self.cache = self.top / "cache"
        # No session bus: a login must not end up in the keyring of whoever runs the tests.
        self.env = dict(os.environ, HOME=str(self.top), LC_ALL="C.UTF-8", DBUS_SESSION_BUS_ADDRESS="disabled:")
        for name in ("CONFIG_HOME", "STATE_HOME", "CACHE_HOME", "RUNTIME_DIR"):
            folder = self.top / name.lower()
            folder.mkdir(mode=0o700)
            self.env["XDG_" + name] = str(folder)
        self.mountpoint.mkdir()

    def secret(self, name, value):
        """A command that prints a secret, for token_command and password_command. Whole: the old one or the new."""
        path = self.top / name
        new = self.top / f"{name}.new"
        new.write_text(value + "\n")
        new.chmod(0o600)
        new.replace(path)
        return f"cat {path}"

    def close(self):
        if is_mounted(self.mountpoint):
            subprocess.run(["fusermount3", "-uz", str(self.mountpoint)], stderr=subprocess.DEVNULL, timeout=10)
        shutil.rmtree(self.top, ignore_errors=True)


class Mount:
    """start() waits until the mount answers; stop() unmounts and says what the program's exit was."""

    def __init__(self, binary, home, account, options):
        self.binary, self.home, self.account = str(binary), home, account
        self.options = {"cache_dir": home.cache, **options}
        self.path = home.mountpoint
        self.log_path = home.top / f"log-{time.monotonic_ns()}"
        self.process = None

    # --- life ---

    def command(self):
        return [self.binary, "mount", self.account, str(self.path), "-f", "-o", join_options(self.options)]

    def start(self):
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(self.command(), env=self.home.env, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, cwd="/")
        try:
            wait_for(self._answers, MOUNT_SECONDS, "the mount answering")
        except BaseException as error:
            self.kill()
            error.add_note(self.log())
            raise
        return self

    def _answers(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"mount ended with {self.process.returncode}: {self.log()}")
        if not is_mounted(self.path):
            return False
        # A dead mount that is just going away must not be taken for ours, and the kernel answers stat
        # for it from its own memory: so the program has to say that it is mounted, and statfs goes to it.
        return "is mounted at" in self.log() and self.run("stat", "-f", str(self.path), seconds=10).returncode == 0

    def stop(self, check=True):
        """Unmounts by `outlookfs umount`; the exit code of the foreground process must be 0."""
        if self.process is None:
            return
        try:
            answer = self.outlookfs("umount", str(self.path))
            if check:
                assert answer.returncode == 0, f"umount: {answer.returncode} {answer.stderr}"
            code = self.process.wait(20)
        except (subprocess.TimeoutExpired, AssertionError) as error:
            error.add_note(self.log())
            self.kill()
            raise
        self.process = None
        if check:
            self.check_log()
            assert code == 0, f"mount -f ended with {code}: {self.log()[-4000:]}"
            assert not is_mounted(self.path)

    def kill(self):
        """For what will not end by itself: frees waiters, ends the process, takes the mount away."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.abort()
            self.process.kill()
            self.process.wait(10)
        if is_mounted(self.path):
            subprocess.run(["fusermount3", "-uz", str(self.path)], stderr=subprocess.DEVNULL, timeout=10)
        self.process = None

    def abort(self):
        """Cuts the kernel's connection to the daemon, so that nobody waits on it (needs root)."""
        device = mounted_device(self.path)
        with contextlib.suppress(OSError):
            pathlib.Path(f"/sys/fs/fuse/connections/{device}/abort").write_text("1")

    # --- looking ---

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def check_log(self):
        text = self.log()
        found = REPORTS.search(text)
        assert not found, text[max(0, found.start() - 200):found.start() + 6000]

    def sanitized(self):
        """Whether the program is built with a sanitizer, whose memory is not the program's."""
        program = pathlib.Path(self.binary).read_bytes()
        return b"libasan.so" in program or b"libtsan.so" in program

    def memory(self):
        """Resident memory of the daemon in bytes."""
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) * 1024

    # --- doing ---

    def outlookfs(self, *arguments, seconds=20):
        return subprocess.run([self.binary, *arguments], env=self.home.env, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=seconds, cwd="/")

    def spawn(self, *arguments):
        """A program in the root of the mount that may wait; the caller ends it."""
        return subprocess.Popen([str(a) for a in arguments], cwd=self.path, env=self.home.env,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def error_of(self, path, seconds=RUN_SECONDS):
        """(errno of opening and reading the whole file: 0 for success, seconds it took)."""
        begin = time.monotonic()
        answer = self.reader("read", path, seconds=seconds)[path]
        return answer.get("error", 0), time.monotonic() - begin

    def run(self, *arguments, seconds=RUN_SECONDS, **options):
        """A program in the root of the mount; output as bytes."""
        options.setdefault("cwd", "/" if arguments[-1] == str(self.path) else self.path)
        process = subprocess.Popen([str(a) for a in arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env=dict(self.home.env, **options.pop("env", {})),
                                   **options)
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            try:
                process.communicate(timeout=5)
            except subprocess.TimeoutExpired:
                self.abort()
            raise
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def reader(self, how, *paths, seconds=RUN_SECONDS):
        """What reader.py tells of paths below the mount (all of it without paths)."""
        answer = self.run(sys.executable, "-m", "tests.e2e.support.reader", how, str(self.path), *paths,
                          seconds=seconds, cwd=ROOT)
        assert answer.returncode == 0, answer.stderr.decode(errors="replace")
        return json.loads(answer.stdout)

    def files(self, how="stat"):
        """{(shown mailbox, uid): relative path} by the extended attributes."""
        found = {}
        for path, entry in self.reader(how).items():
            if entry["kind"] == "file" and entry["uid"] != "errno 2":  # that one went since it was listed
                key = (os.path.dirname(path), int(entry["uid"]))
                assert key not in found, f"{path} and {found[key]} are both {key}"
                found[key] = path
        return found

    def path_of(self, mailbox, uid):
        return self.files()[mailbox, uid]
