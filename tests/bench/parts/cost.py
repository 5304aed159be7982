"""What the daemon's processor time is for a first listing of many: each message is parsed, named and inserted. The
server is one that makes its answers up (endless.py), and `ls -U` reads the names, as a person would. Mail mostly comes
in the order of its dates, and so of its names; what was moved or imported does not."""
from .. import endless
from ..commands import expect, run


def measure(stage, turn):
    for row, how in (("cost", ()), ("cost-scattered", ("scattered",))):
        with endless.Process(stage.options.many, *how) as server, endless.mount(stage, server) as mount:
            _, out = run(["sh", "-c", 'ls -1U "$1" | wc -l', "sh", mount.inbox()])
            expect(int(out), stage.options.many, "names")
            turn.note(row, "outlookfs", mount.cpu())
