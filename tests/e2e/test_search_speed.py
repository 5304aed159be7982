"""How long a search for text takes over many messages that are here (measured: run by scripts/test long)."""
import datetime
import json
import pathlib
import random
import statistics
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
        lines = "\r\n".join(text[at:at + 76] for at in range(0, len(text), 76))
        head = f"From: P{i % 997} <p{i % 997}@example.org>\r\nSubject: {' '.join(dice.choices(known, k=5))}\r\n"
        yield "INBOX", DATE + datetime.timedelta(minutes=i), "\\Seen", f"{head}Message-ID: <{i}@example.org>\r\n\r\n{lines}\r\n".encode()


BOXES, RTT_MS = 50, 50


def test_many_mailboxes_cost_few_round_trips(load, mounted, dovecot, binary, dovecot_options):
    """Each was a round trip or two on its connection; they go out behind one another."""
    load((f"Box{i}", DATE, "" if i % 5 else "\\Seen", f"Subject: {i}\r\n\r\n{'invoice' if i % 10 == 0 else 'letter'}\r\n".encode())
         for i in range(BOXES))
    program = pathlib.Path(binary).parents[1] / "tests/bench/bench_link"
    with Link(program, f"127.0.0.1:{dovecot.tls_port}", RTT_MS, 0) as link, \
            mounted({**dovecot_options, "port": link.port}) as mount:
        def seconds(query, found):
            begin = time.monotonic()
            answer = mount.outlookfs("search", str(mount.path), "--", query)
            took = time.monotonic() - begin
            assert answer.returncode == 0 and len(answer.stdout.splitlines()) == found, (query, answer)
            return took

        seconds("unread", BOXES - BOXES // 5)  # lists them
        figures = {}
        for query, found in (("unread", BOXES - BOXES // 5), ("invoice", BOXES // 10), ("invoice read", BOXES // 10)):
            took = []
            for _ in range(5):
                seconds("larger:1 in:Box1", 1)  # the listings of all but this one age alike
                took.append(seconds(query, found))
            figures[query + ", ms"] = round(statistics.median(took) * 1000)
        print(json.dumps(figures, indent=1))
        assert max(figures.values()) < BOXES * RTT_MS / 2, figures


def test_text_in_fifty_milliseconds(load, mounted, dovecot_options, record_property):
    load(mails())
    with mounted(dovecot_options, prefetch="all", cache_size="4G") as mount:
        def told():
            return json.loads(mount.outlookfs("status", str(mount.path), "--json").stdout)

        def seconds(query, found):
            begin = time.monotonic()
            answer = mount.outlookfs("search", str(mount.path), "--", query)
            took = time.monotonic() - begin
            assert answer.returncode == 0 and not answer.stderr, answer.stderr
            assert len(answer.stdout.splitlines()) == found, query
            return took

        mount.run("ls", "Inbox", cwd=mount.path)
        wait_for(lambda: told()["bodies"] == COUNT, 1500, "all bodies")
        unindexed = seconds("grapefruit", MARKED) if told()["indexed"] < COUNT // 10 else None
        begin = time.monotonic(), told()["indexed"]
        wait_for(lambda: told()["indexed"] == COUNT, 2000, "the index")
        state = told()
        filled = (time.monotonic() - begin[0]) / max(COUNT - begin[1], 1) * 10_000
        figures = {"seconds to index 10,000": round(filled, 2), "bytes of the index": state["bytes_indexed"],
                   "bytes of the messages": state["bytes_cached"], "without the index, ms": unindexed and round(unindexed * 1000)}
        slow = []
        for query, found in (("grapefruit", MARKED), ("text:fruit", MARKED), ('"grapefruit juice"', MARKED), ("body:juice", MARKED),
                             ("nowhere at all", 0), ("in:Inbox uit", MARKED)):
            median = statistics.median(seconds(query, found) for _ in range(9)) * 1000
            figures[query + ", ms"] = round(median, 1)
            figures[query + ", texts"] = told()["searches"][0]["looked_into"]
            slow += [query] if median > 50 else []
        print(json.dumps(figures, indent=1, ensure_ascii=False))
        record_property("figures", figures)
        assert not slow, figures
