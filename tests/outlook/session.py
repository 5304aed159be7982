"""One client's connection: takes its commands in turn and decides what Outlook.com would do.

Commands are carried out one after the other, as the service does; a client that pipelines finds its
later commands waiting in the socket. All of it runs on the emulation's event loop; what has to wait
for another client (elsewhere.py) or a test's own function (hooks.py) runs in a thread meanwhile.

The parts: intake.py reads, login.py signs in, relay.py and write.py ask the IMAP server behind.
"""
import asyncio

from . import texts
from .gate import Closed, Gate
from .intake import Intake
from .login import Login
from .policy import Refusal, check
from .relay import Displaced, Relay
from .write import Write

PASSES_UNSIGNED = {"CAPABILITY", "NOOP", "LOGOUT", "AUTHENTICATE", "LOGIN", "ID"}


class Session(Login, Relay, Write):
    def __init__(self, service, number, reader, writer):
        self.service, self.number = service, number
        self.switches = service.switches
        self.reader, self.writer = reader, writer
        self.gate = Gate(self.switches, writer)
        self.intake = Intake(self, reader)
        self.user = self.token = None
        self.useless = False   # signed in but "not connected"
        self.useless_answers = 0
        self.mailbox = None    # as the client named it
        self.read_only = False
        self.displaced = False  # the selected mailbox is no longer what it was
        self.signed_commands = self.errors = 0
        self.exists = 0
        self.backend = None
        self.backdoor = None   # another client of the same account, once one was needed
        self.due = []          # (command number, mailbox, UIDs) of messages that get new UIDs then

    async def run(self):
        try:
            await self.line(texts.GREETINGS[self.switches.greeting])
            while True:
                command = await self.intake.command()
                if command:
                    await self._carry_out(command)
                self.gate.disarm()
        except (Closed, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            for connection in (self.backend, self.backdoor):
                if connection:
                    connection.close()
            await self.gate.close()

    async def line(self, text):
        await self.gate.send(text + b"\r\n")

    async def bye(self, text):
        await self.line(text)
        if not self.gate.muted:
            raise Closed
        await self.hold()

    async def hold(self):
        """A connection that has fallen silent stays until the client goes."""
        while await self.reader.read(65536):
            pass
        raise Closed

    async def answer(self, tag, text):
        """The tagged line; ten errors in a row end the connection."""
        self.gate.status(text)
        await self.line(tag + b" " + text)
        self.errors = 0 if text.startswith(b"OK") else self.errors + 1
        if self.errors >= 10 and self.switches.bye_after_10_errors:
            await self.bye(texts.CLOSED_14)

    async def elsewhere(self, name, *values):
        """What another client of this account does (a method of Elsewhere), in a thread."""
        if not self.backdoor:
            self.backdoor = self.service.elsewhere(self.user)
        return await asyncio.to_thread(getattr(self.backdoor, name), *values)

    # --- carrying out ---

    async def _carry_out(self, command):
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
        throttle = self.switches.throttle
        if throttle and command.meets(throttle.trigger) and throttle.trigger.take():
            await self.answer(command.tag, throttle.status + b" " + texts.throttled(throttle.milliseconds))
            if throttle.bye:
                await self.bye(texts.CLOSED_14)
            return
        if not self.user and command.verb not in PASSES_UNSIGNED:
            return await self.answer(command.tag, texts.WRONG_STATE)
        try:
            await self._meanwhile(command)
            local = getattr(self, "_do_" + command.verb.lower().replace(" ", "_"), None)
            check(self, command, bool(local))
            await (local or (self._write if "WRITING" in command.words else self._relay))(command)
        except Refusal as refusal:
            await self.answer(command.tag, refusal.text)
        except Displaced:
            await self.bye(texts.CLOSED_14)

    async def _check_token(self):
        expiry = self.switches.token_expiry
        if self.token and self.service.tokens.user_of(self.token) is None:
            await self.bye(texts.EXPIRED)
        if expiry and self.signed_commands >= expiry.number and expiry.trigger.take():
            await self.bye(texts.EXPIRED)

    async def _meanwhile(self, command):
        """What happens in the account just before a command: due reassignments, then the hooks of tests."""
        due = [entry for entry in self.due if entry[0] <= command.number]
        self.due = [entry for entry in self.due if entry not in due]
        for _, mailbox, uids in due:
            await self.elsewhere("reassign", mailbox, uids)
        await self.service.hooks.run("before", self, command)
        if self.displaced and command.verb not in ("SELECT", "EXAMINE"):
            raise Displaced

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

    async def _do_idle(self, command):
        self.backend.write(b"x IDLE\r\n")
        if self.switches.exists_before_plus:
            await self.line(b"* %d EXISTS" % self.exists)
        await self.line(b"+ IDLE accepted, awaiting DONE command.")
        done = asyncio.ensure_future(self.intake.line())
        try:
            while True:
                push = asyncio.ensure_future(self.backend.units())
                await asyncio.wait({done, push}, return_when=asyncio.FIRST_COMPLETED)
                if done.done():
                    break
                await self._pushes(push.result())
            if done.result().strip().upper() != b"DONE":
                raise Closed
            self.backend.write(b"DONE\r\n")
            while not await self._pushes(await push):
                push = self.backend.units()
            await self.answer(command.tag, b"OK IDLE completed.")
        finally:
            done.cancel()
            if isinstance(push, asyncio.Future):
                push.cancel()

    async def _pushes(self, units):
        """Passes on what came during IDLE; whether its tagged line was among it."""
        ended = False
        worded = self._wording(self._fetch_rewriter(False, False, False))
        for pieces in units:
            if pieces[0].startswith(b"x "):
                ended = True
            elif not pieces[0].startswith(b"+") and not self.switches.idle_silent \
                    and not pieces[0].startswith(b"* OK"):
                await self.gate.send(worded(pieces))
        return ended
