"""MIME messages made by hand after RFC 2045, 2046, 2047, 2183, 2231, 3462, 1847 and 3156: well formed, all of them, and
each with something that a reader of mail has to undo. `TORTURE` maps a name to a message; `WORDS` names those in
whose text a person finds the word.

What Python's email package (policy default) makes of them is what outlookfs has to make of them.
"""
import base64
import binascii
import quopri

WORD = "Zaubernuß"  # in each text, in the charsets that have it
ASCII_WORD = "wychhazel"


def fields(subject=b"torture", mime=b"", extra=b""):
    return (b"Date: Mon, 04 Mar 2024 10:00:00 +0100\r\nFrom: Tor Ture <tor@example.com>\r\nTo: me@example.com\r\nSubject: "
            + subject + b"\r\n" + extra + b"MIME-Version: 1.0\r\n" + mime)


def part(body, kind=b"text/plain; charset=utf-8", encoding=None, disposition=None, extra=b""):
    out = b"Content-Type: " + kind + b"\r\n"
    if encoding == "base64":
        out += b"Content-Transfer-Encoding: base64\r\n"
        body = base64.encodebytes(body).replace(b"\n", b"\r\n")
    elif encoding == "quoted-printable":
        out += b"Content-Transfer-Encoding: quoted-printable\r\n"
        body = quopri.encodestring(body.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    elif encoding:
        out += b"Content-Transfer-Encoding: " + encoding.encode() + b"\r\n"
    if disposition:
        out += b"Content-Disposition: " + disposition + b"\r\n"
    return out + extra + b"\r\n" + body


def multi(kind, *parts, mark=b"=_mark", preamble=b"", epilogue=b"", more=b""):
    out = b"Content-Type: multipart/" + kind + b'; boundary="' + mark + b'"' + more + b"\r\n\r\n" + preamble
    for one in parts:
        out += b"\r\n--" + mark + b"\r\n" + one
    return out + b"\r\n--" + mark + b"--\r\n" + epilogue


def uu(data, name=b"a.bin"):
    lines = [binascii.b2a_uu(data[n:n + 45]).replace(b"\n", b"\r\n") for n in range(0, len(data), 45)]
    return b"begin 644 " + name + b"\r\n" + b"".join(lines) + b"`\r\nend\r\n"


TEXT = f"Die {WORD} ({ASCII_WORD}) blüht.\r\nZweite Zeile.\r\n"
HTML = f"<html><head><style>.hid {{}}</style><title>t</title></head><body><p>Die <b>{WORD}</b> ({ASCII_WORD}) bl&uuml;ht.</p></body></html>\r\n"
BLOB = bytes(range(256)) * 5


def charsets():
    texts = {"utf-8": TEXT, "iso-8859-1": TEXT, "iso-8859-15": TEXT + "€\r\n", "windows-1252": TEXT + "„so“ – 5 €\r\n",
             "iso-8859-2": f"{ASCII_WORD} Łódź\r\n", "koi8-r": f"{ASCII_WORD} Привет, мир\r\n",
             "windows-1251": f"{ASCII_WORD} Привет\r\n", "iso-2022-jp": f"{ASCII_WORD} 会議の日程\r\n",
             "shift_jis": f"{ASCII_WORD} 請求書ソース\r\n", "euc-jp": f"{ASCII_WORD} 請求書\r\n", "gb2312": f"{ASCII_WORD} 会议通知\r\n",
             "gb18030": f"{ASCII_WORD} 会议€𠀀\r\n", "big5": f"{ASCII_WORD} 會議通知\r\n", "euc-kr": f"{ASCII_WORD} 안녕하세요\r\n",
             "utf-16": f"{ASCII_WORD} ☃\r\n", "utf-16be": f"{ASCII_WORD} ☃\r\n", "utf-7": f"{ASCII_WORD} Grüße\r\n",
             "windows-1256": f"{ASCII_WORD} مرحبا\r\n", "us-ascii": f"{ASCII_WORD} only\r\n"}
    for name, text in texts.items():
        kind = b"text/plain; charset=" + name.encode()
        for encoding in ("base64", "quoted-printable"):
            if encoding == "quoted-printable" and name.startswith("utf-16"):
                continue
            yield f"charset-{name}-{encoding}", fields(name.encode()) + part(text.encode(name), kind, encoding)


def structures():
    plain, html = part(TEXT.encode(), encoding="quoted-printable"), part(HTML.encode(), b"text/html; charset=utf-8", "base64")
    blob = part(BLOB, b"application/octet-stream; name=blob.bin", "base64", b"attachment; filename=blob.bin")
    image = part(BLOB, b"image/png", "base64", b"inline", b"Content-ID: <a@b>\r\n")
    inner = fields(b"inner") + part(TEXT.encode(), encoding="quoted-printable")
    nested = part(inner, b"message/rfc822")
    yield "plain-8bit", fields() + part(TEXT.encode(), encoding="8bit")
    yield "plain-binary", fields() + part(TEXT.encode(), encoding="binary")
    yield "plain-upper", fields() + part(TEXT.encode(), b"TEXT/Plain; Charset=\"UTF-8\"").replace(b"\r\n\r\n", b"\r\nCONTENT-TRANSFER-ENCODING: 8BIT\r\n\r\n", 1)
    yield "plain-comment", fields() + part(TEXT.encode(), b"text/plain; charset=utf-8 (a comment)", "base64")
    yield "plain-defaults", b"From: a@example.com\r\nSubject: no mime\r\n\r\n" + ASCII_WORD.encode() + b"\r\n"
    yield "plain-folded-type", fields() + part(TEXT.encode(), b"text/plain;\r\n\tcharset=\"utf-8\";\r\n format=flowed", "base64")
    yield "html-only", fields() + html
    yield "html-latin1", fields() + part(HTML.encode("latin-1"), b"text/html; charset=iso-8859-1", "quoted-printable")
    yield "alternative", fields() + multi(b"alternative", plain, html)
    yield "alternative-html-first", fields() + multi(b"alternative", html, plain)
    yield "mixed", fields() + multi(b"mixed", plain, blob)
    yield "mixed-preamble", fields() + multi(b"mixed", plain, blob, preamble=b"This is MIME.\r\n", epilogue=b"Epilogue.\r\n--=_mark\r\n")
    yield "related", fields() + multi(b"related", html, image, more=b"; type=\"text/html\"")
    yield "outlook", fields() + multi(b"mixed", multi(b"related", multi(b"alternative", plain, html, mark=b"a1"), image, mark=b"r1"), blob, mark=b"m1")
    yield "prefix-boundaries", fields() + multi(b"mixed", multi(b"mixed", plain, mark=b"bound-1"), blob, mark=b"bound")
    yield "boundary-specials", fields() + multi(b"mixed", plain, blob, mark=b"'()+_,-./:=? x")
    yield "boundary-padding", fields() + multi(b"mixed", plain, blob).replace(b"\r\n--=_mark\r\n", b"\r\n--=_mark \t\r\n")
    yield "boundary-in-text", fields() + multi(b"mixed", part(b"--=_mark2\r\n-- \r\n--=_mar\r\n" + TEXT.encode(), encoding="8bit"), blob)
    yield "empty-parts", fields() + multi(b"mixed", part(b"", b"text/plain"), part(TEXT.encode(), encoding="8bit"), part(b"", b"application/x-none", "base64"))
    yield "headerless-part", fields() + multi(b"mixed", b"\r\n" + ASCII_WORD.encode() + b"\r\n", blob)
    yield "nested-message", fields() + multi(b"mixed", plain, nested)
    yield "nested-named", fields() + multi(b"mixed", plain, part(inner, b"message/rfc822; name=\"the mail.eml\"", disposition=b"attachment"))
    yield "nested-twice", fields() + multi(b"mixed", part(fields(b"outer") + multi(b"mixed", plain, nested, mark=b"i1"), b"message/rfc822"), nested)
    yield "message-only", fields() + part(inner, b"message/rfc822")
    yield "digest", fields() + multi(b"digest", b"\r\n" + inner, b"\r\n" + inner)
    yield "report", fields() + multi(
        b"report", plain, part(b"Reporting-MTA: dns; mx.example.com\r\n\r\nFinal-Recipient: rfc822; x@example.com\r\nAction: failed\r\n",
                               b"message/delivery-status"), part(b"From: a@example.com\r\n", b"text/rfc822-headers"), more=b"; report-type=delivery-status")
    yield "signed", fields() + multi(b"signed", plain, part(b"-----BEGIN PGP SIGNATURE-----\r\n\r\nabc\r\n-----END PGP SIGNATURE-----\r\n",
                                     b"application/pgp-signature; name=signature.asc"), more=b"; micalg=pgp-sha256; protocol=\"application/pgp-signature\"")
    yield "encrypted", fields() + multi(b"encrypted", part(b"Version: 1\r\n", b"application/pgp-encrypted"), part(
        b"-----BEGIN PGP MESSAGE-----\r\n\r\nabc\r\n-----END PGP MESSAGE-----\r\n", b"application/octet-stream; name=encrypted.asc"),
                                        more=b"; protocol=\"application/pgp-encrypted\"")
    yield "smime", fields() + part(BLOB, b"application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m", "base64", b"attachment; filename=smime.p7m")
    yield "base64-odd-lines", fields() + b"Content-Type: application/octet-stream; name=odd.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b"\r\n".join(
        base64.b64encode(BLOB)[n:n + 7] for n in range(0, 1708, 7)) + b"\r\n"
    yield "qp-soft-breaks", fields() + b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + (
        b"Zauber=\r\nnu=C3=\r\n=9F wych=\r\nhazel=20=\r\n\r\ntrailing=20\r\n=3D=\r\n")
    yield "qp-lower", fields() + b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: Quoted-Printable\r\n\r\nZaubernu=c3=9f wychhazel\r\n"
    yield "uuencode", fields() + part(uu(BLOB), b"application/octet-stream; name=uu.bin", "x-uuencode")
    yield "calendar", fields() + multi(b"alternative", plain, html, part(b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", b"text/calendar; method=REQUEST"))
    yield "many-parts", fields() + multi(b"mixed", plain, *(part(b"%d" % n, b"application/octet-stream", "base64", b"attachment; filename=f%d.bin" % n) for n in range(150)))
    yield "deep-100", fields() + deep(100)
    yield "long-lines", fields() + part((ASCII_WORD + " ").encode() * 30_000 + b"\r\n", encoding="8bit")
    yield "large-attachment", fields() + multi(b"mixed", plain, part(BLOB * 300, b"application/zip; name=large.zip", "base64"))
    yield "lf-only", (fields() + multi(b"mixed", plain, part(b"a,b\r\n", b"text/csv; name=t.csv", "base64", b"attachment"))).replace(b"\r\n", b"\n")


def deep(levels):
    inner = part(TEXT.encode(), encoding="quoted-printable")
    for level in range(levels):
        inner = multi(b"mixed", inner, mark=b"level%d" % level)
    return inner


def names():
    """RFC 2183 and RFC 2231 file names; those of RFC 2047, which it forbids and everybody writes, last."""
    forms = {
        "token": b"attachment; filename=plain.bin", "quoted": b'attachment; filename="with space; and \\"quotes\\".bin"',
        "2231": b"attachment; filename*=utf-8''%C3%9Cbersicht%20%E2%82%AC.pdf", "2231-latin1": b"attachment; filename*=iso-8859-1'de'%DCber.pdf",
        "2231-parts": b"attachment;\r\n filename*0=\"a very long \";\r\n filename*1=\"file name\";\r\n filename*2=.txt",
        "2231-parts-encoded": b"attachment;\r\n filename*0*=utf-8''%C3%9C;\r\n filename*1*=ber%20;\r\n filename*2=sicht.pdf",
        "2231-unordered": b"attachment;\r\n filename*1=two.bin;\r\n filename*0=one-",
        "upper": b"ATTACHMENT; FILENAME=Upper.BIN", "inline": b"inline; filename=inline.bin",
        "2047-b": b'attachment; filename="=?utf-8?B?w5xiZXJzaWNodC5wZGY=?="', "2047-q": b'attachment; filename="=?iso-8859-1?Q?=DCber_uns.pdf?="',
        "no-extension": b"attachment; filename=README", "other-dates": b'attachment; filename=d.bin; creation-date="Mon, 04 Mar 2024 10:00:00 +0100"; size=12',
    }
    for name, form in forms.items():
        yield f"name-{name}", fields() + multi(b"mixed", part(TEXT.encode(), encoding="8bit"), part(BLOB, b"application/octet-stream", "base64", form))
    yield "name-type-only", fields() + multi(b"mixed", part(BLOB, b"application/x-thing; name*=utf-8''na%C3%AFve.bin", "base64"))
    yield "name-same", fields() + multi(b"mixed", *(part(b"%d" % n, b"application/octet-stream", "base64", b"attachment; filename=same.bin") for n in range(3)))


TORTURE = dict([*charsets(), *structures(), *names()])
WITHOUT_TEXT = {"encrypted", "smime", "base64-odd-lines", "uuencode", "name-type-only", "name-same"}
WORDS = [name for name in TORTURE if name not in WITHOUT_TEXT]
