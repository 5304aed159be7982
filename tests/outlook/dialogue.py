"""Cutting a dialogue at each of its bytes, one after the other.

    with service.measured() as dialogue:        # a run without faults tells how long it is
        move_a_message()
    for cut in dialogue.cuts("MOVE"):
        service.set(**cut.switches)
        move_a_message()                        # its MOVE is cut once; what comes after it is not
        service.set(**cut.off)

A cut says whether the command stands (`applied`). Three kinds: `cut_in`, N bytes of the command have
come, up to all of it; `cut_at` N, within the `+` that it waited for; `cut_at` +N, N bytes of the answer
were sent. A dialogue that is shorter in a later run is not cut by the last of them: Entry.cut is "" then.
"""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Cut:
    verb: str
    place: int     # which of that verb's commands in the dialogue
    switch: str    # cut_in or cut_at; silence_in or silence
    at: str        # `17` or `+17`
    applied: bool  # whether the backend has carried the command out

    @property
    def switches(self):
        return {self.switch: f"{self.at}@{self.verb}#{self.place}*1"}

    @property
    def off(self):
        return {self.switch: "off"}

    def __str__(self):
        return f"{self.verb}#{self.place}-{self.switch}={self.at}"


class Dialogue:
    """The commands of one run; complete once the run has seen its last answer."""

    def __init__(self, transcript):
        self._transcript, self._start = transcript, transcript.count()
        self._entries = None

    def end(self):
        self._entries = self.entries()

    def entries(self, *verbs):
        known = self._transcript.entries()[self._start:] if self._entries is None else self._entries
        return [e for e in known if not verbs or e.verb in verbs or e.verb.removeprefix("UID ") in verbs]

    def cuts(self, *verbs, step=1, silent=False):
        """Every place where those commands (none named: all of them) can be cut, step bytes apart, ends included."""
        before, after = ("silence_in", "silence") if silent else ("cut_in", "cut_at")
        counted, found = {}, []
        for entry in self.entries():
            counted[entry.verb] = place = counted.get(entry.verb, 0) + 1
            if entry not in self.entries(*verbs):
                continue
            found += [Cut(entry.verb, place, before, str(n), False) for n in _places(entry.received, step)]
            if entry.continuations:
                found += [Cut(entry.verb, place, after, str(n), False) for n in _places(entry.continuations, step)]
            answer = entry.sent - entry.continuations
            found += [Cut(entry.verb, place, after, f"+{n}", True) for n in _places(answer, step)]
        return found


def _places(size, step):
    return sorted({*range(0, size + 1, step), size})
