"""From figures to the table: medians, ratios against ours, and whether each goal is reached."""
import statistics

from .table import CONTENDERS, OURS


class Figures:
    """All values by (row, contender), what was wrong with a part, and what is too slow for every round."""

    def __init__(self):
        self.values, self.broken, self.slow = {}, {}, set()

    def note(self, row, contender, value):
        self.values.setdefault(row, {}).setdefault(contender, []).append(value)

    def take(self, other):
        """A round's figures, once it ended well."""
        for row, columns in other.values.items():
            for contender, values in columns.items():
                self.values.setdefault(row, {}).setdefault(contender, []).extend(values)

    def medians(self, row):
        return {contender: statistics.median(values) for contender, values in self.values.get(row, {}).items()}


def verdicts(row, medians):
    """[(goal, value)] of the goals that could be measured."""
    return [(goal, medians[OURS] / medians[goal.versus] if goal.versus else medians[OURS]) for goal in row.goals
            if OURS in medians and (not goal.versus or goal.versus in medians)]


def ratios(medians):
    """{contender: ours divided by theirs}."""
    if OURS not in medians:
        return {}
    return {name: medians[OURS] / value for name, value in medians.items() if name != OURS and value > 0}


def summary(rows, figures):
    """What --json shows of each row."""
    result = []
    for row in rows:
        medians = figures.medians(row.name)
        result.append({
            "row": row.name, "title": row.title, "unit": row.unit, "medians": medians, "ratios": ratios(medians),
            "rounds": {name: len(values) for name, values in figures.values.get(row.name, {}).items()},
            "goals": [{**goal._asdict(), "value": value, "reached": goal.reached(value)}
                      for goal, value in verdicts(row, medians)],
            "broken": figures.broken.get(row.part)})
    return result


def number(value):
    if value is None:
        return "-"
    if value >= 1000:
        return f"{value:.0f}"
    return f"{value:.3g}" if value >= 0.01 else f"{value:.4f}"


def text(rows, figures, header):
    """The ratios with their goals, then the medians, as lines."""
    used = [name for name in CONTENDERS if any(name in figures.medians(row.name) for row in rows)]
    others = [name for name in used if name != OURS]
    width = max(len(row.title) for row in rows)
    lines = [*header, "", "ours / theirs".ljust(width) + "".join(f"{name:>9}" for name in others) + "   goals"]
    for row in rows:
        medians = figures.medians(row.name)
        cells = "".join(f"{number(ratios(medians).get(name)):>9}" for name in others)
        lines.append((row.title.ljust(width) + cells + "   " + _goals(row, figures, medians)).rstrip())
    lines += ["", "medians".ljust(width) + "".join(f"{name:>10}" for name in used) + "   unit, of so many of ours"]
    for row in rows:
        medians = figures.medians(row.name)
        lines.append(row.title.ljust(width) + "".join(f"{number(medians.get(name)):>10}" for name in used)
                     + f"   {row.unit}, of {len(figures.values.get(row.name, {}).get(OURS, []))}")
    return lines


def _goals(row, figures, medians):
    if row.part in figures.broken:
        return f"broken: {figures.broken[row.part]}"
    words = [f"{goal.words(row.unit)}: " + ("yes" if goal.reached(value) else "NO")
             for goal, value in verdicts(row, medians)]
    return "; ".join(words) if words else "not measured"


def missed(rows, figures):
    """The names of rows that do not reach a goal."""
    return [row.name for row in rows
            if not all(goal.reached(value) for goal, value in verdicts(row, figures.medians(row.name)))]
