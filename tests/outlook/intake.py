"""What a client sends, up to whole commands; and connections that end before a command is whole.

An Intake counts the bytes that come. Literals are asked for, taken or refused here, since a command
that waits for a `+` can be answered before it has been sent. A fault that strikes here (`cut_in`,
`silence_in`) strikes before the command is carried out, always: the backend never hears of it.
"""
import asyncio
import dataclasses
import itertools
import re

from . import texts
from .gate import Closed
from .transcript import without_secrets

_COMMAND = re.compile(rb"([^ ]+) ((?i:UID) )?([A-Za-z]+)(?: (.*))?", re.S)
_LITERAL = re.compile(rb"\{(\d+)(\+?)\}$")
LITERAL_CEILING = 64 << 20
WRITING = {"APPEND", "COPY", "MOVE", "STORE", "EXPUNGE", "CREATE", "DELETE", "RENAME", "SUBSCRIBE", "UNSUBSCRIBE"}
_serials = itertools.count(1)


@dataclasses.dataclass
class Command:
    tag: bytes
    verb: str      # upper case; `UID FETCH` for UID commands
    pieces: list   # after the verb, as wire.py has them
    words: set     # what triggers may call it
    number: int    # its place on this connection
    entry: object  # of the transcript
    serial: int = dataclasses.field(default_factory=lambda: next(_serials))

    @property
    def name(self):
        """The verb without UID."""
        return self.verb.removeprefix("UID ")

    def meets(self, trigger):
        return trigger.matches(self.words, self.number, self.serial)


class Intake:
    def __init__(self, session, reader):
        self._session, self._reader = session, reader
        self._switches = session.switches
        self._fault = None  # (switch name, the place in the stream where it strikes)
        self.received = 0
        self.commands = 0

    async def line(self):
        """The next line without its end; one that does not come in time ends the connection."""
        session, switches = self._session, self._switches
        limit = switches.idle_timeout if session.user else switches.preauth_timeout
        try:
            raw = await asyncio.wait_for(self._reader.readuntil(b"\n"), limit)
        except asyncio.TimeoutError:
            await session.bye(texts.CLOSED_14)
        self.received += len(raw)
        await self._strike_if_due()
        return raw.rstrip(b"\r\n")

    async def command(self):
        """The next command, or None when it has been answered already."""
        start, self._fault = self.received, None
        text = await self.line()
        longest = len(text) + 2
        match = _COMMAND.fullmatch(text)
        self.commands += 1
        if not match:
            await self._session.answer(text.split(b" ")[0] or b"*", texts.COMMAND_12)
            return None
        command = self._begin(match)
        self._arm(command, start)
        while announced := _LITERAL.search(command.pieces[-1]):
            await self._strike_if_due()
            if not await self._take_literal(command, int(announced[1]), bool(announced[2])):
                return None
            command.pieces.append(await self.line())
            longest = max(longest, len(command.pieces[-1]) + 2)
        shown = b"".join(command.pieces[::2]).decode(errors="replace")
        command.entry.arguments = without_secrets(command.verb, shown)
        command.entry.received = self.received - start
        await self._strike_if_due(whole=True)
        self._session.gate.arm(command, whole=True)
        if self._switches.line_limit and longest > self._switches.line_limit:
            await self._session.answer(command.tag, texts.COMMAND_12)
            return None
        return command

    def _begin(self, match):
        verb = ("UID " if match[2] else "") + match[3].decode().upper()
        words = {verb, verb.removeprefix("UID ")}
        if "FETCH" in words:
            words.add("BODY" if b"[]" in (match[4] or b"") else "LISTING")
        if words & WRITING:
            words.add("WRITING")
        entry = self._session.service.transcript.add(
            self._session.number, match[1].decode(errors="replace"), verb, (match[4] or b"").decode(errors="replace"))
        command = Command(match[1], verb, [match[4] or b""], words, self.commands, entry)
        self._session.gate.arm(command, whole=False)
        return command

    async def _take_literal(self, command, size, plus):
        """Adds the literal to the command; False when the command was refused instead."""
        switches, session = self._switches, self._session
        if size > LITERAL_CEILING:
            await session.bye(texts.CLOSED_14)
        if plus and "LITERAL+" in (switches.without or ()):
            # Not a literal to this server: what follows will be read as commands.
            await session.answer(command.tag, texts.ARGUMENT_11)
            return False
        limit = switches.append_limit
        if not plus and command.verb == "APPEND" and limit and size > limit.number and not limit.late:
            await session.answer(command.tag, texts.TOO_BIG)
            return False
        if not plus or switches.spurious_plus:
            command.entry.continuations += len(texts.CONTINUE) + 2
            await session.line(texts.CONTINUE)
        command.pieces.append(await self._exactly(size))
        return True

    async def _exactly(self, size):
        """That many bytes, or what comes before the fault that strikes within them."""
        found = bytearray()
        while len(found) < size:
            await self._strike_if_due()
            data = await self._reader.readexactly(min(size - len(found), self._left() or size))
            self.received += len(data)
            found += data
        await self._strike_if_due()
        return bytes(found)

    # --- faults ---

    def _arm(self, command, start):
        for name in ("cut_in", "silence_in"):
            fault = getattr(self._switches, name)
            if fault and not fault.trigger.anywhere and command.meets(fault.trigger) and fault.trigger.take():
                self._fault = (name, start + fault.number)

    def _due(self):
        """(switch name, place in the stream) of the next fault, None where none is set."""
        for name in ("cut_in", "silence_in"):
            fault = getattr(self._switches, name)
            if fault and fault.trigger.anywhere and fault.trigger.times != 0:
                return name, fault.number
        return self._fault

    def _left(self):
        due = self._due()
        return max(0, due[1] - self.received) if due else None

    async def _strike_if_due(self, whole=False):
        due = self._due()
        if not due or (self.received < due[1] and not (whole and due is self._fault)):
            return
        if due is not self._fault:
            getattr(self._switches, due[0]).trigger.take()
        gate = self._session.gate
        gate.mark(due[0])
        if due[0] == "silence_in":
            gate.muted = True
            await self._session.hold()
        await gate.close(abrupt=True)
        raise Closed
