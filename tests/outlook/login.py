"""Signing in: what AUTHENTICATE and LOGIN do before there is a mailbox server behind a session."""
import base64
import json

from . import texts
from .backend import Backend
from .tokens import parse_xoauth2
from .wire import arguments


class Login:
    """Part of Session."""

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
            response = await self.intake.line()
        if mechanism == b"PLAIN":
            parts = base64.b64decode(response + b"==").split(b"\0")
            if len(parts) != 3:
                return await self.answer(command.tag, b"NO AUTHENTICATE failed.")
            return await self._basic(command, parts[1].decode(errors="replace"), parts[2].decode(errors="replace"))
        await self._xoauth2(command, response)

    async def _xoauth2(self, command, response):
        parsed = parse_xoauth2(response)
        owner = self.service.tokens.use(parsed[1]) if parsed else None
        if owner is None:
            if self.switches.json_challenge:
                challenge = json.dumps({"status": "400", "schemes": "Bearer", "scope": "IMAP.AccessAsUser.All"})
                await self.line(b"+ " + base64.b64encode(challenge.encode()))
                if await self.intake.line():
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

    async def _connect(self, user, password):
        self.backend = await Backend.sign_in(self.service.backend, user, password)
        return self.backend is not None
