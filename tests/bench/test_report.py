"""The table, the JSON and the chart say what was measured, and nothing of what was not."""
import xml.etree.ElementTree

import pytest

from tests.bench import chart, mail, options, parts, report, rounds, table
from tests.bench.table import Goal, Row

ROWS = (Row("one", "part_one", "the one", "s", (Goal(0.75, "mbsync"), Goal(1.15, "bare"))),
        Row("two", "part_two", "the two", "round trips", (Goal(4, under=True),)),
        Row("three", "part_three", "the three", "s", (Goal(1.0),)))


def figures():
    made = report.Figures()
    for ours, theirs in ((6, 10), (9, 11), (7, 9)):
        made.note("one", "outlookfs", ours)
        made.note("one", "mbsync", theirs)
    made.note("two", "outlookfs", 4.0)
    made.broken["part_three"] = "nothing came"
    return made


def test_medians_ratios_and_goals():
    one, two, three = report.summary(ROWS, figures())
    assert one["medians"] == {"outlookfs": 7, "mbsync": 10} and one["ratios"] == {"mbsync": 0.7}
    assert [(g["versus"], g["reached"]) for g in one["goals"]] == [("mbsync", True)]  # the bare client was not measured
    assert [g["reached"] for g in two["goals"]] == [False]  # under 4 is not 4
    assert three["goals"] == [] and three["broken"] == "nothing came"
    assert report.missed(ROWS, figures()) == ["two"]


def test_text():
    lines = report.text(ROWS, figures(), ["head"])
    assert lines[0] == "head"
    ratios = {line.split("  ")[0]: line for line in lines[2:6]}
    assert "0.7" in ratios["the one"] and "at most 0.75x mbsync: yes" in ratios["the one"]
    assert "bare" not in ratios["the one"]
    assert "under 4 round trips: NO" in ratios["the two"] and "broken: nothing came" in ratios["the three"]


def test_chart_is_svg_with_a_bar_for_each_contender():
    text = chart.svg(ROWS, figures(), "a < b")
    root = xml.etree.ElementTree.fromstring(text)
    words = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "a < b" in words and "mbsync 1.43x" in words and "the three" not in words


def test_a_part_that_fails_adds_nothing():
    whole, part = report.Figures(), report.Figures()
    part.note("one", "outlookfs", 1)
    whole.take(part)
    whole.take(part)
    assert whole.values == {"one": {"outlookfs": [1, 1]}}


def test_rows_have_parts_and_known_contenders():
    assert {row.part for row in table.ROWS} == set(parts.PARTS)
    assert {goal.versus for row in table.ROWS for goal in row.goals} <= {None, *table.CONTENDERS}
    assert len({row.name for row in table.ROWS}) == len(table.ROWS)


@pytest.mark.parametrize("words", (["--rows", "nothing"], ["--rounds", "0"], ["--count", "x"]))
def test_wrong_words(words, capsys):
    with pytest.raises(SystemExit) as ended:
        options.parse(words)
    assert ended.value.code == 2 and "usage" in capsys.readouterr().err


def test_rows_are_chosen_by_name():
    assert options.parse(["--rows", "warm-ls,start"]).rows == ["warm-ls", "start"]
    assert options.parse(["--count", "50"]).many == 500


@pytest.mark.parametrize("count", (1, 97, 98, 300))
def test_marked_mail(count):
    held = sum(mail.WORD.encode() in one.data for one in mail.messages(count))
    assert held == mail.marked(count)


class Clock:
    now = 0.0

    def monotonic(self):
        return self.now


def test_what_takes_long_has_one_turn_and_what_fails_has_no_figures(monkeypatch):
    clock, seen = Clock(), []
    monkeypatch.setattr(rounds, "time", clock)

    def part_one(_, turn):
        for name, seconds in (("outlookfs", 1), ("mbsync", rounds.LONG + 1)):
            if turn.due("one", name):
                seen.append(name)
                clock.now += seconds
                turn.note("one", name, seconds)

    def part_two(_, turn):
        turn.note("two", "outlookfs", 3)
        raise ValueError("lost")

    made = rounds.measure(None, ROWS[:2], 3, {"part_one": part_one, "part_two": part_two}, set())
    assert seen == ["outlookfs", "mbsync", "outlookfs", "outlookfs"]
    assert made.values["one"] == {"outlookfs": [1, 1, 1], "mbsync": [rounds.LONG + 1]} and "two" not in made.values
    assert made.broken == {"part_two": "ValueError: lost"} and made.slow == {("one", "mbsync")}
