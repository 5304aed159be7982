"""The IMAP server behind carries a command out; its answers are put into the service's words.

_converse() is the one dialogue with it. _relay() is for commands that change nothing: their answers
pass through as they come. Those that write are in write.py.
"""
import re

from . import names, texts
from .rewrite import Broken, FetchRewriter, SearchRewriter, about_text, common, listing, selected, uidvalidity
from .wire import arguments, render, replace_argument

_CODE = re.compile(rb"\[(READ-WRITE|READ-ONLY|APPENDUID[^\]]*|COPYUID[^\]]*)\] ")
_PARTIAL = re.compile(rb"<\d+\.\d+>")
_GONE = (b"* BYE", b"* NO Internal error")  # Dovecot, when another client took the selected mailbox away


class Displaced(Exception):
    """The selected mailbox was deleted, renamed or replaced: the service ends the connection."""


class Relay:
    """Part of Session."""

    async def _relay(self, command):
        verb, switches = command.name, self.switches
        pieces, rewriter = self._prepare(command, verb)
        broken = None
        if verb == "FETCH":
            fault = next((f for f in (switches.unavailable_bare, switches.unavailable_no)
                          if f and command.meets(f.trigger)), None)
            if fault:
                broken = rewriter = Broken(rewriter, fault, fault is switches.unavailable_bare)
        if verb in ("SELECT", "EXAMINE", "UNSELECT", "CLOSE"):
            self.mailbox, self.displaced = None, False
        held = [] if self.service.hooks.waiting("after", self, command) else None
        tagged = await self._converse(command, pieces, rewriter, self.gate.send if held is None else _keep(held))
        if held is not None:
            await self.service.hooks.run("after", self, command)
            await self.gate.send(b"".join(held))
        if broken and broken.ends():
            return await broken.finish(self, command)
        if verb in ("LIST", "LSUB") and tagged.startswith(b"OK"):
            await self._odd_names(command, verb)
        await self.answer(command.tag, self._tagged(command, tagged))

    async def _converse(self, command, pieces, rewriter, sink):
        """The backend's tagged answer without its tag; sink gets the others, worded, in lots.

        A mailbox that is not there is looked for once more without regard to case. To the service a message that
        another client has just expunged is merely not there, so the backend is made to see it and asked again.
        """
        tagged = await self._ask(command.verb, pieces, rewriter, sink)
        if b"[EXPUNGEISSUED]" in tagged and command.verb.startswith("UID "):
            await self._ask("NOOP", [b""], rewriter, sink)
            tagged = await self._ask(command.verb, pieces, rewriter, sink)
        if not tagged.startswith(b"OK") and _missing(tagged) and command.name in names.PLACES:
            place = names.PLACES[command.name]
            name = arguments(pieces)[place]
            real = names.resolve(await self.elsewhere("mailboxes"), name)
            if real != name:
                tagged = await self._ask(command.verb, replace_argument(pieces, place, real), rewriter, sink)
        return tagged

    async def _ask(self, verb, pieces, rewriter, sink):
        worded = self._wording(rewriter)
        self.backend.send(verb, pieces)
        while True:
            lot = []
            for unit in await self.backend.units():
                if unit[0].startswith(b"x "):
                    await sink(b"".join(lot))
                    return unit[0][2:]
                lot.append(worded(unit))
            await sink(b"".join(lot))

    def _wording(self, rewriter):
        """A function from an untagged response to the bytes that the client gets."""
        def worded(pieces):
            if pieces[0].startswith(_GONE):
                raise Displaced
            if pieces[0].endswith(b" EXISTS"):
                self.exists = int(pieces[0].split(b" ")[1])
            pieces = rewriter(pieces)
            if not pieces:
                return b""
            if self.switches.uidvalidity is not None:
                pieces = uidvalidity(pieces, self.switches.uidvalidity)
            return render(pieces)
        return worded

    def _prepare(self, command, verb):
        """(pieces for the backend, the rewriter of what it answers)."""
        pieces = self._backend_name(command, list(command.pieces))
        if verb in ("SELECT", "EXAMINE"):
            return pieces, lambda response: selected(response, verb == "EXAMINE")
        if verb in ("LIST", "LSUB"):
            return pieces, listing
        if verb == "FETCH":
            whole = self.switches.whole_on_partial and b"[]<" in pieces[0]
            if whole:
                pieces[0] = _PARTIAL.sub(b"", pieces[0])
            peek = b"BODY.PEEK[]" in pieces[0].upper()
            return pieces, self._fetch_rewriter(command.verb.startswith("UID"), peek, whole)
        if verb == "SEARCH" and command.verb.startswith("UID") and about_text(pieces):
            return pieces, SearchRewriter(self.switches, self.mailbox or "")
        return pieces, common

    def _fetch_rewriter(self, by_uid, peek, whole):
        return FetchRewriter(self.switches, self.mailbox or "", by_uid, peek, whole)

    def _backend_name(self, command, pieces):
        """An odd name that LIST has shown opens the backend's Archive; it cannot be deleted or renamed."""
        odd = self.switches.odd_names
        if not odd or command.name not in names.PLACES or command.name in ("DELETE", "RENAME"):
            return pieces
        place, values = names.PLACES[command.name], arguments(pieces)
        shown = set(odd) | {value for name in odd for value in arguments([name])[:1]}
        if len(values) > place and values[place] in shown:
            return replace_argument(pieces, place, b"Archive")
        return pieces

    def _tagged(self, command, tagged):
        """The service's words for the backend's tagged answer."""
        name = command.name.encode()
        status, _, rest = tagged.partition(b" ")
        if status == b"OK":
            if command.verb in ("SELECT", "EXAMINE"):
                self.mailbox = arguments(command.pieces)[0].decode(errors="replace")
                self.read_only = command.verb == "EXAMINE"
            code = _CODE.match(rest)
            text = b"[%s] " % code[1] if code else b""
            if self.switches.uidvalidity is not None:
                text = uidvalidity([text], self.switches.uidvalidity)[0]
            return b"OK " + text + name + b" completed."
        if b"[ALREADYEXISTS]" in rest:
            return texts.EXISTS
        if _missing(tagged):
            if command.name in ("APPEND", "COPY", "MOVE"):
                return texts.NO_FOLDER
            return b"NO %s doesn't exist." % arguments(command.pieces)[0]
        if status == b"BAD" and b"sequence" in rest.lower() or b"Invalid UID" in rest or b"messageset" in rest:
            return texts.BAD_SET
        return texts.ARGUMENT_11 if status == b"BAD" else b"NO %s failed." % name

    async def _odd_names(self, command, verb):
        pattern = arguments(command.pieces)[-1]
        if self.switches.odd_names and pattern in (b"*", b"%"):
            for name in self.switches.odd_names:
                await self.line(b'* %s (\\HasNoChildren) "/" %s' % (verb.encode(), name))


def _missing(tagged):
    return b"[NONEXISTENT]" in tagged or b"[TRYCREATE]" in tagged or b"doesn't exist" in tagged


def _keep(held):
    async def sink(data):
        held.append(data)
    return sink
