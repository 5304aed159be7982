"""The table as a picture, SVG by hand: for each row the others' figures as multiples of ours, on a logarithmic
scale, so that right of the line is slower than we are. A tick marks where the other must at least be, a grey bar
how far the goal is."""
import html
import math

from .report import number, ratios
from .table import CONTENDERS, OURS

COLOURS = {"mbsync": "#4269d0", "local": "#6cc5b0", "sshfs": "#ff725c", "rclone": "#efb118", "bare": "#9498a0",
           "floor": "#a463f2"}
LEFT, PLOT, BAR, GAP, TOP = 290, 560, 13, 12, 64
LEAST, MOST = -1, 4  # decades


def _x(multiple):
    return LEFT + PLOT * (min(max(math.log10(multiple), LEAST), MOST) - LEAST) / (MOST - LEAST)


def _text(x, y, words, anchor="start", size=12, colour="#222"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}">' \
           f"{html.escape(words)}</text>"


def _bars(row, medians, top):
    """(elements, the y below them) of one row."""
    out, y, one = [], top, _x(1)
    marks = {goal.versus: 1 / goal.most for goal in row.goals if goal.versus}
    theirs = {name: 1 / ratio for name, ratio in ratios(medians).items()}
    bars = [(name, theirs[name], COLOURS[name]) for name in CONTENDERS if name in theirs]
    bars += [("goal", goal.most / medians[OURS], "#e5e5e5") for goal in row.goals if not goal.versus and medians[OURS]]
    for name, multiple, colour in bars:
        end = _x(multiple)
        out.append(f'<rect x="{min(one, end):.1f}" y="{y}" width="{max(abs(end - one), 1):.1f}" height="{BAR - 2}" '
                   f'fill="{colour}"/>')
        tick = _x(marks[name]) if name in marks else 0
        if tick:
            out.append(f'<path d="M{tick:.1f} {y - 2}v{BAR + 2}" stroke="#000" stroke-width="2"/>')
        out.append(_text(max(one, end, tick) + 4, y + BAR - 4, f"{name} {number(multiple)}x", size=10))
        y += BAR
    return out, max(y, top + 2 * BAR)


def _axis(bottom):
    out = []
    for decade in range(LEAST, MOST + 1):
        x = _x(10 ** decade)
        colour = "#000" if decade == 0 else "#ddd"
        out.append(f'<path d="M{x:.1f} {TOP - 14}V{bottom}" stroke="{colour}"/>')
        out.append(_text(x, TOP - 18, "ours" if decade == 0 else f"{10 ** decade:g}x", "middle", 11))
    return out


def svg(rows, figures, title):
    body, y = [], TOP
    for row in rows:
        medians = figures.medians(row.name)
        if OURS not in medians:
            continue
        body.append(_text(LEFT - 10, y + BAR - 3, row.title, "end"))
        bars, below = _bars(row, medians, y)
        body.append(_text(LEFT - 10, y + 2 * BAR - 3, _said(row, medians), "end", 10, "#666"))
        body += bars
        y = below + GAP
    width = LEFT + PLOT + 110
    head = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y + 10}" '
            'font-family="sans-serif">', f'<rect width="{width}" height="{y + 10}" fill="#fff"/>',
            _text(12, 20, title, size=13), *_axis(y)]
    return "\n".join([*head, *body, "</svg>"]) + "\n"


def _said(row, medians):
    bound = next((f", {'under' if goal.under else 'at most'} {goal.most:g}" for goal in row.goals if goal.versus is None), "")
    return f"ours: {number(medians[OURS])} {row.unit}{bound}"
