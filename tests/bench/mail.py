"""The mail that is measured: real where it is at hand, else generated; every 97th ends in a word of its own,
so that grep has to read everything, and its finds can be counted."""
import datetime
import socket

from tests.data import Mail, generate, real

from .commands import Broken

BATCH = 64
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
WORD = "zq-a-word-of-the-benchmark-qz"
EVERY = 97
START = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)


def kind():
    return "real" if real.available() else "generated"


def messages(count, mailbox="INBOX"):
    if real.available():
        mails = real.messages(count, mailbox=mailbox)
    else:
        mails = (one._replace(mailbox=mailbox) for one in generate.messages(count))
    for index, one in enumerate(mails):
        yield one._replace(data=one.data + b"\r\n" + WORD.encode() + b"\r\n") if index % EVERY == 0 else one


def marked(count):
    """How many of the first `count` hold the word."""
    return (count + EVERY - 1) // EVERY


def short(count, first=0, mailbox="INBOX"):
    """Many, quickly made and small: for what looks at headers alone."""
    for n in range(first, first + count):
        data = (f"Date: Wed, 1 Jan 2020 00:00:00 +0000\r\nFrom: Writer {n % 977} <w{n % 977}@example.org>\r\n"
                f"To: Robin Meyer <robin@example.org>\r\nSubject: About the matter number {n}\r\n"
                f"Message-ID: <{n}@many.example.org>\r\n\r\nThe matter stands as it did.\r\n").encode()
        yield Mail(mailbox, START + datetime.timedelta(minutes=n), ("\\Seen",) if n % 3 else (), data)


def fill(dovecot, user, mails):
    """APPENDs, BATCH at a time (LITERAL+); returns how many and how many bytes."""
    with socket.create_connection((dovecot.host, dovecot.port), 60) as connection:
        answers = connection.makefile("rb")
        answers.readline()
        connection.sendall(b"L LOGIN %s %s\r\n" % (user.encode(), dovecot.password.encode()))
        _expect(answers, b"L")
        count = size = 0
        waiting = []
        for one in mails:
            date = one.internaldate.astimezone(datetime.timezone.utc)
            when = f"{date.day:2d}-{MONTHS[date.month - 1]}-{date:%Y %H:%M:%S} +0000"
            waiting.append(f'A{count} APPEND "{one.mailbox}" ({" ".join(one.flags)}) "{when}" '
                           f"{{{len(one.data)}+}}\r\n".encode() + one.data + b"\r\n")
            count, size = count + 1, size + len(one.data)
            if len(waiting) == BATCH:
                connection.sendall(b"".join(waiting))
                waiting.clear()
                _expect(answers, b"A%d" % (count - 1))
        if waiting:
            connection.sendall(b"".join(waiting))
            _expect(answers, b"A%d" % (count - 1))
    return count, size


def bytes_held(dovecot, user, mailbox="INBOX"):
    """What the server says that all of a mailbox's messages are together (STATUS SIZE, RFC 8438)."""
    with socket.create_connection((dovecot.host, dovecot.port), 60) as connection:
        answers = connection.makefile("rb")
        answers.readline()
        connection.sendall(b'L LOGIN %s %s\r\nS STATUS "%s" (SIZE)\r\n'
                           % (user.encode(), dovecot.password.encode(), mailbox.encode()))
        for line in answers:
            if line.startswith(b"* STATUS"):
                return int(line.split(b"(SIZE ")[1].rstrip(b")\r\n"))
            if line.startswith(b"S "):
                break
    raise Broken("the server does not say how large a mailbox is")


def _expect(answers, tag):
    for line in answers:
        word, _, rest = line.partition(b" ")
        if word != b"*" and not rest.startswith(b"OK"):
            raise Broken(f"the server says {line!r}")
        if word == tag:
            return
    raise Broken("the server ended the connection")
