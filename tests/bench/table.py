"""The rows of the table: what each is called, what it is measured in, and what it must reach.

A goal's `versus` is the contender by whose figure ours is divided; None bounds our figure itself.
`part` is what measures it (parts/); parts come in the order of the rows.
"""
import typing

OURS = "outlookfs"
CONTENDERS = (OURS, "mbsync", "local", "sshfs", "rclone", "bare", "floor")
ABOUT = {
    OURS: "this program",
    "mbsync": "mbsync (FSync off, TLS) into an empty Maildir, then the same command there",
    "local": "the same command in a local Maildir that is there already",
    "sshfs": "sshfs of a folder with the same files; cold greps are of a sample, scaled up",
    "rclone": "rclone mount (full VFS cache) of that folder; cold greps are of a sample, scaled up",
    "bare": "a client that pipelines the same FETCHes and throws away what comes",
    "floor": "a file system in memory by libfuse, with keep_cache and noflush",
}


class Goal(typing.NamedTuple):
    most: float
    versus: str | None = None
    under: bool = False  # less than that, not at most

    def reached(self, value):
        return value < self.most if self.under else value <= self.most

    def words(self, unit):
        bound = f"{'under' if self.under else 'at most'} {self.most:g}"
        return f"{bound}x {self.versus}" if self.versus else f"{bound} {unit}"


class Row(typing.NamedTuple):
    name: str
    part: str
    title: str
    unit: str  # s, round trips, MiB, bytes, x
    goals: tuple[Goal, ...]


ROWS = (
    Row("cold-grep", "cold_grep_50", "cold grep -r, 50 ms", "s", (Goal(0.75, "mbsync"), Goal(1.15, "bare"))),
    Row("cold-grep-150", "cold_grep_150", "cold grep -r, 150 ms", "s", (Goal(0.75, "mbsync"),)),
    Row("cold-grep-deflate", "cold_grep_deflate", "cold grep -r, 50 ms, 10 Mbit/s, compressed", "s", (Goal(1.0, "bare"),)),
    Row("cold-ls", "cold_ls", "cold ls -l, 50 ms", "s", (Goal(1.3, "bare"),)),
    Row("first-name", "first_name", "first name of a cold ls -U, many", "s", (Goal(1.0, under=True),)),
    Row("warm-grep", "warm", "warm grep -r, read-write", "s", (Goal(1.3, "floor"), Goal(0.25, "sshfs"))),
    Row("warm-grep-ro", "warm_ro", "warm grep -r, ro,prefetch=all", "s", (Goal(1.2, "local"),)),
    Row("warm-ls", "warm", "warm ls -l", "s", (Goal(1.2, "local"),)),
    Row("warm-find", "warm", "warm find -size", "s", (Goal(1.2, "local"),)),
    Row("cost", "cost", "processor time of listing many", "s", (Goal(5.0),)),
    Row("cost-scattered", "cost", "the same, mail in no order of dates", "s", (Goal(5.0),)),
    Row("remount", "million", "remount to first stat, a million", "s", (Goal(0.5, under=True),)),
    Row("memory", "million", "daemon's resident memory, a million listed", "MiB", (Goal(64, under=True),)),
    Row("memory-flat", "million", "that memory / the same with few listed", "x", (Goal(1.5),)),
    Row("cat-prefetch", "cat_prefetch", "cold cat beside a grep -r, 50 ms", "round trips", (Goal(4, under=True),)),
    Row("cat-listing", "cat_listing", "cold cat beside a first listing, 50 ms", "round trips", (Goal(4, under=True),)),
    Row("refresh", "refresh", "refresh after 10 new in many", "round trips", (Goal(6, under=True),)),
    Row("refresh-bytes", "refresh", "its bytes but for flags / the same in 1,000", "x", (Goal(1.1),)),
    Row("start", "start", "from process start to the first ls", "round trips", (Goal(8),)),
)
