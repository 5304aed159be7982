"""Mail made by hand to be hard: each message has one thing wrong or rare about it, named by its name.

`HARD` is the list; `messages(mailbox)` gives them as tests.data.Mail. `big_attachment()` makes a 20 MB
message when called. A message is bytes as a server may hold them, so some break RFC 5322 on purpose.

What a test compares is what the server returns, which need not be what was put in. Measured with Dovecot
2.3.19: APPEND turns LF alone into CRLF and drops CRs before a CRLF; NUL comes out as 0x80 whether it came by
APPEND or lay in a Maildir file; an empty message is refused by APPEND and shown when it is a file. So `via`:
  "append"   by APPEND.
  "server"   has a NUL: by APPEND too, but only a scripted server can send it back as it is.
  "file"     by a file in a Maildir alone.
"""
import base64
import datetime
import random
import typing

from . import Mail

UTC = datetime.timezone.utc
START = datetime.datetime(2024, 2, 29, 12, 0, tzinfo=UTC)
SAME_SECOND = datetime.datetime(2024, 3, 1, 9, 15, 30, tzinfo=UTC)


class Hard(typing.NamedTuple):
    name: str
    data: bytes
    date: datetime.datetime | None = None  # INTERNALDATE; None: one of its own
    flags: tuple[str, ...] = ()
    via: str = "append"


def plain(subject, sender=b"Hard Case <hard@example.com>", body=b"Text.\r\n", extra=b"", date=b"Thu, 29 Feb 2024 12:00:00 +0000"):
    """A small message; None leaves a field out."""
    out = b""
    for name, value in ((b"Date", date), (b"From", sender), (b"To", b"me@example.com"), (b"Subject", subject)):
        if value is not None:
            out += name + b": " + value + b"\r\n"
    return out + extra + b"\r\n" + body


def word(text, charset, kind="B"):
    data = text if isinstance(text, bytes) else text.encode(charset)
    if kind == "B":
        return b"=?%s?B?%s?=" % (charset.encode(), base64.b64encode(data))
    return b"=?%s?Q?%s?=" % (charset.encode(), b"".join(b"=%02X" % byte for byte in data))


def subjects():
    """name -> subject: the encodings of RFC 2047, right and wrong."""
    split = "naïve €".encode()
    return {
        "utf8-b": word("Grüße aus Köln", "utf-8"),
        "utf8-q": b"=?UTF-8?Q?Stra=C3=9Fenbahn_und_Caf=C3=A9?=",
        "latin1-q": word("Übermäßig", "iso-8859-1", "Q"),
        "iso-2022-jp": word("会議の日程", "iso-2022-jp"),
        "koi8-r": word("Привет, мир", "koi8-r"),
        "gb2312": word("会议通知", "gb2312"),
        "big5": word("會議通知", "big5"),
        "windows-1252": word("“quoted” – 5 €", "windows-1252", "Q"),
        "windows-1256": word("مرحبا", "windows-1256"),
        "euc-kr": word("안녕하세요", "euc-kr"),
        "shift-jis": word("請求書ソース", "shift_jis"),
        "utf-7": b"=?utf-7?Q?+2D3cqQ-?=",
        "language-tag": b"=?utf-8*en?Q?tagged_=E2=82=AC?=",
        "lower-case": b"=?utf-8?b?R3LDvMOfZQ==?= =?utf-8?q?_kl=c3=bc?=",
        "two-charsets": word("Один", "koi8-r") + b" " + word("zwölf", "iso-8859-1", "Q"),
        "split-inside-character": b"=?utf-8?B?%s?=\r\n =?utf-8?B?%s?=" % (
            base64.b64encode(split[:3]), base64.b64encode(split[3:])),
        "unknown-charset": b"=?x-klingon?B?R3LDvMOfZQ==?=",
        "empty-charset": b"=??Q?nothing?=",
        "bad-base64": b"=?utf-8?B?@@@not/base64===?=",
        "short-base64": b"=?utf-8?B?R3L?=",
        "bad-quoted": b"=?utf-8?Q?=ZZ=4?=",
        "unclosed-word": b"=?utf-8?Q?never closed",
        "spaces-inside-word": b"=?utf-8?Q?with raw spaces?=",
        "not-a-word": b"1=?2?3?=4 ?==?",
        "glued-words": b"=?utf-8?Q?one?==?utf-8?Q?two?=tail",
        "long-word": b"=?utf-8?B?" + base64.b64encode("lang ".encode() * 60) + b"?=",
        "raw-utf8": "Grüße, roh 8 Bit".encode(),
        "raw-latin1": "Grüße, latin1".encode("latin-1"),
        "raw-cut-utf8": b"cut \xe2\x82",
        "raw-overlong": b"overlong \xc0\xaf\xc0\xae",
        "raw-surrogate": b"surrogate \xed\xa0\x80",
        "empty": b"",
        "blanks": b"   \t ",
        "long-300": b"x" * 300,
        "long-300-wide": word("語" * 100, "utf-8"),
        "folded": b"one\r\n two\r\n\tthree",
        "folded-empty": b"\r\n \r\n late",
        "encoded-newline": b"=?utf-8?Q?first=0D=0ABcc:_x@example.com?=",
        "encoded-nul": b"=?utf-8?Q?before=00after?=",
        "bidi": word("\u202egpj.exe", "utf-8"),
        "bidi-isolates": word("\u2066a\u2069\u200fb\u061c", "utf-8"),
        "escape": b"=?utf-8?Q?=1B[31mred=1B]0;title=07=1B[0m?=",
        "raw-escape": b"\x1b[2Jraw\x07",
        "c1-controls": b"=?utf-8?Q?=C2=9B31mC1?=",
        "path": b"../../etc/passwd",
        "absolute": b"/etc/shadow",
        "dots": b"..",
        "dot": b".",
        "dot-name": b".hidden",
        "option": b"-rf",
        "encoded-slash": b"=?utf-8?Q?a=2Fb=2F..=2Fc?=",
        "shell": b"$(reboot) `id`; rm * | cat > \"x\" & 'y' \\ !",
        "glob": b"*?[a-z]{x,y}~",
        "percent": b"%s%n%d 100%",
        "zero-width": word("in\u200bvis\u200cib\u200dle\ufeff", "utf-8"),
        "only-zero-width": word("\u200b\u200d", "utf-8"),
        "tags": word("a\U000e0041\U000e0042b", "utf-8"),
        "decomposed": word("Cafe\u0301 Zoe\u0308", "utf-8"),
        "composed": word("Café Zoë", "utf-8"),
        "many-marks": word("a" + "\u0301" * 50, "utf-8"),
        "leading-mark": word("\u0301acute", "utf-8"),
        "emoji-zwj": word("Family 👨‍👩‍👧‍👦 🏳️‍🌈", "utf-8"),
        "noncharacters": word("a\uffffb\ufdd0c", "utf-8"),
        "private-use": word("a\ue000b", "utf-8"),
        "fullwidth-slash": word("a/b∕c⁄d", "utf-8"),
        "ideographic-space": word("前 後", "utf-8"),
        "nbsp-and-lines": word("a\u00a0b\u2028c\u2029d\u0085e", "utf-8"),
        "turkish": word("İstanbul ısı", "utf-8"),
        "punctuation": b"!?!?...---",
        "astral": word("𝔣𝔯𝔞𝔨 𐍈", "utf-8"),
        "scratch-like": b"draft.tmp",
        "tilde": b"report~4711",
        "eml": b"report.eml",
    }


def senders():
    return {
        "no-from": None,
        "empty": b"",
        "blanks": b"  ",
        "bare": b"bare@example.com",
        "quoted": b'"Doe, Jane \\"JD\\"" <jane@example.com>',
        "comment": b"jane@example.com (Jane Comment)",
        "encoded": word("Łukasz Żółw", "iso-8859-2", "Q") + b" <l@example.com>",
        "encoded-in-quotes": b'"=?utf-8?Q?J=C3=BCrgen?=" <j@example.com>',
        "raw-utf8": "Jürgen Größe <j@example.com>".encode(),
        "raw-latin1": "Jürgen <j@example.com>".encode("latin-1"),
        "two": b"First <a@example.com>, Second <b@example.com>",
        "group": b"Team: a@example.com, b@example.com;",
        "empty-group": b"Undisclosed recipients:;",
        "empty-angle": b"<>",
        "name-only": b"Just A Name",
        "unclosed": b"Jane <jane@example.com",
        "unclosed-quote": b'"Jane <jane@example.com>',
        "no-domain": b"Postmaster <postmaster>",
        "route": b"<@relay.example,@hop.example:jane@example.com>",
        "idn": "jane@bücher.example".encode(),
        "long": b"N" * 400 + b" <n@example.com>",
        "option": b'"-rf --no-preserve-root" <x@example.com>',
        "path": b'"../../etc/passwd" <../../x@example.com>',
        "dots": b'".." <..@example.com>',
        "escape": b"=?utf-8?Q?=1B[2J=07Bell?= <bell@example.com>",
        "bidi": word("\u202emoc.elpmaxe", "utf-8") + b" <evil@example.com>",
        "newline": b"=?utf-8?Q?a=0Ab?= <n@example.com>",
        "slash-nul": b"=?utf-8?Q?a=2Fb=00c?= <sn@example.com>",
        "punctuation": b'"!!!" <p@example.com>',
        "zero-width": word("\u200b", "utf-8") + b" <z@example.com>",
        "twice": b"One <one@example.com>\r\nFrom: Two <two@example.com>",
        "many": b", ".join(b"Person %d <p%d@example.com>" % (n, n) for n in range(400)),
    }


def nested(depth, inner=b"Content-Type: text/plain\r\n\r\nThe bottom.\r\n"):
    """`depth` multiparts, one in the other."""
    for level in range(depth):
        mark = b"b%d" % level
        inner = (b'Content-Type: multipart/mixed; boundary="' + mark + b'"\r\n\r\n--' + mark + b"\r\n" + inner
                 + b"\r\n--" + mark + b"--\r\n")
    return b"Date: Thu, 29 Feb 2024 12:00:00 +0000\r\nFrom: nest@example.com\r\nSubject: nested %d\r\nMIME-Version: 1.0\r\n" % depth + inner


def forwarded(depth):
    """message/rfc822 in message/rfc822 ..."""
    data = plain(b"the innermost")
    for level in range(depth):
        data = plain(b"forwarded %d" % (level + 1), body=data, extra=b"MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n")
    return data


def bodies():
    """Whole messages."""
    alone = b"From: e@example.com\r\nSubject: "
    mime = b"MIME-Version: 1.0\r\nContent-Type: "
    return {
        "nested-1": nested(1), "nested-20": nested(20), "nested-120": nested(120),
        "rfc822-1": forwarded(1), "rfc822-20": forwarded(20),
        "empty-body": plain(b"empty body", body=b""),
        "headers-only": alone + b"headers only\r\n",
        "headers-unended": alone + b"no line end",
        "body-only": b"\r\nNo header at all, only this line.\r\n",
        "not-a-header": b"This text has no header and no empty line.\r\nSecond line.\r\n",
        "no-line-end": plain(b"no line end", body=b"the last line has no end"),
        "one-byte": b"x",
        "one-line-end": b"\r\n",
        "cr-alone": plain(b"cr alone", body=b"one\rtwo\rthree\r"),
        "cr-in-header": b"From: cr@example.com\r\nSubject: cr\rin header\r\n\r\nText.\r\n",
        "lf-alone": b"From: lf@example.com\nSubject: lf alone\n\none\ntwo\n",
        "mixed-line-ends": plain(b"mixed line ends", body=b"crlf\r\nlf\ncr\rlfcr\n\rcrcrlf\r\r\n"),
        "long-line": plain(b"a line of 100 KB", body=b"y" * 100_000 + b"\r\n"),
        "long-header-line": plain(b"z" * 100_000),
        "many-received": plain(b"many hops", extra=b"".join(
            b"Received: from h%d.example by h%d.example; Thu, 29 Feb 2024 11:00:00 +0000\r\n" % (n, n + 1) for n in range(300))),
        "many-headers": plain(b"many headers", extra=b"".join(b"X-Field-%d: value %d\r\n" % (n, n) for n in range(5000))),
        "from-line": b"From someone@example.com Thu Feb 29 12:00:00 2024\r\n" + plain(b"an mbox line first"),
        "from-in-body": plain(b"From in the body", body=b"\r\nFrom here on.\r\n>From there.\r\n.\r\n..\r\n"),
        "tag-lookalike": plain(b"answers in the body", body=b"* 1 FETCH (UID 1)\r\nA1 OK done\r\n+ go\r\n{3}\r\nabc)\r\n* BYE\r\n"),
        "space-before-colon": b"From : s@example.com\r\nSubject : space before colon\r\n\r\nText.\r\n",
        "bad-header-line": b"From: b@example.com\r\nno colon here\r\nSubject: after a bad line\r\n\r\nText.\r\n",
        "blank-name": b": no name\r\nSubject: a field without a name\r\n\r\nText.\r\n",
        "two-subjects": plain(b"the first subject", extra=b"Subject: the second subject\r\n"),
        "starts-folded": b"  folded first line\r\nSubject: starts with a fold\r\n\r\nText.\r\n",
        "binary": plain(b"all bytes but NUL", body=bytes(range(1, 256)) * 4 + b"\r\n",
                        extra=mime + b"application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n"),
        "no-boundary": plain(b"multipart without boundary", extra=mime + b"multipart/mixed\r\n"),
        "empty-boundary": plain(b"empty boundary", extra=mime + b'multipart/mixed; boundary=""\r\n', body=b"--\r\n\r\na\r\n----\r\n"),
        "unended-multipart": plain(b"multipart cut short", extra=mime + b"multipart/mixed; boundary=q\r\n",
                                   body=b"--q\r\nContent-Type: text/plain\r\n\r\nthe end is miss"),
        "attachment-path": plain(b"attachment with a path", extra=mime + b"application/octet-stream; name=\"../../evil.sh\"\r\n"
                                 b"Content-Disposition: attachment; filename=\"/etc/cron.d/evil\"\r\n"),
        "wrong-charset": plain(b"body in another charset", body="Größe".encode("latin-1") + b"\r\n",
                               extra=mime + b"text/plain; charset=utf-8\r\n"),
    }


def dates():
    at = datetime.datetime
    return [
        Hard("date-missing", plain(b"no Date", date=None)),
        Hard("date-invalid", plain(b"invalid Date", date=b"the day before yesterday")),
        Hard("date-year-2", plain(b"two-digit year", date=b"29 Feb 00 25:61:61 -9999")),
        Hard("date-empty", plain(b"empty Date", date=b"")),
        Hard("internaldate-1970", plain(b"received in 1970"), at(1970, 1, 1, 0, 0, 1, tzinfo=UTC)),
        Hard("internaldate-2037", plain(b"received in 2037"), at(2037, 12, 31, 23, 59, 59, tzinfo=UTC)),
        Hard("internaldate-zone", plain(b"received far east"), at(2024, 1, 1, 0, 30, tzinfo=datetime.timezone(datetime.timedelta(hours=14)))),
        Hard("internaldate-leap", plain(b"received on a leap day"), at(2000, 2, 29, 23, 59, 59, tzinfo=UTC)),
    ]


def twins():
    """One second, one sender, one subject: names that only the UID can part."""
    same = [Hard(f"twin-{n}", plain(b"twin", b"Twin <twin@example.com>", b"I am number %d.\r\n" % n), SAME_SECOND) for n in (1, 2, 3)]
    # Equal only once they are made safe: case, punctuation and composition.
    near = [b"a b", b"a-b", b"a  b", b"a/b", word("a\u200bb", "utf-8") + b" ", word("é", "utf-8"), word("e\u0301", "utf-8")]
    return same + [Hard(f"near-twin-{n}", plain(text, b"Twin <twin@example.com>"), SAME_SECOND) for n, text in enumerate(near)]


def nuls():
    return [
        Hard("nul-in-body", plain(b"NUL in the body", body=b"a\0b\0\0c\r\n"), via="server"),
        Hard("nul-in-subject", plain(b"NUL in\0the subject"), via="server"),
        Hard("nul-only", plain(b"only NULs", body=b"\0" * 5000), via="server"),
        Hard("nothing", b"", via="file"),
    ]


def flagged():
    every = ("\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft")
    return [Hard("flags-all", plain(b"all flags"), flags=every), Hard("flags-deleted", plain(b"marked deleted"), flags=("\\Deleted",))]


def _all():
    out = [Hard("subject-" + name, plain(text, body=name.encode() + b"\r\n")) for name, text in subjects().items()]
    out.append(Hard("subject-none", plain(None)))
    out += [Hard("from-" + name, plain(b"sender " + name.encode(), text)) for name, text in senders().items()]
    out += [Hard(name, data) for name, data in bodies().items()]
    out += dates() + twins() + flagged() + nuls()
    return [hard if hard.date else hard._replace(date=START + datetime.timedelta(seconds=61 * n)) for n, hard in enumerate(out)]


HARD = _all()


def messages(mailbox="Hard", files=False):
    """The hard messages as Mail; with `files` also what no APPEND can bring."""
    for hard in HARD:
        if files or hard.via != "file":
            yield Mail(mailbox, hard.date, hard.flags, hard.data)


def big_attachment(size=20 * 1024 * 1024, seed=1, mailbox="Hard"):
    """A message with `size` bytes of attachment; base64 makes it a third longer."""
    data = base64.encodebytes(random.Random(seed).randbytes(size)).replace(b"\n", b"\r\n")
    head = plain(b"a big attachment", extra=b"MIME-Version: 1.0\r\nContent-Type: application/octet-stream; name=big.bin\r\n"
                 b"Content-Transfer-Encoding: base64\r\n", body=b"")
    return Mail(mailbox, START - datetime.timedelta(days=1), (), head + data)
