"""The server that makes its answers up is one that Python's own client can list."""
import imaplib
import threading

from tests.bench.endless import Endless

imaplib._MAXLINE = 10_000_000


def test_it_lists_what_it_says_it_has():
    with Endless(1234) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        client = imaplib.IMAP4("127.0.0.1", server.port, timeout=20)
        client.authenticate("PLAIN", lambda _: "\0user\0secret")
        assert client.select("INBOX", readonly=True)[1] == [b"1234"]
        flags = client.uid("FETCH", "1:*", "(UID FLAGS)")[1]
        assert len(flags) == 1234 and flags[-1] == b"1234 (UID 1234 FLAGS (\\Seen))"
        items = "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (DATE FROM TO SUBJECT MESSAGE-ID)])"
        rows = client.uid("FETCH", "1230:2000", items)[1]
        texts = [row[1] for row in rows if isinstance(row, tuple)]
        assert len(texts) == 5 and b"<1234@endless.example.org>" in texts[-1]
        client.logout()
        server.shutdown()
        thread.join(10)
