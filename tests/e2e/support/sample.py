"""Small, exact mail for tests that need to know what is where; tests/data makes the believable kind."""
import datetime

UTC = datetime.timezone.utc
START = datetime.datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)


def message(number=1, sender="Jane Doe <jane@example.org>", subject=None, size=500, extra=""):
    subject = f"number {number}" if subject is None else subject
    head = (f"From: {sender}\r\nTo: joe@example.org\r\nSubject: {subject}\r\nMessage-ID: <{number}@example.org>\r\n"
            f"Date: Mon, 6 May 2024 07:08:09 +0000\r\n{extra}\r\n").encode()
    line = f"needle{number} ".encode() + b"hay " * 15 + b"\r\n"
    body = (line * (max(0, size - len(head)) // len(line) + 1))[:max(0, size - len(head) - 2)]
    return head + body.rstrip(b"\r\n") + b"\r\n"


def few(count=5, mailbox="INBOX", size=500, flags=""):
    """count messages a minute apart, of sizes that differ."""
    return [(mailbox, START + datetime.timedelta(minutes=n), flags, message(n, size=size + 37 * n))
            for n in range(1, count + 1)]


def folders():
    """A few mailboxes, nested and in several scripts, with a few messages each."""
    mails = few(4) + few(3, "Archive") + few(2, "INBOX/Projects") + few(2, "INBOX/Projects/Büro") + few(2, "旅行")
    mails += [("INBOX", START, "\\Seen", message(100, subject="same")), ("INBOX", START, "", message(101, subject="same"))]
    return mails
