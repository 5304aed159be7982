"""What the benchmark measures against: a Dovecot with mail in it, and the link before it."""
import datetime
import json
import re
import signal
import socket
import subprocess

from tests.data import generate, real

BATCH = 64
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


def mail(count):
    """(kind, messages): the real corpus repeated with other Message-Ids, else generated mail."""
    if real.available():
        return "real", real.messages(count, mailbox="INBOX")
    return "generated", (m._replace(mailbox="INBOX") for m in generate.messages(count))


def fill(dovecot, user, messages):
    """APPENDs to the inbox, BATCH at a time (LITERAL+); returns how many and how many bytes."""
    with socket.create_connection((dovecot.host, dovecot.port), 60) as connection:
        answers = connection.makefile("rb")
        answers.readline()
        connection.sendall(b"L LOGIN %s %s\r\n" % (user.encode(), dovecot.password.encode()))
        _expect(answers, b"L")
        count = size = waiting = 0
        for one in messages:
            date = one.internaldate.astimezone(datetime.timezone.utc)
            when = f"{date.day:2d}-{MONTHS[date.month - 1]}-{date:%Y %H:%M:%S} +0000"
            connection.sendall(f'A{count} APPEND INBOX ({" ".join(one.flags)}) "{when}" '
                               f"{{{len(one.data)}+}}\r\n".encode() + one.data + b"\r\n")
            count, size, waiting = count + 1, size + len(one.data), waiting + 1
            if waiting == BATCH:
                _expect(answers, b"A%d" % (count - 1))
                waiting = 0
        if waiting:
            _expect(answers, b"A%d" % (count - 1))
    return count, size


def _expect(answers, tag):
    for line in answers:
        word, _, rest = line.partition(b" ")
        if word != b"*" and not rest.startswith(b"OK"):
            raise RuntimeError(f"the server says {line!r}")
        if word == tag:
            return
    raise RuntimeError("the server ended the connection")


class Link:
    """bench_link as a context: `.port` is where clients go; stop() says what crossed it."""

    def __init__(self, program, target, rtt, mbit):
        self.process = subprocess.Popen([program, "0", target, str(rtt), str(mbit)], stdout=subprocess.PIPE,
                                        text=True)
        self.port = int(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.report = json.loads(self.process.stdout.readline() or "{}")
            self.process.wait(10)
        self.process.stdout.close()
        return self.report


def resident_kib(pid):
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1))
