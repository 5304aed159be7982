"""An emulation of Outlook.com's IMAP service (a proxy in front of a real Dovecot) and of the sign-in
service that gives its tokens. README.md explains both.

    from tests.outlook import Outlook
    with Outlook(backend=("127.0.0.1", 1143), cert=..., key=...) as service:
        service.tokens.add("value", "joe@example.org")
        service.set(size_skew="+100")
        with SignIn(cert, key, service.tokens) as signin:
            ...
"""
from .elsewhere import Elsewhere, ElsewhereError
from .server import Outlook
from .signin import SignIn
from .switches import SWITCHES, Switches, SwitchError
from .tokens import TokenBook

__all__ = ["Elsewhere", "ElsewhereError", "Outlook", "SWITCHES", "SignIn", "Switches", "SwitchError", "TokenBook"]
