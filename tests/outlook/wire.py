"""IMAP's framing and just enough of its grammar, both ways.

A response is a list of pieces: text, literal, text, literal, ..., text. A text that is followed by a
literal ends in its `{n}`; no piece holds the line end. Literals are cut out of the stream whole, by
length, never looked at: a mailbox passes at the speed of memory, not of lines.
"""
import re

_LITERAL = re.compile(rb"\{(\d+)\}$")
_FETCH = re.compile(rb"\* (\d+) FETCH \(")
_NAME = re.compile(rb"[A-Za-z0-9.]+(?:\[[^\]]*\])?(?:<\d+>)?")
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|\{\d+\}$|[()]|[^ ()"{]+| +|.')
_ARGUMENT = re.compile(rb'"((?:[^"\\]|\\.)*)"|\{(\d+)\+?\}$|([^ ]+)')


class Splitter:
    """Bytes in by feed(), whole responses out."""

    def __init__(self):
        self._buffer = bytearray()
        self._pieces = []
        self._need = None  # bytes of the literal that is being waited for
        self._scanned = 0

    def feed(self, data):
        buffer = self._buffer
        buffer += data
        units, start = [], 0
        while True:
            if self._need is not None:
                if len(buffer) - start < self._need:
                    break
                self._pieces.append(bytes(buffer[start:start + self._need]))
                start += self._need
                self._need, self._scanned = None, 0
            end = buffer.find(b"\n", max(start, self._scanned))
            if end < 0:
                self._scanned = len(buffer)
                break
            line = bytes(buffer[start:end - 1 if end > start and buffer[end - 1] == 13 else end])
            start, self._scanned = end + 1, 0
            self._pieces.append(line)
            match = _LITERAL.search(line) if line.endswith(b"}") else None
            if match:
                self._need = int(match[1])
            else:
                units.append(self._pieces)
                self._pieces = []
        if start:
            del buffer[:start]
            self._scanned = max(0, self._scanned - start)
        return units


def render(pieces, extra=b""):
    """The bytes of a response or command; extra is `+` to make its literals non-synchronising."""
    if len(pieces) == 1:
        return pieces[0] + b"\r\n"
    out = []
    for index, piece in enumerate(pieces):
        if index % 2:
            out.append(piece)
            continue
        if index + 1 < len(pieces) and extra:
            piece = piece.rstrip(b"+}") + extra + b"}"
        out.append(piece)
        out.append(b"\r\n")
    return b"".join(out)


def parse_fetch(pieces):
    """(sequence number, [(NAME, value pieces)]) of a FETCH response; None for anything else."""
    head = _FETCH.match(pieces[0])
    if not head:
        return None
    items, at, text, pos = [], 0, pieces[0], head.end()
    while text[pos:pos + 1] != b")":
        if text[pos:pos + 1] == b" ":
            pos += 1
            continue
        name = _NAME.match(text, pos)
        if not name:
            return None
        pos = begin = name.end() + 1
        value, depth = [], 0
        while True:
            token = _TOKEN.match(text, pos)
            if not token:
                return None
            pos, first = token.end(), token[0][:1]
            if first == b"(":
                depth += 1
            elif first == b")":
                depth -= 1
            elif first == b"{" and pos == len(text) and at + 2 < len(pieces):
                value += [text[begin:pos], pieces[at + 1]]
                at, pos, begin = at + 2, 0, 0
                text = pieces[at]
            if depth <= 0 and first != b" ":
                break
        value.append(text[begin:pos])
        items.append((name[0].upper(), value))
    return int(head[1]), items


def render_fetch(sequence, items):
    """Pieces of a FETCH response, the other way round."""
    pieces, text = [], b"* %d FETCH (" % sequence
    for index, (name, value) in enumerate(items):
        text += (b" " if index else b"") + name + b" " + value[0]
        for place in range(1, len(value), 2):
            pieces += [text, value[place]]
            text = value[place + 1]
    pieces.append(text + b")")
    return pieces


def literal(data):
    """A FETCH value that is one literal."""
    return [b"{%d}" % len(data), data, b""]


def uid_set(text):
    """`1,4:6` as a list in its order; ranges without `*`."""
    found = []
    for part in text.split(b","):
        first, _, last = part.partition(b":")
        first, last = int(first), int(last or first)
        found += range(first, last + 1) if first <= last else range(first, last - 1, -1)
    return found


def replace_argument(pieces, index, value):
    """The command with another value, quoted, as its index-th argument."""
    quoted, count = b'"' + re.sub(rb'(["\\])', rb"\\\1", value) + b'"', 0
    for place in range(0, len(pieces), 2):
        for match in _ARGUMENT.finditer(pieces[place]):
            if count == index:
                head, tail = pieces[place][:match.start()] + quoted, pieces[place][match.end():]
                if match[2] is None:
                    return [*pieces[:place], head + tail, *pieces[place + 1:]]
                return [*pieces[:place], head + pieces[place + 2], *pieces[place + 3:]]
            count += 1
    return pieces


def arguments(pieces):
    """The values of a command's arguments, at the top level; the words of a list count one by one."""
    found = []
    for index in range(0, len(pieces), 2):
        for match in _ARGUMENT.finditer(pieces[index]):
            if match[1] is not None:
                found.append(re.sub(rb"\\(.)", rb"\1", match[1], flags=re.S))
            elif match[2] is not None and index + 1 < len(pieces):
                found.append(pieces[index + 1])
            else:
                found.append(match[0])
    return found
