"""From text to bytes: encoded header fields and MIME parts, for generate.py.

Own code, not the email package: ten thousand messages are to take a few seconds, and programs write
mail in more ways than one library does. Every header line here is ASCII; every line ends in CRLF.
"""
import base64
import binascii
import functools

PLAIN = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 !#$%&'*+-/=?^_`{|}~.")


@functools.lru_cache(maxsize=4096)
def words(text, charset):
    """A text as RFC 2047 encoded words (no character cut in two), or itself where it is ASCII."""
    if text.isascii():
        return text
    quoted = charset.startswith(("iso-8859", "windows-125")) and charset not in ("iso-8859-7", "iso-8859-8")
    room = 15 if quoted else 36
    pieces, piece = [], ""
    for character in text:
        if piece and len((piece + character).encode(charset)) > room:
            pieces.append(piece)
            piece = ""
        piece += character
    pieces.append(piece)
    return "\r\n ".join(_word(piece.encode(charset), charset, quoted) for piece in pieces)


def _word(data, charset, quoted):
    if quoted:
        body = "".join(chr(b) if 48 <= b <= 57 or 65 <= b <= 90 or 97 <= b <= 122 else "_" if b == 32 else f"={b:02X}"
                       for b in data)
        return f"=?{charset}?Q?{body}?="
    return f"=?{charset}?B?{base64.b64encode(data).decode()}?="


@functools.lru_cache(maxsize=4096)
def address(name, mail, charset):
    if not name:
        return mail
    if name.isascii():
        if not PLAIN.issuperset(name) or "." in name:
            name = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return f"{name} <{mail}>"
    return f"{words(name, charset)} <{mail}>"


def text_part(text, subtype, charset, dice):
    """(header lines, body) of a text in its charset, in a transfer encoding that suits it."""
    data = text.replace("\n", "\r\n").encode(charset, "replace")
    if charset in ("us-ascii", "iso-2022-jp"):
        encoding = "7bit"
    elif charset in ("utf-8", "gb18030", "gb2312", "big5", "koi8-r", "windows-1251") and dice.random() < 0.5:
        encoding, data = "base64", base64_lines(data)
    elif dice.random() < 0.15:
        encoding = "8bit"
    else:
        encoding, data = "quoted-printable", _crlf(binascii.b2a_qp(data, istext=True))
    return [f"Content-Type: text/{subtype}; charset={charset}", f"Content-Transfer-Encoding: {encoding}"], data


def base64_lines(data):
    return base64.encodebytes(data).replace(b"\n", b"\r\n")


def _crlf(data):
    return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def file_part(name, kind, data, charset="utf-8", inline=False):
    if name.isascii():
        type_name, file_name = f'name="{name}"', f'filename="{name}"'
    else:  # RFC 2231 where programs are new, RFC 2047 in name= where they are not
        percent = "".join(chr(b) if b in b"abcdefghijklmnopqrstuvwxyz0123456789.-" else f"%{b:02X}" for b in name.encode())
        type_name, file_name = f'name="{words(name, charset)}"', f"filename*=utf-8''{percent}"
    return [f"Content-Type: {kind};\r\n {type_name}", "Content-Transfer-Encoding: base64",
            f"Content-Disposition: {'inline' if inline else 'attachment'};\r\n {file_name}"], base64_lines(data)


def multipart(subtype, parts, dice, extra=""):
    boundary = f"=_{dice.getrandbits(96):024x}"
    out = bytearray()
    for head, body in parts:
        out += f"--{boundary}\r\n".encode() + "\r\n".join(head).encode() + b"\r\n\r\n" + body
        if not body.endswith(b"\r\n"):
            out += b"\r\n"
    out += f"--{boundary}--\r\n".encode()
    return [f"Content-Type: multipart/{subtype}; {extra}boundary=\"{boundary}\""], bytes(out)


def message(fields, part):
    """The whole: (name, value) fields, then MIME-Version and the part."""
    head, body = part
    lines = [f"{name}: {value}" for name, value in fields]
    return "\r\n".join(lines + ["MIME-Version: 1.0"] + head).encode("ascii") + b"\r\n\r\n" + body
