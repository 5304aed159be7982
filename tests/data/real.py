"""Real mail: the SpamAssassin public corpus as scripts/corpus leaves it in .corpus/.

The npm package keeps each message as the bytes that its author received, in data/GROUP/NUMBER.MD5.txt:
LF line ends, most with the "From " line of an mbox before the first header, 500 of them not UTF-8.
(The .json beside each has been through a UTF-8 decoder and lost bytes; it is not used.) Here the mbox
line goes and LF becomes CRLF; stray CRs and 8-bit bytes stay, for they are what makes the corpus good.

`messages(count)` repeats the corpus with other Message-Ids until there are `count`.

    python3 -m tests.data.real          says whether the corpus is there and how much it holds
"""
import datetime
import email.utils
import hashlib
import pathlib
import re
import sys

from . import Mail

ROOT = pathlib.Path(__file__).resolve().parents[2]
DIRECTORY = ROOT / ".corpus" / "spam-assassin"
COUNT = 6046
MAILBOXES = {"easy-ham-1": "INBOX", "easy-ham-2": "Archive", "hard-ham-1": "Newsletters",
             "spam-1": "Junk", "spam-2": "Junk"}
EARLIEST = datetime.datetime(2001, 1, 1, tzinfo=datetime.timezone.utc)
LATEST = datetime.datetime(2003, 1, 1, tzinfo=datetime.timezone.utc)
MESSAGE_ID = re.compile(rb"^(message-id:\s*<)([^>\r\n]*)>", re.IGNORECASE | re.MULTILINE)
DATE = re.compile(rb"^date:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)


def available(directory=DIRECTORY):
    return directory.is_dir()


def messages(count=None, mailbox=None, directory=DIRECTORY):
    """Yields `count` messages (default: each once); all of them into `mailbox` where one is named."""
    files = sorted(directory.glob("*/*.txt"))
    if len(files) != COUNT:
        raise FileNotFoundError(f"{directory}: {len(files)} messages where {COUNT} belong; run scripts/corpus")
    for index in range(COUNT if count is None else count):
        path = files[index % COUNT]
        data = to_wire(path.read_bytes())
        turn = index // COUNT
        if turn:
            data = with_other_id(data, turn)
        yield Mail(mailbox or MAILBOXES[path.parent.name], date_of(data, index), flags_of(path, turn), data)


def to_wire(raw):
    """What a server would have stored of this file."""
    if raw.startswith(b"From "):
        raw = raw[raw.index(b"\n") + 1:]
    return raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def with_other_id(data, turn):
    """The same message under another Message-Id, so that no two are equal."""
    head, _, _ = data.partition(b"\r\n\r\n")
    found = MESSAGE_ID.search(head)
    if not found:
        return b"Message-Id: <turn-%d@repeat.invalid>\r\n" % turn + data
    end = found.end(2)
    return data[:end] + b".%d" % turn + data[end:]


def date_of(data, index):
    """The Date header where it is believable, else a date made of the place in the corpus."""
    head, _, _ = data.partition(b"\r\n\r\n")
    found = DATE.search(head)
    if found:
        try:
            date = email.utils.parsedate_to_datetime(found.group(1).decode("latin-1"))
            if date.tzinfo is None:
                date = date.replace(tzinfo=datetime.timezone.utc)
            if EARLIEST <= date <= LATEST:
                return date.replace(microsecond=0)
        except (ValueError, TypeError, OverflowError):
            pass
    return EARLIEST + datetime.timedelta(minutes=7 * index)


def flags_of(path, turn):
    """About what a lived-in mailbox has; a function of the file's name."""
    dice = hashlib.md5(f"{path.name}{turn}".encode()).digest()[0]
    flags = ("\\Seen",) if dice < 200 else ()
    return flags + (("\\Answered",) if dice < 30 else ()) + (("\\Flagged",) if dice % 25 == 0 else ())


def main():
    if not available():
        sys.exit("the corpus is not here: run scripts/corpus")
    total = sizes = 0
    for mail in messages():
        total += 1
        sizes += len(mail.data)
    print(f"{total} messages, {sizes} bytes")


if __name__ == "__main__":
    main()
