"""The bytes of attachments, made by code: small files that their own programs open, of any size.

Filler comes from the generator's own random numbers, so that it does not compress to nothing.
"""
import io
import struct
import zipfile
import zlib


def pdf(dice, size):
    """One page; an unused stream fills it up to about `size` bytes."""
    filler = dice.randbytes(max(16, size - 500))
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
               b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>",
               b"<</Length %d>>stream\n" % len(filler) + filler + b"\nendstream"]
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj" % number + body + b"endobj\n"
    start = len(out)
    out += b"xref\n0 5\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places)
    return bytes(out + b"trailer<</Size 5/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % start)


def png(dice, size):
    """A square of noise."""
    side = max(4, int((size / 3) ** 0.5))
    rows = b"".join(b"\0" + dice.randbytes(3 * side) for _ in range(side))
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks)


def archive(dice, size):
    """A zip of two stored files; its dates are fixed, so the same seed gives the same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        for name in ("readme.txt", "data/measurements.bin"):
            info = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
            target.writestr(info, dice.randbytes(max(8, size // 2)))
    return out.getvalue()


def table(dice, size):
    """Comma-separated values."""
    lines = ["date,item,amount"]
    while len(lines) * 24 < size:
        lines.append(f"2024-{dice.randint(1, 12):02}-{dice.randint(1, 28):02},item {dice.randint(1, 99)},{dice.randint(1, 9999)}.00")
    return "\r\n".join(lines).encode()


# name, MIME type, maker
KINDS = (("report-{n}.pdf", "application/pdf", pdf), ("IMG_{n}.png", "image/png", png),
         ("export-{n}.zip", "application/zip", archive), ("table {n}.csv", "text/csv", table),
         ("Übersicht {n}.pdf", "application/pdf", pdf))
