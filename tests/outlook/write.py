"""Commands that change the account: what the service refuses, rewrites, reassigns and leaves out.

The answer of such a command is held until it has been carried out and what is to happen in between
(a reassigned UID, a test's hook) has happened. Only then its first byte is sent, so `cut_at=+0` loses the
answer to a change that stands, and `cut_in` the change itself.
"""
import asyncio
import re

from . import mime, names, texts
from .gate import Closed
from .policy import Refusal
from .rewrite import CopyRewriter, common, uidvalidity
from .wire import arguments, replace_argument, uid_set

_ROLES = (b"\\trash", b"\\sent", b"\\drafts", b"\\junk")
_UIDS = re.compile(rb"(?:APPENDUID \d+|COPYUID \d+ [\d,:]+) ([\d,:]+)")
THREAD_BYTES = 1 << 20  # rewriting more than this leaves the event loop


class Write:
    """Part of Session."""

    async def _write(self, command):
        switches, verb, held = self.switches, command.name, []

        async def keep(data):
            held.append(data)
        self._refuse(command, verb)
        await self._mass_break(command, verb)
        pieces = await self._dress(command, verb)
        rewriter = self._write_rewriter(command, verb)
        tagged = await self._converse(command, pieces, rewriter, keep)
        code = None
        text = self._tagged(command, tagged)
        if tagged.startswith(b"OK"):
            if verb in ("COPY", "MOVE"):
                code = rewriter.code or _code(text)
                text = await self._copied(command, verb, code, held)
            elif verb == "APPEND":
                code = _code(text)
                if switches.no_appenduid or "UIDPLUS" in (switches.without or ()):
                    text = b"OK APPEND completed."
            await self._touched(command, verb, code)
        await self.service.hooks.run("after", self, command)
        await self.gate.send(b"".join(held))
        await self.answer(command.tag, text)

    def _refuse(self, command, verb):
        switches = self.switches
        if verb == "EXPUNGE" and _strikes(switches.expunge_failed, command):
            raise Refusal(texts.EXPUNGE_FAILED)
        if verb in ("APPEND", "COPY") and _strikes(switches.overquota, command):
            raise Refusal(texts.OVERQUOTA)

    async def _mass_break(self, command, verb):
        """More messages than the service can stand: some are done, and the connection is gone."""
        fault = self.switches.mass_break
        if verb not in ("MOVE", "EXPUNGE") or not fault or not command.meets(fault.trigger):
            return
        values = arguments(command.pieces)
        uids = await self.elsewhere("uids", self.mailbox, values[0].decode() if values else "1:*",
                                    command.verb.startswith("UID") or not values, verb == "EXPUNGE")
        if len(uids) <= fault.number or not fault.trigger.take():
            return
        some = uids[:fault.number]
        if some and verb == "MOVE":
            await self.elsewhere("move", self.mailbox, some, values[1].decode(errors="replace"))
        elif some:
            await self.elsewhere("expunge", self.mailbox, some)
        self.gate.mark("mass_break")
        await self.gate.close(abrupt=True)
        raise Closed

    # --- to the backend ---

    async def _dress(self, command, verb):
        """The command as the backend gets it."""
        pieces = self._backend_name(command, list(command.pieces))
        if verb == "APPEND":
            return await self._dress_append(pieces)
        if verb in ("CREATE", "DELETE", "RENAME"):
            known = await self.elsewhere("mailboxes")
            pieces = {"CREATE": _create, "DELETE": _delete, "RENAME": _rename}[verb](known, pieces)
            await self._parents(known, arguments(pieces)[-1])
        return pieces

    async def _parents(self, known, name):
        """The service makes them as folders; the backend would only list them."""
        parts = name.rstrip(b"/").split(b"/")
        for count in range(1, len(parts)):
            parent = b"/".join(parts[:count])
            if parent and parent not in known:
                await self.elsewhere("create", parent.decode(errors="replace"))

    async def _dress_append(self, pieces):
        data, how = pieces[-2], self.switches.append_rewrite
        if how and data:
            turn = (mime.rewrite, data, how == "new_id")
            pieces[-2] = await asyncio.to_thread(*turn) if len(data) > THREAD_BYTES else turn[0](*turn[1:])
        if self.switches.mdnsent:
            pieces[-3] = _with_mdnsent(pieces[-3])
        pieces[-3] = re.sub(rb"\{\d+\+?\}$", b"{%d}" % len(pieces[-2]), pieces[-3])
        return pieces

    def _write_rewriter(self, command, verb):
        if verb in ("COPY", "MOVE"):
            return CopyRewriter()
        if verb == "STORE":
            return self._fetch_rewriter(command.verb.startswith("UID"), False, False)
        return common

    # --- from the backend ---

    async def _copied(self, command, verb, code, held):
        """The tagged answer of COPY or MOVE; what tells of UIDs before it goes to the front of held."""
        form, bare = self.switches.copyuid, b"OK %s completed." % verb.encode()
        if "UIDPLUS" in (self.switches.without or ()):
            form = "none"
        if form == "usual":
            form = "untagged" if verb == "MOVE" or not code else "tagged"
        if not code:
            target = arguments(command.pieces)[1]
            validity = await self.elsewhere("uidvalidity", target)
            if validity is None:
                return texts.NO_FOLDER
            code = b"COPYUID %d  " % validity if self.switches.copyuid_empty else None
        if not code or form == "none":
            return bare
        if self.switches.uidvalidity is not None:
            code = uidvalidity([code], self.switches.uidvalidity)[0]
        if form == "tagged":
            return b"OK [%s] %s completed." % (code, verb.encode())
        held.insert(0, (b"* OK [%s]\r\n" if form == "untagged" else b"[%s]\r\n") % code)
        return bare

    async def _touched(self, command, verb, code):
        """The messages that the command made or changed get new UIDs: now, or some commands later."""
        fault = self.switches.uid_reassigned
        if not fault or verb not in ("APPEND", "COPY", "MOVE", "STORE") or not command.meets(fault.trigger):
            return
        values = arguments(command.pieces)
        if verb == "STORE":
            mailbox = self.mailbox
            uids = await self.elsewhere("uids", mailbox, values[0].decode(), command.verb.startswith("UID"), False)
        else:
            mailbox = values[names.PLACES[verb]].decode(errors="replace")
            uids = uid_set(_UIDS.match(code)[1]) if code and _UIDS.match(code) else []
        if not uids or not fault.trigger.take():
            return
        if fault.number:
            self.due.append((command.number + fault.number, mailbox, uids))
        else:
            await self.elsewhere("reassign", mailbox, uids)


def _strikes(trigger, command):
    return trigger is not None and command.meets(trigger) and trigger.take()


def _code(text):
    match = re.match(rb"OK \[((?:APPENDUID|COPYUID) [^\]]*)\]", text)
    return match[1] if match else None


def _with_mdnsent(text):
    """APPEND's arguments before its literal, with one flag more."""
    found = re.search(rb'(?:^| )\(([^)]*)\)(?= (?:"[^"]*" )?\{\d+\+?\}$)', text)
    if found:
        flags = (found[1] + b" $MDNSent").strip()
        return text[:found.start(1)] + flags + text[found.end(1):]
    return re.sub(rb'((?: "[^"]*")?) (\{\d+\+?\})$', rb" ($MDNSent)\1 \2", text)


# --- mailboxes: the service knows them without regard to case ---

def _create(known, pieces):
    name = arguments(pieces)[0]
    if name.lower() == b"files":
        raise Refusal(texts.RESERVED)
    real = names.resolve(known, name)
    if real in known and b"\\noselect" not in known[real]:
        raise Refusal(texts.EXISTS)
    return replace_argument(pieces, 0, real)


def _own(known, name, verb):
    """A mailbox's real name, where it is not one of those that belong to the service."""
    real = names.resolve(known, name)
    if names.fold(real) == "inbox" or any(role in known.get(real, ()) for role in _ROLES):
        raise Refusal(b"NO %s failed." % verb)
    return real


def _delete(known, pieces):
    return replace_argument(pieces, 0, _own(known, arguments(pieces)[0], b"DELETE"))


def _rename(known, pieces):
    old, new = arguments(pieces)
    if new.lower() == b"files":
        raise Refusal(texts.RESERVED)
    old, target = _own(known, old, b"RENAME"), names.resolve(known, new)
    if target == old:  # its own name in other letters
        target = new
    elif target in known:
        raise Refusal(texts.EXISTS)
    return replace_argument(replace_argument(pieces, 0, old), 1, target)
