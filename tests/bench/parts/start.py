"""Round trips from the start of the program to the first `ls`, a token at hand, against the emulation of
Outlook.com over TLS 1.3. Counted by what another delay adds: what does not grow with the delay is no round trip."""

from .. import outlookfs
from ..commands import ls_long
from ..stage import SMALL, SMALL_COUNT

NEAR, FAR = 100, 700  # ms


def measure(stage, turn):
    stage.small()
    near, far = (_seconds(stage, rtt) for rtt in (NEAR, FAR))
    turn.note("start", "outlookfs", round((far - near) * 1000 / (FAR - NEAR), 1))


def _seconds(stage, rtt):
    with outlookfs.Mount(stage, SMALL, stage.link("outlook", rtt), outlook=True) as mount:
        return mount.seconds + ls_long(SMALL_COUNT, mount.inbox())
