"""One client's connection: reads commands, decides what Outlook.com would do, asks Dovecot for the rest.

Commands are carried out one after the other, as the service does; a client that pipelines finds its
later commands waiting in the socket. All of it runs on the emulation's event loop.
"""
import asyncio
import base64
import collections
import json
import re

from . import texts
from .gate import Closed, Gate
from .policy import Refusal, check
from .rewrite import FetchRewriter, common, listing, selected, uidvalidity
from .tokens import parse_xoauth2
from .wire import Splitter, arguments, render

_COMMAND = re.compile(rb"([^ ]+) ((?i:UID) )?([A-Za-z]+)(?: (.*))?", re.S)
_CLIENT_LITERAL = re.compile(rb"\{(\d+)(\+?)\}$")
_CODE = re.compile(rb"\[(READ-WRITE|READ-ONLY|APPENDUID[^\]]*|COPYUID[^\]]*)\] ")
_PARTIAL = re.compile(rb"<\d+\.\d+>")
LITERAL_CEILING = 64 << 20
PASSES_UNSIGNED = {"CAPABILITY", "NOOP", "LOGOUT", "AUTHENTICATE", "LOGIN", "ID"}

Command = collections.namedtuple("Command", "tag verb pieces words")  # pieces: after the verb


class Session:
    def __init__(self, service, number, reader, writer):
        self.service, self.number = service, number
        self.switches = service.switches
        self.reader, self.writer = reader, writer
        self.gate = Gate(self.switches, writer)
        self.user = self.token = None
        self.useless = False   # signed in but "not connected"
        self.useless_answers = 0
        self.mailbox = None
        self.commands = self.signed_commands = self.errors = 0
        self.exists = 0
        self.backend = None    # (reader, writer)
        self._splitter = Splitter()
        self._units = collections.deque()

    async def run(self):
        try:
            await self.line(texts.GREETINGS[self.switches.greeting])
            while True:
                command = await self._read_command()
                if command:
                    await self._carry_out(command)
        except (Closed, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            if self.backend:
                self.backend[1].close()
            await self.gate.close()

    async def line(self, text):
        await self.gate.send(text + b"\r\n")

    async def bye(self, text):
        await self.line(text)
        if not self.gate.muted:
            raise Closed
        await self._hold()

    async def _hold(self):
        """A connection that has fallen silent stays until the client goes."""
        while await self.reader.read(65536):
            pass
        raise Closed

    # --- commands in ---

    async def _read_line(self):
        limit = self.switches.idle_timeout if self.user else self.switches.preauth_timeout
        try:
            return (await asyncio.wait_for(self.reader.readuntil(b"\n"), limit)).rstrip(b"\r\n")
        except asyncio.TimeoutError:
            await self.bye(texts.CLOSED_14)

    async def _read_command(self):
        pieces, longest = [], 0
        while True:
            text = await self._read_line()
            longest = max(longest, len(text) + 2)
            pieces.append(text)
            match = _CLIENT_LITERAL.search(text)
            if not match:
                break
            if int(match[1]) > LITERAL_CEILING:
                await self.bye(texts.CLOSED_14)
            if not match[2]:
                await self.line(b"+ Ready for additional command text.")
            pieces.append(await self.reader.readexactly(int(match[1])))
        match = _COMMAND.fullmatch(pieces[0])
        self.commands += 1
        if not match:
            await self.answer(pieces[0].split(b" ")[0] or b"*", texts.COMMAND_12)
            return None
        verb = ("UID " if match[2] else "") + match[3].decode().upper()
        pieces[0] = match[4] or b""
        self.service.transcript.add(self.number, match[1].decode(errors="replace"), verb,
                                    b"".join(pieces[::2]).decode(errors="replace"))
        words = {verb, verb.removeprefix("UID ")}
        if "FETCH" in words:
            words.add("BODY" if b"[]" in pieces[0] else "LISTING")
        command = Command(match[1], verb, pieces, words)
        self.gate.arm(words, self.commands)
        if self.switches.line_limit and longest > self.switches.line_limit:
            await self.answer(command.tag, texts.COMMAND_12)
            return None
        return command

    async def answer(self, tag, text):
        """The tagged line; ten errors in a row end the connection."""
        await self.line(tag + b" " + text)
        self.errors = 0 if text.startswith(b"OK") else self.errors + 1
        if self.errors >= 10 and self.switches.bye_after_10_errors:
            await self.bye(texts.CLOSED_14)

    async def _carry_out(self, command):
        switches = self.switches
        if command.verb == "LOGOUT":
            await self.line(texts.SIGNING_OFF)
            await self.line(command.tag + b" OK LOGOUT completed.")
            raise Closed
        if self.user:
            await self._check_token()
            self.signed_commands += 1
        if self.useless:
            self.useless_answers += 1
            await self.line(command.tag + b" " + texts.NOT_CONNECTED)
            if self.useless_answers >= 2:
                await self.bye(texts.CLOSED_14)
            return
        throttle = switches.throttle
        if throttle and throttle.trigger.matches(command.words, self.commands) and throttle.trigger.take():
            await self.answer(command.tag, throttle.status + b" " + texts.throttled(throttle.milliseconds))
            if throttle.bye:
                await self.bye(texts.CLOSED_14)
            return
        if not self.user and command.verb not in PASSES_UNSIGNED:
            return await self.answer(command.tag, texts.WRONG_STATE)
        try:
            local = getattr(self, "_do_" + command.verb.lower().replace(" ", "_"), None)
            if not local:
                check(self, command)
            await (local or self._relay)(command)
        except Refusal as refusal:
            await self.answer(command.tag, refusal.text)

    async def _check_token(self):
        expiry = self.switches.token_expiry
        if self.token and self.service.tokens.user_of(self.token) is None:
            await self.bye(texts.EXPIRED)
        if expiry and self.signed_commands >= expiry.number and expiry.trigger.take():
            await self.bye(texts.EXPIRED)

    # --- what the service answers by itself ---

    async def _do_capability(self, command):
        await self.line(b"* CAPABILITY " + texts.capabilities(self.switches, bool(self.user)))
        await self.answer(command.tag, b"OK CAPABILITY completed.")

    async def _do_namespace(self, command):
        await self.line(b'* NAMESPACE (("" "/")) NIL NIL')
        await self.answer(command.tag, b"OK NAMESPACE completed.")

    async def _do_id(self, command):
        await self.line(b'* ID ("name" "Microsoft.Exchange.Imap4.Imap4Server" "version" "15.21")')
        await self.answer(command.tag, b"OK ID completed")

    async def _basic(self, command, user, password):
        if self.switches.basic_disabled:
            await self.line(command.tag + b" NO Basic authentication is disabled.")
            await self.bye(texts.SIGNING_OFF)
        if await self._connect(user, password):
            return await self._signed_in(command, user, None, useless=False)
        await self.answer(command.tag, b"NO %s failed." % command.verb.encode())

    async def _do_login(self, command):
        if self.user:
            return await self.answer(command.tag, texts.WRONG_STATE)
        values = arguments(command.pieces)
        if len(values) != 2:
            return await self.answer(command.tag, texts.ARGUMENT_11)
        await self._basic(command, values[0].decode(errors="replace"), values[1].decode(errors="replace"))

    async def _do_authenticate(self, command):
        if self.user:
            return await self.answer(command.tag, texts.WRONG_STATE)
        words = command.pieces[0].split(b" ")
        mechanism = words[0].upper()
        if mechanism not in (b"XOAUTH2", b"PLAIN"):
            return await self.answer(command.tag, b"NO AUTHENTICATE failed.")
        if len(words) > 2 or (len(words) == 2 and not self.switches.saslir):
            return await self.answer(command.tag, texts.ARGUMENT_11)
        if len(words) == 2:
            response = words[1]
        else:
            await self.line(b"+ ")
            response = await self._read_line()
        if mechanism == b"PLAIN":
            parts = base64.b64decode(response + b"==").split(b"\0")
            if len(parts) != 3:
                return await self.answer(command.tag, b"NO AUTHENTICATE failed.")
            return await self._basic(command, parts[1].decode(errors="replace"), parts[2].decode(errors="replace"))
        await self._xoauth2(command, response)

    async def _xoauth2(self, command, response):
        parsed = parse_xoauth2(response)
        owner = self.service.tokens.user_of(parsed[1]) if parsed else None
        if owner is None:
            if self.switches.json_challenge:
                challenge = json.dumps({"status": "400", "schemes": "Bearer", "scope": "IMAP.AccessAsUser.All"})
                await self.line(b"+ " + base64.b64encode(challenge.encode()))
                if await self._read_line():
                    return await self.answer(command.tag, texts.ARGUMENT_11)
            return await self.answer(command.tag, b"NO AUTHENTICATE failed.")
        user, token = parsed
        useless = user.lower() != owner.lower() or self.switches.auth_ok_not_connected \
            or self.service.too_many(user)
        if not useless and not await self._connect(user, self.service.backend_password):
            return await self.answer(command.tag, b"NO AUTHENTICATE failed.")
        await self._signed_in(command, user, token, useless)

    async def _signed_in(self, command, user, token, useless):
        self.user, self.token, self.useless = user, token, useless
        self.service.signed_in(self)
        await self.answer(command.tag, b"OK %s completed." % command.verb.encode())

    # --- Dovecot behind ---

    async def _connect(self, user, password):
        reader, writer = await asyncio.open_connection(*self.service.backend, limit=1 << 20)
        self.backend = (reader, writer)
        await self._next_units()
        quoted = [re.sub(r'(["\\])', r"\\\1", text).encode() for text in (user, password)]
        writer.write(b'l LOGIN "%s" "%s"\r\n' % tuple(quoted))
        while True:
            for pieces in await self._next_units():
                if pieces[0].startswith(b"l "):
                    if pieces[0].startswith(b"l OK"):
                        return True
                    writer.close()
                    self.backend = None
                    return False

    async def _next_units(self):
        while True:
            data = await self.backend[0].read(1 << 18)
            if not data:
                raise Closed
            units = self._splitter.feed(data)
            if units:
                return units

    async def _relay(self, command):
        """Dovecot carries the command out; its answers are turned into the service's."""
        verb, switches = command.verb.removeprefix("UID "), self.switches
        pieces, rewriter = self._prepare(command, verb)
        self._send_backend(command.verb, pieces)
        fault = None
        if verb == "FETCH":
            fault = next((f for f in (switches.unavailable_bare, switches.unavailable_no)
                          if f and f.trigger.matches(command.words, self.commands)), None)
        struck = False
        if verb in ("SELECT", "EXAMINE", "UNSELECT", "CLOSE"):
            self.mailbox = None
        while True:
            out = []
            for pieces in await self._next_units():
                if fault and not struck and rewriter.seen >= fault.number and fault.trigger.take():
                    struck = True
                    if fault is switches.unavailable_bare:
                        out.append(texts.UNAVAILABLE + b"\r\n")
                if pieces[0].startswith(b"x "):
                    await self.gate.send(b"".join(out))
                    return await self._finish(command, verb, pieces[0][2:], fault if struck else None)
                if struck:
                    continue
                if pieces[0].endswith(b" EXISTS"):
                    self.exists = int(pieces[0].split(b" ")[1])
                pieces = rewriter(pieces)
                if pieces:
                    if switches.uidvalidity is not None:
                        pieces = uidvalidity(pieces, switches.uidvalidity)
                    out.append(render(pieces))
            await self.gate.send(b"".join(out))

    def _prepare(self, command, verb):
        """(pieces to send to Dovecot, the rewriter of what it answers)."""
        pieces = list(command.pieces)
        if verb in ("SELECT", "EXAMINE", "STATUS"):
            pieces = self._real_name(pieces, verb)
            if verb != "STATUS":
                return pieces, lambda response: selected(response, verb == "EXAMINE")
        if verb in ("LIST", "LSUB"):
            return pieces, listing
        if verb in ("FETCH", "STORE"):
            whole = self.switches.whole_on_partial and verb == "FETCH" and b"[]<" in pieces[0]
            if whole:
                pieces[0] = _PARTIAL.sub(b"", pieces[0])
            peek = b"BODY.PEEK[]" in pieces[0].upper()
            return pieces, FetchRewriter(self.switches, self.mailbox or "", command.verb.startswith("UID"),
                                         peek, whole)
        return pieces, common

    def _real_name(self, pieces, verb):
        """An odd name that LIST has shown opens the backend's Archive."""
        values = arguments(pieces)
        odd = self.switches.odd_names or []
        if values and any(values[0] in (name, arguments([name])[0]) for name in odd if arguments([name])):
            rest = b" " + pieces[-1][pieces[-1].index(b"("):] if verb == "STATUS" else b""
            return [b"Archive" + rest]
        return pieces

    def _send_backend(self, verb, pieces):
        text = b"x " + verb.encode() + (b" " + pieces[0] if pieces[0] else b"")
        self.backend[1].write(render([text, *pieces[1:]], b"+"))

    async def _finish(self, command, verb, tagged, fault):
        if fault:
            if fault is not self.switches.unavailable_no:
                return  # the bare line was all
            return await self.answer(command.tag, b"NO " + texts.UNAVAILABLE)
        if verb in ("LIST", "LSUB") and tagged.startswith(b"OK"):
            await self._odd_names(command, verb)
        await self.answer(command.tag, self._tagged(command, verb, tagged))

    def _tagged(self, command, verb, tagged):
        name = verb.encode()
        status, _, rest = tagged.partition(b" ")
        if status == b"OK":
            if verb in ("SELECT", "EXAMINE"):
                values = arguments(command.pieces)
                self.mailbox = values[0].decode(errors="replace")
            code = _CODE.match(rest)
            text = b"[%s] " % code[1] if code else b""
            if self.switches.uidvalidity is not None:
                text = uidvalidity([text], self.switches.uidvalidity)[0]
            return b"OK " + text + name + b" completed."
        if b"[ALREADYEXISTS]" in rest:
            return b"NO Mailbox already exists."
        if b"[NONEXISTENT]" in rest or b"[TRYCREATE]" in rest or b"doesn't exist" in rest:
            if verb in ("APPEND", "COPY", "MOVE"):
                return b"NO [TRYCREATE] Folder is not found."
            return b"NO %s doesn't exist." % arguments(command.pieces)[0]
        if status == b"BAD" and b"sequence" in rest.lower() or b"Invalid UID" in rest or b"messageset" in rest:
            return texts.BAD_SET
        return texts.ARGUMENT_11 if status == b"BAD" else b"NO %s failed." % name

    async def _odd_names(self, command, verb):
        pattern = arguments(command.pieces)[-1]
        if self.switches.odd_names and pattern in (b"*", b"%"):
            for name in self.switches.odd_names:
                await self.line(b'* %s (\\HasNoChildren) "/" %s' % (verb.encode(), name))

    async def _do_idle(self, command):
        self.backend[1].write(b"x IDLE\r\n")
        if self.switches.exists_before_plus:
            await self.line(b"* %d EXISTS" % self.exists)
        await self.line(b"+ IDLE accepted, awaiting DONE command.")
        done = asyncio.ensure_future(self._read_line())
        try:
            while True:
                push = asyncio.ensure_future(self._next_units())
                await asyncio.wait({done, push}, return_when=asyncio.FIRST_COMPLETED)
                if done.done():
                    break
                await self._pushes(push.result())
            if done.result().strip().upper() != b"DONE":
                raise Closed
            self.backend[1].write(b"DONE\r\n")
            while not await self._pushes(await push):
                push = self._next_units()
            await self.answer(command.tag, b"OK IDLE completed.")
        finally:
            done.cancel()
            if isinstance(push, asyncio.Future):
                push.cancel()

    async def _pushes(self, units):
        """Passes on what came during IDLE; whether its tagged line was among it."""
        ended = False
        rewriter = FetchRewriter(self.switches, self.mailbox or "", False, False, False)
        for pieces in units:
            if pieces[0].startswith(b"x "):
                ended = True
            elif not pieces[0].startswith(b"+") and not self.switches.idle_silent \
                    and not pieces[0].startswith(b"* OK"):
                if pieces[0].endswith(b" EXISTS"):
                    self.exists = int(pieces[0].split(b" ")[1])
                pieces = rewriter(pieces)
                await self.gate.send(render(pieces) if pieces else b"")
        return ended
