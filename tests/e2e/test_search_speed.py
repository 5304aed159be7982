"""How long a search for text takes over many messages that are here (measured: run by scripts/test long)."""
import datetime
import json
import pathlib
import random
import statistics
import textwrap
import time

import pytest

from tests.bench.link import Link

from .support.mount import wait_for

COUNT, MARKED = 100_000, 100
DATE = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
pytestmark = [pytest.mark.long, pytest.mark.timeout(3000)]


def words(dice):
    parts = [a + b for a in "b d f g k l m n p r s t v".split() for b in "a e i o u".split()]
    return ["".join(dice.choices(parts, k=dice.choice((1, 2, 2, 3, 3, 4)))) for _ in range(20_000)]


def mails():
    """Messages of about 1.5 KB; every thousandth has a word that no other has."""
    dice = random.Random(7)
    known = words(dice)
    for i in range(COUNT):
        text = " ".join(dice.choices(known, k=220)) + (" Grapefruit juice" if i % (COUNT // MARKED) == 17 else "")
        lines = "\r\n".join(textwrap.wrap(text, 76))
        head = f"From: P{i % 997} <p{i % 997}@example.org>\r\nSubject: {' '.join(dice.choices(known, k=5))}\r\n"
        yield "INBOX", DATE + datetime.timedelta(minutes=i), "\\Seen", f"{head}Message-ID: <{i}@example.org>\r\n\r\n{lines}\r\n".encode()


def told(mount):
    return json.loads(mount.outlookfs("status", str(mount.path), "--json").stdout)


def milliseconds(mount, query, found):
    begin = time.monotonic()
    answer = mount.outlookfs("search", str(mount.path), "--", query, seconds=300)
    took = time.monotonic() - begin
    assert answer.returncode == 0 and not answer.stderr, answer.stderr
    assert len(answer.stdout.splitlines()) == found, (query, len(answer.stdout.splitlines()))
    return took * 1000


BOXES, RTT_MS = 50, 50


def test_many_mailboxes_cost_few_round_trips(load, mounted, dovecot, binary, dovecot_options):
    """Each was a round trip or two on its connection; they go out behind one another."""
    load((f"Box{i}", DATE, "" if i % 5 else "\\Seen", f"Subject: {i}\r\n\r\n{'invoice' if i % 10 == 0 else 'letter'}\r\n".encode())
         for i in range(BOXES))
    program = pathlib.Path(binary).parents[1] / "tests/bench/bench_link"
    with Link(program, f"127.0.0.1:{dovecot.tls_port}", RTT_MS, 0) as link, \
            mounted({**dovecot_options, "port": link.port}) as mount:
        milliseconds(mount, "unread", BOXES - BOXES // 5)  # lists them
        figures = {}
        for query, found in (("unread", BOXES - BOXES // 5), ("invoice", BOXES // 10), ("invoice read", BOXES // 10)):
            figures[query] = statistics.median(milliseconds(mount, query, found) for _ in range(5))
        print(json.dumps(figures, indent=1))
        assert max(figures.values()) < BOXES * RTT_MS / 2, figures


def test_text_in_fifty_milliseconds(load, mounted, dovecot_options, tmp_path):
    load(mails())
    options = {**dovecot_options, "cache_size": "4G", "cache_dir": tmp_path / "cache"}
    with mounted(options, prefetch="all") as mount:
        mount.run("ls", "Inbox", cwd=mount.path)
        wait_for(lambda: told(mount)["bodies"] == COUNT, 1500, "all bodies")
    (tmp_path / "cache" / "search.db").unlink()
    with mounted(options) as mount:
        figures = {"without the index, ms": round(milliseconds(mount, "grapefruit", MARKED))}
        begin, before = time.monotonic(), told(mount)["indexed"]
        wait_for(lambda: told(mount)["indexed"] == COUNT == told(mount)["envelopes_indexed"], 2000, "the index")
        state = told(mount)
        figures |= {"index of 10,000, s": round((time.monotonic() - begin) / (COUNT - before) * 10_000, 2),
                    "index, MB": state["bytes_indexed"] / 1e6, "messages, MB": state["bytes_cached"] / 1e6}
        slow = []
        for query, found in (("grapefruit", MARKED), ("text:fruit", MARKED), ('"grapefruit juice"', MARKED), ("body:juice", MARKED),
                             ("nowhere at all", 0), ("in:Inbox uit", MARKED), ("from:p17@example", COUNT // 997 + 1),
                             ("subject:nowhere", 0), ("from:p17@example text:fruit", 1)):
            median = statistics.median(milliseconds(mount, query, found) for _ in range(9))
            figures[query] = f"{median:.1f} ms, {told(mount)['searches'][0]['looked_into']} texts"
            slow += [query] if median > 50 else []
        print(json.dumps(figures, indent=1, ensure_ascii=False))
        assert not slow, figures
