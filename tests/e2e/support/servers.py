"""Dovecot with the emulation in front, as one thing, and the accounts that clients of either need."""
import imaplib
import ssl

from tests.outlook import Outlook

from .dovecot import OUTLOOK_MAILBOXES, Dovecot

imaplib._MAXLINE = 100_000_000  # its own bound is for careless clients, not for tests
TOKEN_BYTES = 1500  # as long as Microsoft's


def make_token(user, mark="x"):
    """An opaque access token of the usual length for the emulation's token book."""
    text = f"EwA{mark}-{user.replace('@', '-at-')}-"
    return (text + "Zm9v" * TOKEN_BYTES)[:TOKEN_BYTES]


def outlook_in_front(dovecot, **switches):
    return Outlook((dovecot.host, dovecot.port), dovecot.certificates.cert, dovecot.certificates.key,
                   dovecot.password, switches=switches)


def outlook_dovecot(**options):
    return Dovecot(mailboxes=OUTLOOK_MAILBOXES, **options)


def connect(dovecot, user):
    """A signed-in imaplib client of Dovecot itself, past the emulation: the truth to compare with."""
    client = imaplib.IMAP4(dovecot.host, dovecot.port, timeout=60)
    client.login(user, dovecot.password)
    return client


def connect_outlook(service, ca, user, token):
    context = ssl.create_default_context(cafile=ca)
    client = imaplib.IMAP4_SSL("localhost", service.port, ssl_context=context, timeout=60)
    client.authenticate("XOAUTH2", lambda _: f"user={user}\1auth=Bearer {token}\1\1".encode())
    return client
