"""An emulation of Outlook.com's IMAP service: a proxy in front of a real Dovecot. README.md explains it.

    from tests.outlook import Outlook
    with Outlook(backend=("127.0.0.1", 1143), cert=..., key=...) as service:
        service.tokens.add("value", "joe@example.org")
        service.set(size_skew="+100")
"""
from .server import Outlook
from .switches import SWITCHES, Switches, SwitchError
from .tokens import TokenBook

__all__ = ["Outlook", "SWITCHES", "Switches", "SwitchError", "TokenBook"]
