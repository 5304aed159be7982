"""HTTPS on loopback: a thread a connection, HTTP/1.1, one callback a request. No OAuth in here.

The callback writes the answer itself, so that it can also write half of one. stop() breaks what is
open and waits for all threads. An exception that is neither the network's nor an answer is kept in
`bugs`, and stop() raises it: the emulation must not fail quietly.
"""
import http.server
import socket
import socketserver
import ssl
import threading

from .answers import Dropped

BODY_CEILING = 1 << 18
IDLE_SECONDS = 300


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS

    def _serve(self):
        if not self.server.listener.callback(self):
            self.close_connection = True

    do_GET = do_POST = do_HEAD = do_PUT = do_OPTIONS = _serve

    def body(self):
        """The request's body; None where its length is not given or too large."""
        length = self.headers.get("Content-Length", "0" if self.command == "GET" else "")
        if not length.isdigit() or int(length) > BODY_CEILING:
            self.close_connection = True
            return None
        data = self.rfile.read(int(length))
        if len(data) != int(length):
            raise ConnectionError("the client went away in its request")
        return data

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = False
    block_on_close = True
    request_queue_size = 128

    def finish_request(self, request, client_address):
        self.listener.connect(self, request, client_address)

    def handle_error(self, request, client_address):
        pass  # connect() has seen to it


class Listener:
    def __init__(self, cert, key, callback, accept=None, host="127.0.0.1", port=0):
        """callback(handler) serves one request and says whether the connection goes on. accept() is asked
        before TLS and may refuse a connection by returning False."""
        self.host, self.port = host, port
        self.callback, self._accept = callback, accept
        self.bugs, self.connections, self.handshakes_failed = [], 0, 0
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._open = set()  # protected by _lock, as are the two counters
        self._server = self._thread = None
        self.present(cert, key)

    @property
    def url(self):
        return f"https://localhost:{self.port}"

    def present(self, cert, key):
        """The certificate for connections from now on."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(cert, key)
        self._context = context

    def start(self):
        """Listens; a second time on the same port as before."""
        if self._server:
            return
        self.stopping.clear()
        self._server = Server((self.host, self.port), Handler)
        self._server.listener = self
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="listener")
        self._thread.start()

    def stop(self):
        """Nothing listens, every connection breaks, no thread is left."""
        server, self._server = self._server, None
        if not server:
            return
        self.stopping.set()
        server.shutdown()
        self._thread.join()
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        server.server_close()

    def raise_bugs(self):
        if self.bugs:
            raise self.bugs.pop()

    # --- in a connection's thread ---

    def connect(self, server, request, address):
        connection = request
        try:
            self._track(None, request)
            with self._lock:
                self.connections += 1
            if self._accept and not self._accept():
                return
            request.settimeout(IDLE_SECONDS)
            request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = self._context.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
            self._track(request, connection)
            try:
                connection.do_handshake()
            except OSError:
                with self._lock:
                    self.handshakes_failed += 1
                return
            Handler(connection, address, server)
        except (OSError, Dropped):
            pass
        except Exception as bug:  # noqa: kept for stop()
            self.bugs.append(bug)
        finally:
            self._track(connection, None)
            connection.close()

    def _track(self, old, new):
        with self._lock:
            self._open.discard(old)
            if new is not None:
                self._open.add(new)
                if self.stopping.is_set():
                    raise Dropped
