"""Outlook.com's own words (OUTLOOK.md), in one place."""
GREETINGS = {
    "classic": b"* OK The Microsoft Exchange IMAP4 service is ready. "
               b"[RQBNAEUAUABSADAANAAuAGUAeABhAG0AcABsAGUALgBvAHIAZwA=]",
    "2026": b"* OK Microsoft Exchange IMAP4 service ready. 5f0a3b1c-7c1e-4d53-9d0e-2f4b6a8c0e1d "
            b"(tcpproxy/15.21.0406.000 BACKENDAUTHENTICATE) "
            b"[RQBNAEUAUABSADAANAAuAGUAeABhAG0AcABsAGUALgBvAHIAZwA=]",
}
BEFORE = {
    "new": "IMAP4 IMAP4rev1 AUTH=XOAUTH2 LOGINDISABLED SASL-IR UIDPLUS MOVE ID UNSELECT CHILDREN IDLE "
           "NAMESPACE LITERAL+",
    "old": "IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS ID UNSELECT CHILDREN IDLE NAMESPACE LITERAL+",
}
AFTER = {
    "new": "IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS MOVE ID UNSELECT CLIENTACCESSRULES "
           "CLIENTNETWORKPRESENCELOCATION BACKENDAUTHENTICATE CHILDREN IDLE NAMESPACE LITERAL+",
    "old": "IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS ID UNSELECT CLIENTACCESSRULES "
           "CLIENTNETWORKPRESENCELOCATION BACKENDAUTHENTICATE CHILDREN IDLE NAMESPACE LITERAL+",
}
FLAGS = rb"\Seen \Answered \Flagged \Deleted \Draft $MDNSent"
ARGUMENT_11 = b"BAD Command Argument Error. 11"
ARGUMENT_12 = b"BAD Command Argument Error. 12"
COMMAND_12 = b"BAD Command Error. 12"
TOO_BIG = b"NO Maximum size of appendable message has been exceeded"
OVERQUOTA = b"NO [OVERQUOTA] The mailbox is full."
EXPUNGE_FAILED = b"NO EXPUNGE failed"
EXISTS = b"NO Mailbox already exists."
RESERVED = b"NO Folder name is reserved"
NO_FOLDER = b"NO [TRYCREATE] Folder is not found."
CONTINUE = b"+ Ready for additional command text."
COMMAND_10 = b"BAD Command Error. 10"
WRONG_STATE = b"BAD Command received in Invalid state."
BAD_SET = b"BAD The specified message set is invalid."
NOT_CONNECTED = b"BAD User is authenticated but not connected."
CLOSED_14 = b"* BYE Connection closed. 14"
SIGNING_OFF = b"* BYE Microsoft Exchange Server IMAP4 server signing off."
EXPIRED = b"* BYE Session invalidated - AccessTokenExpired"
UNAVAILABLE = b"Server Unavailable. 15"
BADCHARSET = b"NO [BADCHARSET (US-ASCII)] The specified charset is not supported."


def capabilities(switches, signed_in):
    kind = "new" if switches.caps == "rollout" else switches.caps
    text = (AFTER if signed_in else BEFORE)[kind]
    words = text.split()
    if not switches.saslir:
        words.remove("SASL-IR")
    words = [word for word in words if word not in (switches.without or ())]
    if switches.caps == "rollout":
        words += ["ENABLE", "IMAP4rev2"]
    return " ".join(words).encode()


def throttled(milliseconds):
    return b"Request is throttled. Suggested Backoff Time: %d milliseconds" % milliseconds


def placeholder(uid):
    """What BODY[] answers for a message that the service cannot render."""
    return (b"From: Microsoft Exchange Server\r\nTo: you\r\n"
            b"Subject: Retrieval using the IMAP4 protocol failed for the following message: %d\r\n"
            b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
            b"The server couldn't retrieve the following message:\r\n\r\nUID: %d\r\n\r\n"
            b"The message hasn't been deleted. You might be able to view it using either Outlook or "
            b"Outlook Web App.\r\n" % (uid, uid))
