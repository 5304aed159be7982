"""Who has a turn in a round, and what becomes of its figures.

In each round every part has its turn, and in a part every contender, one after the other. What takes long is
measured once: it would take the others' time away, and the noise that a median is for is small against it. What goes
wrong takes the part's figures with it.
"""
import math
import time

from .commands import Broken
from .report import Figures
from .stage import say

LONG = 40  # seconds


class Round:
    """What a part is handed: due() before each contender's turn, note() for its figures."""

    def __init__(self, figures, slow):
        self._figures, self._slow = figures, slow
        self._started = {}

    def due(self, row, contender):
        """Whether it has a turn in this round."""
        self._started[row, contender] = time.monotonic()
        return (row, contender) not in self._slow

    def note(self, row, contender, value):
        self._figures.note(row, contender, value)
        start = self._started.get((row, contender))
        if start and time.monotonic() - start > LONG:
            self._slow.add((row, contender))


def measure(stage, rows, rounds, parts, once, minutes=None):
    """Figures of all rows. parts: {name: function(stage, round)}; `once` are those of the first round alone. After
    `minutes` no part begins; its figures are then medians of fewer rounds, or none."""
    figures, end = Figures(), time.monotonic() + 60 * minutes if minutes else math.inf
    wanted = list(dict.fromkeys(row.part for row in rows))
    for turn in range(rounds):
        for name in wanted:
            if name not in figures.broken and (turn == 0 or name not in once) and time.monotonic() < end:
                say(f"round {turn + 1} of {rounds}: {name}")
                _part(stage, name, parts[name], figures)
    for row in rows:
        if row.part in figures.broken:
            figures.values.pop(row.name, None)
    return figures


def _part(stage, name, part, figures):
    mine = Figures()
    try:
        part(stage, Round(mine, figures.slow))
        figures.take(mine)
    except Exception as error:  # noqa: whatever it is, it is said, and the others go on
        figures.broken[name] = str(error) if isinstance(error, Broken) else f"{type(error).__name__}: {error}"
        say(f"{name} is broken: {figures.broken[name]}")
