"""An answer of the sign-in service, and how its bytes go out: whole, cut, stalled, slowly, or without end."""
import dataclasses
import http
import json
import time

PAGE = ("<!DOCTYPE html>\n<html><head><title>{title}</title></head>\n<body><h1>{title}</h1>\n<p>{text}</p>\n"
        "</body></html>\n")
ENDLESS_BYTES = 8 << 20


class Dropped(Exception):
    """The connection ends here, without a word."""


@dataclasses.dataclass
class Answer:
    status: int = 200
    type: str = "application/json; charset=utf-8"
    body: bytes = b""
    headers: tuple = ()            # (name, value)
    cut: int | None = None         # the connection closes after so many bytes of head and body
    stall: int | None = None       # nothing more comes after so many
    pace: float = 0                # seconds between bytes
    endless: int = 0               # so many bytes follow, with no end announced

    @classmethod
    def of(cls, value, status=200, **more):
        return cls(status, body=json.dumps(value).encode(), **more)

    @classmethod
    def page(cls, status, title, text="", **more):
        return cls(status, "text/html; charset=utf-8", PAGE.format(title=title, text=text).encode(), **more)

    def head(self):
        try:
            phrase = http.HTTPStatus(self.status).phrase
        except ValueError:
            phrase = "Unknown"
        lines = [f"HTTP/1.1 {self.status} {phrase}", f"Content-Type: {self.type}", "Cache-Control: no-store",
                 "Pragma: no-cache", "Date: " + time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())]
        lines += [f"{name}: {value}" for name, value in self.headers]
        lines.append("Connection: close" if self.endless else f"Content-Length: {len(self.body)}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def transmit(connection, answer, visit, marks, leave, stopping):
    """Writes an answer; `marks` are (bytes, callback), called once so much is out; leave() is called before
    the end of an answer that has one. Raises Dropped where the answer says so, OSError where the client has
    gone; False where the connection ends with the answer."""
    head = answer.head()
    data = head + answer.body
    stops = sorted(((min(n, len(data)), call) for n, call in marks), key=lambda stop: stop[0])
    ends = [n for n in (answer.cut, answer.stall) if n is not None]
    end = min([len(data), *ends])
    visit.status = answer.status if end >= len(head) else 0
    for position, call in stops:
        if position > end:
            break
        _write(connection, data[visit.sent:position], visit, answer.pace, stopping)
        call()
    if answer.pace:
        _write(connection, data[visit.sent:max(visit.sent, end - 1)], visit, answer.pace, stopping)
    if answer.stall is None and not answer.endless:
        leave()
    _write(connection, data[visit.sent:end], visit, answer.pace, stopping)
    if answer.stall is not None and answer.stall == end:
        wait_for_goodbye(connection, visit)
        raise Dropped
    if answer.cut is not None:
        raise Dropped
    block = b"A" * 65536
    while visit.sent < len(data) + answer.endless:
        _write(connection, block, visit, answer.pace, stopping)
    return not answer.endless


def wait_for_goodbye(connection, visit):
    """Holds a connection, saying nothing, until the client has closed it or the service stops."""
    try:
        while connection.recv(65536):
            pass
    finally:
        visit.gone = True


def _write(connection, data, visit, pace, stopping):
    step = 1 if pace else 65536
    for start in range(0, len(data), step):
        piece = data[start:start + step]
        connection.sendall(piece)
        visit.sent += len(piece)
        if pace and stopping.wait(pace):
            raise Dropped
