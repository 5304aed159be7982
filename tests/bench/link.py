"""bench_link, the delayed and narrow way to a server, as a context; and whether it keeps its rate."""
import json
import signal
import socket
import subprocess
import threading
import time

from .commands import Broken

LEAST = 0.97  # of its nominal rate
SECONDS = 0.8  # that a trial takes
TRIALS = 5


class Link:
    """`.port` is where clients go."""

    def __init__(self, program, target, rtt, mbit):
        self.rtt = rtt / 1000  # seconds
        self.process = subprocess.Popen([program, "0", target, str(rtt), str(mbit)], stdout=subprocess.PIPE,
                                        text=True)
        self.port = int(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """What crossed it: {"up": bytes, "down": bytes, "cpu_s": seconds}."""
        self.process.send_signal(signal.SIGTERM)
        report = json.loads(self.process.stdout.readline() or "{}")
        self.process.wait(10)
        self.process.stdout.close()
        return report


def delivered(program, rtt, mbit):
    """The part of its nominal rate that a link delivers, at least LEAST; the best of a few trials, since
    only an idle machine shows what a link can do."""
    best = 0
    for _ in range(TRIALS):
        best = max(best, _trial(program, rtt, mbit))
        if best >= LEAST:
            return best
    raise Broken(f"the link delivers {best:.1%} of {mbit:g} Mbit/s")


def _trial(program, rtt, mbit):
    size = int(mbit * 1e6 / 8 * SECONDS)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def send():
            connection, _ = listener.accept()
            with connection:
                connection.sendall(bytes(size))
        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        with Link(program, f"127.0.0.1:{listener.getsockname()[1]}", rtt, mbit) as link:
            with socket.create_connection(("127.0.0.1", link.port), 30) as client:
                seconds = _receive(client, size)
        sender.join(10)
    return size * 8 / 1e6 / seconds / mbit


def _receive(client, size):
    """Seconds from the first byte to the last; the first chunk's own time is added back by its share."""
    first = client.recv(65536)
    start, rest = time.monotonic(), size - len(first)
    while rest:
        got = len(client.recv(65536))
        if not got:
            raise Broken("the link ended early")
        rest -= got
    return (time.monotonic() - start) * size / (size - len(first))
