"""Filling a server and telling what it holds: the truth that a mount is compared with."""
import base64
import hashlib
import itertools
import re
import typing

BATCH_BYTES, BATCH_MESSAGES = 4 << 20, 200
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_LIST = re.compile(rb'\(([^)]*)\) (?:"(.)"|NIL) (.*)', re.S)


def encode_utf7(name):
    """A mailbox name as IMAP writes it (RFC 3501 section 5.1.3)."""
    out = ""
    for plain, run in itertools.groupby(name, lambda c: " " <= c <= "~"):
        text = "".join(run)
        if plain:
            out += text.replace("&", "&-")
        else:
            out += "&" + base64.b64encode(text.encode("utf-16-be")).decode().rstrip("=").replace("/", ",") + "-"
    return out


def decode_utf7(name):
    def undo(match):
        if not match[1]:
            return "&"
        text = match[1].replace(",", "/")
        return base64.b64decode(text + "=" * (-len(text) % 4)).decode("utf-16-be")
    return re.sub(r"&([^-]*)-", undo, name)


def quoted(name):
    return '"' + encode_utf7(name).replace("\\", "\\\\").replace('"', '\\"') + '"'


def internal_date(when):
    zone = when.strftime("%z") or "+0000"
    return f'"{when.day:2d}-{_MONTHS[when.month - 1]}-{when.year:04d} {when:%H:%M:%S} {zone}"'


def load(client, mails):
    """Puts (mailbox, date, flags, bytes) on the server, in their order, making mailboxes; returns how many."""
    count, many = 0, "MULTIAPPEND" in client.capability()[1][0].decode().upper()
    made = {"INBOX"}
    for mailbox, run in itertools.groupby(mails, lambda mail: mail[0]):
        if mailbox not in made:
            client.create(quoted(mailbox))
            client.subscribe(quoted(mailbox))
            made.add(mailbox)
        for batch in _batches(run, BATCH_MESSAGES if many else 1):
            _append(client, mailbox, batch)
            count += len(batch)
    return count


def _batches(mails, most):
    batch, size = [], 0
    for mail in mails:
        batch.append(mail)
        size += len(mail[3])
        if len(batch) >= most or size > BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _append(client, mailbox, batch):
    """One APPEND of many messages, its literals non-synchronising: imaplib itself knows neither."""
    tag = client._new_tag()
    parts = [tag, b" APPEND ", quoted(mailbox).encode()]
    for _, date, flags, data in batch:
        text = flags if isinstance(flags, str) else " ".join(flags or ())
        when = " " + internal_date(date) if date else ""
        parts += [f" ({text.strip('()')}){when} {{{len(data)}+}}\r\n".encode(), data]
    client.send(b"".join(parts) + b"\r\n")
    client.tagged_commands[tag] = None
    status, answer = client._command_complete("APPEND", tag)
    if status != "OK":
        raise RuntimeError(f"APPEND to {mailbox!r}: {answer}")


class Held(typing.NamedTuple):
    """One message as the server has it."""
    sha256: str
    size: int
    flags: frozenset
    ends_line: bool = True


def names(client):
    """Mailboxes that can be opened: shown path -> the server's name."""
    found = {}
    for line in client.list()[1]:
        if isinstance(line, tuple):
            line = line[0].rsplit(b"{", 1)[0] + line[1]
        attributes, _, name = _LIST.match(line).groups()
        if b"\\noselect" in attributes.lower():
            continue
        if name.startswith(b'"'):
            name = re.sub(rb"\\(.)", rb"\1", name[1:-1])
        shown = decode_utf7(name.decode())
        if shown == "INBOX" or shown.startswith("INBOX/"):
            shown = "Inbox" + shown[5:]
        found[shown] = name.decode()
    return found


def truth(client):
    """Everything: {shown path: {uid: Held}}. Opens read-only and peeks, so it changes nothing."""
    return {shown: messages(client, name) for shown, name in names(client).items()}


def messages(client, name):
    status, answer = client.select('"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"', readonly=True)
    if status != "OK":
        raise RuntimeError(f"EXAMINE {name!r}: {answer}")
    held = {}
    for part in client.uid("FETCH", "1:*", "(UID FLAGS BODY.PEEK[])")[1]:
        if isinstance(part, tuple):
            uid = int(re.search(rb"UID (\d+)", part[0])[1])
            flags = re.search(rb"FLAGS \(([^)]*)\)", part[0])[1].decode().split()
            held[uid] = Held(hashlib.sha256(part[1]).hexdigest(), len(part[1]), frozenset(flags) - {"\\Recent"},
                             part[1].endswith(b"\n"))
    return held


def flags(client):
    """{shown path: {uid: flags}} without the bodies."""
    found = {}
    for shown, name in names(client).items():
        client.select('"' + name.replace('"', '\\"') + '"', readonly=True)
        found[shown] = {int(re.search(rb"UID (\d+)", line)[1]):
                        frozenset(re.search(rb"FLAGS \(([^)]*)\)", line)[1].decode().split()) - {"\\Recent"}
                        for line in client.uid("FETCH", "1:*", "(UID FLAGS)")[1] if line}
    return found
