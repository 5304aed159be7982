"""Programs that are timed, and what must be true of their output for the time to count."""
import os
import pathlib
import pty
import shlex
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BOUND = 1800  # seconds that one command may take


class Broken(Exception):
    """Something is not as it must be, so no figure of it may be shown."""


def run(command, allowed=(0,), env=None):
    """(seconds, output)."""
    command = [str(word) for word in command]
    start = time.monotonic()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=BOUND, env=env)
    seconds = time.monotonic() - start
    if done.returncode not in allowed:
        raise Broken(f"{shlex.join(command)}: exit {done.returncode}: "
                     f"{done.stderr[-500:].decode(errors='replace').strip()}")
    return seconds, done.stdout


def expect(found, wanted, what):
    if found != wanted:
        raise Broken(f"{what}: {found} where {wanted} belong")


def grep(word, wanted, *directories):
    """Seconds that grep -r takes to find the word, which is to be in `wanted` files."""
    seconds, out = run(["grep", "-rlF", word, *directories], allowed=(0, 1))
    expect(len(out.splitlines()), wanted, f"grep -r in {directories[0]}, files with the word")
    return seconds


def ls_long(wanted, *directories):
    seconds, out = run(["ls", "-l", *directories], env={**os.environ, "LC_ALL": "C"})
    expect(sum(line.startswith(b"-") for line in out.splitlines()), wanted, f"ls -l {directories[0]}, files")
    return seconds


def find_size(wanted, directory):
    """`find -size` of all that is not empty; every file is."""
    seconds, out = run(["find", directory, "-type", "f", "-size", "+0"])
    expect(len(out.splitlines()), wanted, f"find -size in {directory}, files")
    return seconds


def bytes_below(directory):
    """What reading all files gives, whatever stat says of them."""
    _, out = run(["sh", "-c", 'find "$1" -type f -exec cat {} + | wc -c', "sh", directory])
    return int(out)


def first_line(command):
    """Seconds until the first line is on a terminal; then the program is ended."""
    master, slave = pty.openpty()
    start = time.monotonic()
    process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=slave,
                               stderr=subprocess.DEVNULL)
    os.close(slave)
    try:
        text = b""
        while b"\n" not in text:
            text += os.read(master, 4096)
        return time.monotonic() - start, text.partition(b"\n")[0].strip().decode(errors="replace")
    except OSError as error:
        raise Broken(f"{shlex.join(map(str, command))}: ended without a line") from error
    finally:
        process.terminate()
        process.wait(60)
        os.close(master)
