"""The emulation as a command: prints one line of JSON (ports, pid), stays until SIGTERM or SIGINT.

The control port takes JSON lines and answers each with one: {"op": "set", "switches": {...}},
{"op": "token", "value": V, "user": U, "seconds": N}, {"op": "expire", "value": V}, {"op": "reset"},
{"op": "transcript"}, {"op": "down"}, {"op": "up"}, {"op": "drop"},
{"op": "before" or "after", "place": "MOVE#2", "do": "expunge", "with": ["Inbox", "5"]} (hooks.py, elsewhere.py),
{"op": "hooks"} for what became of those.
It is on loopback, for tests only.
"""
import argparse
import json
import os
import signal
import socketserver
import sys
import threading

from .elsewhere import Elsewhere
from .server import Outlook
from .switches import SWITCHES, SwitchError


def operate(service, request):
    operation = request["op"]
    if operation == "set":
        service.set(**request["switches"])
    elif operation == "token":
        service.tokens.add(request["value"], request["user"], request.get("seconds"))
    elif operation == "expire":
        service.tokens.expire(request.get("value"))
    elif operation == "transcript":
        return {"ok": True, "lines": service.transcript.lines()}
    elif operation == "hooks":
        return {"ok": True, "hooks": service.hooks.state()}
    elif operation in ("before", "after"):
        if request["do"].startswith("_") or not hasattr(Elsewhere, request["do"]):
            raise ValueError(f"nothing to do: {request['do']!r}")
        getattr(service, operation)(request["place"], request["do"], *request["with"])
    elif operation in ("reset", "down", "up", "drop"):
        getattr(service, operation)()
    else:
        raise ValueError(f"no operation {operation!r}")
    return {"ok": True}


def control(service, port):
    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            for line in self.rfile:
                try:
                    answer = operate(service, json.loads(line))
                except (SwitchError, ValueError, KeyError, TypeError) as error:
                    answer = {"ok": False, "error": str(error)}
                self.wfile.write(json.dumps(answer).encode() + b"\n")

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = daemon_threads = True

    server = Server(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def pair(text, mark):
    left, found, right = text.partition(mark)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} has no {mark!r}")
    return left, right


def parse_command_line():
    parser = argparse.ArgumentParser(prog="python3 -m tests.outlook", description=__doc__.split("\n")[0],
                                     epilog="switches: " + ", ".join(SWITCHES))
    parser.add_argument("--backend", required=True, metavar="HOST:PORT", help="a plain IMAP server on loopback")
    parser.add_argument("--backend-password", default="correct-horse")
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--control", type=int, default=0, metavar="PORT")
    parser.add_argument("--token", action="append", default=[], type=lambda t: pair(t, "="), metavar="USER=VALUE")
    parser.add_argument("--switch", action="append", default=[], type=lambda t: pair(t, "="), metavar="NAME=VALUE")
    return parser.parse_args()


def main():
    options = parse_command_line()
    host, port = pair(options.backend, ":")
    try:
        service = Outlook((host, int(port)), options.cert, options.key, options.backend_password, options.host,
                          options.port, dict(options.switch))
    except SwitchError as error:
        sys.exit(f"python3 -m tests.outlook: {error}")
    for user, value in options.token:
        service.tokens.add(value, user)
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    with service:
        print(json.dumps({"host": options.host, "port": service.port, "pid": os.getpid(),
                          "control": control(service, options.control)}), flush=True)
        done.wait()


if __name__ == "__main__":
    main()
