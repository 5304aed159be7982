"""What the service does to a message that is appended: it keeps the message, not its bytes.

Headers are added, a missing MIME-Version too; text in 7bit or 8bit becomes quoted-printable, so long
lines fold; base64 is wrapped anew. A reader that undoes the encodings finds what was sent. What is no
MIME (a boundary that never comes, a header that is none) is left alone.
"""
import base64
import binascii
import re
import uuid

ADDED = (b"X-MS-Has-Attach: ", b"X-MS-TNEF-Correlator: ", b"X-MS-Exchange-Organization-RecordReviewCfmType: 0")
DEPTH = 16     # of parts in parts; below that they stay as they are
BASE64_COLUMNS = 64
_FIELD = re.compile(rb"([!-9;-~]+):[ \t]*((?:[^\r]|\r\n)*)")
_BOUNDARY = re.compile(rb'boundary[ \t]*=[ \t]*(?:"([^"]+)"|([^\s;"]+))', re.I)


def rewrite(data, new_id=False):
    """The message as the service stores it; new_id: with a Message-ID of its own."""
    data = re.sub(rb"(?<!\r)\n", b"\r\n", data)  # as the backend would
    head, gap, body = _split(data)
    fields = _fields(head)
    if fields is None:
        return b"".join(field + b"\r\n" for field in ADDED) + data
    if new_id:
        fields = [f for f in fields if _name(f) != b"message-id"]
        fields.append(b"Message-ID: <%s@emulated.example.org>" % uuid.uuid4().hex.upper().encode())
    if _value(fields, b"mime-version") is None:
        fields.append(b"MIME-Version: 1.0")
    fields, body = _entity(fields, body, 0)
    return b"\r\n".join([*fields, *ADDED]) + (gap or b"\r\n\r\n") + body


def _split(data):
    if data.startswith(b"\r\n"):
        return b"", b"\r\n", data[2:]
    head, gap, body = data.partition(b"\r\n\r\n")
    return (head, gap, body) if gap else (data.removesuffix(b"\r\n"), b"", b"")


def _fields(head):
    """Fields, folded as they are; None where the header is none."""
    if not head:
        return []
    fields = re.split(rb"\r\n(?![ \t])", head)
    return fields if all(_FIELD.fullmatch(field) for field in fields) else None


def _name(field):
    return _FIELD.fullmatch(field)[1].lower()


def _value(fields, name):
    return next((_FIELD.fullmatch(f)[2].strip() for f in fields if _name(f) == name), None)


def _entity(fields, body, depth):
    """One part's (fields, body), its own parts included."""
    kind = (_value(fields, b"content-type") or b"text/plain").lower()
    encoding = (_value(fields, b"content-transfer-encoding") or b"7bit").lower()
    if kind.startswith(b"multipart/"):
        boundary = _BOUNDARY.search(_value(fields, b"content-type"))
        if boundary and depth < DEPTH:
            return fields, _parts(body, boundary[1] or boundary[2], depth)
    elif encoding == b"base64":
        return fields, _wrapped(body)
    elif kind.startswith(b"text/") and encoding in (b"7bit", b"8bit"):
        fields = [f for f in fields if _name(f) != b"content-transfer-encoding"]
        return [*fields, b"Content-Transfer-Encoding: quoted-printable"], _quoted_printable(body)
    return fields, body


def _parts(body, boundary, depth):
    pieces = re.split(rb"((?:^|\r\n)--%s(?:--)?[ \t]*(?:\r\n|$))" % re.escape(boundary), body)
    for place in range(2, len(pieces) - 1, 2):
        if pieces[place - 1].strip().endswith(boundary + b"--"):
            break
        head, gap, text = _split(pieces[place])
        fields = _fields(head)
        if gap and fields is not None:
            fields, text = _entity(fields, text, depth + 1)
            pieces[place] = b"".join(f + b"\r\n" for f in fields) + b"\r\n" + text
    return b"".join(pieces)


def _wrapped(body):
    text = b"".join(body.split())
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error:
        return body
    lines = [text[at:at + BASE64_COLUMNS] for at in range(0, len(text), BASE64_COLUMNS)]
    return b"\r\n".join(lines) + (b"\r\n" if body.endswith(b"\r\n") else b"")


def _quoted_printable(body):
    # Line by line: undoing it then gives back every byte, a bare CR included.
    return b"\r\n".join(binascii.b2a_qp(line, istext=False).replace(b"=\n", b"=\r\n") for line in body.split(b"\r\n"))
