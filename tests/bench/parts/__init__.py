"""What is measured, a file each: measure(stage, turn) does one round: it asks turn.due(row, contender), and
calls turn.note(row, contender, value). What raises commands.Broken, or anything else, has no figures in the table."""
from . import cat, cold, cost, first_name, million, refresh, start, warm

PARTS = {
    "cold_grep_50": cold.grep_50,
    "cold_grep_150": cold.grep_150,
    "cold_grep_deflate": cold.grep_compressed,
    "cold_ls": cold.ls_50,
    "first_name": first_name.measure,
    "warm": warm.measure,
    "warm_ro": warm.measure_read_only,
    "cost": cost.measure,
    "million": million.measure,
    "cat_prefetch": cat.beside_grep,
    "cat_listing": cat.beside_listing,
    "refresh": refresh.measure,
    "start": start.measure,
}
ONCE = {"million", "refresh"}  # take minutes, or count what is the same each time
