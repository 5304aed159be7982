"""A private Dovecot 2.3 on loopback, for one test run or one demo.

It never runs with privileges: started by root it runs as `nobody`, else as whoever calls, so that
there is one configuration and not two. Everything (sockets, mail, keys, log) lives in one directory
that stop() removes. Any user signs in with the one password; a user's mail is made at first sight.
XOAUTH2 and OAUTHBEARER take JSON Web Tokens that token() signs and Dovecot checks by itself, so no
token server is needed.

As a command it prints one line of JSON and stays until SIGTERM or SIGINT:

    python3 -m tests.e2e.support.dovecot [--dir D] [--mail sdbox|maildir] [--password P] ...
"""
import argparse
import base64
import ctypes
import hashlib
import hmac
import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from .certificates import Certificates

PASSWORD = "correct-horse"
MAILBOXES = {"Drafts": "\\Drafts", "Sent": "\\Sent", "Junk": "\\Junk", "Trash": "\\Trash",
             "Archive": "\\Archive"}
# What Outlook.com shows in a personal account; the emulation wants these behind it.
OUTLOOK_MAILBOXES = {"Archive": "", "Deleted": "\\Trash", "Drafts": "\\Drafts", "Junk": "\\Junk",
                     "Notes": "", "Outbox": "", "Sent": "\\Sent"}
CAPABILITIES = (
    "IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE SORT SORT=DISPLAY THREAD=REFERENCES THREAD=REFS "
    "THREAD=ORDEREDSUBJECT MULTIAPPEND URL-PARTIAL CATENATE UNSELECT CHILDREN NAMESPACE UIDPLUS "
    "LIST-EXTENDED I18NLEVEL=1 CONDSTORE QRESYNC ESEARCH ESORT SEARCHRES WITHIN CONTEXT=SEARCH "
    "LIST-STATUS BINARY MOVE SNIPPET=FUZZY PREVIEW=FUZZY PREVIEW STATUS=SIZE SAVEDATE LITERAL+ NOTIFY "
    "SPECIAL-USE").split()
COMPRESS = "protocol imap {\n  mail_plugins = zlib imap_zlib\n}\n"  # as `extra`: offers COMPRESS=DEFLATE
START_SECONDS = 20


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def die_with_parent():
    """In the child: be told to end when the starting thread ends, however that comes about."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


class Dovecot:
    """Start with start() or `with Dovecot() as server:`; stop() may be called at any time, twice too."""

    def __init__(self, directory=None, mail="sdbox", password=PASSWORD, mailboxes=None, without=(),
                 capabilities=None, certificates=None, extra=""):
        self.mail, self.password = mail, password
        self.mailboxes = dict(MAILBOXES if mailboxes is None else mailboxes)
        self.capabilities = list(capabilities or [])
        if without:
            dropped = {name.upper() for name in without}
            self.capabilities = [c for c in CAPABILITIES if c.upper() not in dropped]
        self.extra = extra
        self.host = "127.0.0.1"
        self.port = self.tls_port = None
        self._given = pathlib.Path(directory).resolve() if directory else None
        self._certificates = certificates
        self._key = os.urandom(32)
        self._process = None
        self.directory = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    # --- life ---

    def start(self):
        last = None
        for _ in range(5):  # another process may take a port between free_port() and Dovecot's bind
            try:
                return self._start_once()
            except OSError as error:
                last = error
                self.stop()
        raise last

    def _start_once(self):
        # Short and readable by nobody: socket paths have 107 bytes, and $TMPDIR may be anything.
        self.directory = self._given or pathlib.Path(tempfile.mkdtemp(prefix="ofs-dc-", dir="/tmp"))
        self.directory.mkdir(parents=True, exist_ok=True)
        self.directory.chmod(0o755)
        self._run = pathlib.Path(tempfile.mkdtemp(prefix="ofs-dr-", dir="/tmp"))
        self._run.chmod(0o755)
        for name in ("home", "state", "keys/default/HS256", "tls"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        self.certificates = self._certificates or Certificates(self.directory / "tls")
        self.ca = self.certificates.ca
        for source, name in ((self.certificates.cert, "own.pem"), (self.certificates.key, "own.key")):
            shutil.copy(source, self.directory / "tls" / name)
        key = base64.b64encode(self._key).decode()
        (self.directory / "keys/default/HS256/default").write_text(key)
        self.port, self.tls_port = free_port(), free_port()
        user, group = self._identity()
        (self.directory / "oauth2.conf").write_text(
            "introspection_mode = local\n"
            f"local_validation_key_dict = fs:posix:prefix={self.directory}/keys/\n"
            "username_attribute = sub\n")
        config = self.directory / "dovecot.conf"
        config.write_text(self._configuration(user, group))
        drop = {}
        if os.geteuid() == 0:
            account = pwd.getpwnam("nobody")
            drop = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
            for top in (self.directory, self._run):
                self._give(top, account.pw_uid, account.pw_gid)
        main = threading.current_thread() is threading.main_thread()
        self._process = subprocess.Popen(
            ["dovecot", "-F", "-c", str(config)], cwd="/", stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=open(self.directory / "start.log", "wb"),
            start_new_session=True, preexec_fn=die_with_parent if main else None, **drop)
        self._wait()
        return self

    def _wait(self):
        deadline = time.monotonic() + START_SECONDS
        for port in (self.port, self.tls_port):
            while True:
                if self._process.poll() is not None:
                    raise OSError(f"Dovecot ended at once: {self.log()[-2000:]}")
                try:
                    socket.create_connection((self.host, port), 1).close()
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        raise TimeoutError(f"Dovecot does not answer: {self.log()[-2000:]}")
                    time.sleep(0.02)

    def stop(self):
        process, self._process = self._process, None
        if process and process.poll() is None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)  # the session that start() made, ours alone
                process.wait(10)
        for path in (self.directory, getattr(self, "_run", None)):
            if path:
                shutil.rmtree(path, ignore_errors=True)

    def log(self):
        texts = []
        for name in ("start.log", "dovecot.log"):
            path = self.directory / name
            if path.exists():
                texts.append(path.read_text(errors="replace"))
        return "".join(texts)

    # --- what tests ask for ---

    def token(self, user, seconds=3600, **claims):
        """A token that XOAUTH2 and OAUTHBEARER take for this user."""
        now = int(time.time())
        body = {"sub": user, "iat": now - 5, "nbf": now - 5, "exp": now + seconds, **claims}
        parts = [_base64url(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "HS256"}, body)]
        text = ".".join(parts)
        return text + "." + _base64url(hmac.new(self._key, text.encode(), hashlib.sha256).digest())

    def description(self):
        return {"host": self.host, "port": self.port, "tls_port": self.tls_port, "password": self.password,
                "ca": str(self.ca), "cert": str(self.certificates.cert), "key": str(self.certificates.key),
                "directory": str(self.directory), "pid": self._process.pid}

    # --- inside ---

    @staticmethod
    def _identity():
        if os.geteuid() == 0:
            return "nobody", "nogroup"
        import grp
        return pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name

    @staticmethod
    def _give(top, uid, gid):
        os.chown(top, uid, gid)
        for folder, names, files in os.walk(top):
            for name in names + files:
                os.chown(os.path.join(folder, name), uid, gid)

    def _configuration(self, user, group):
        boxes = "\n".join(
            f'  mailbox "{name}" {{\n    auto = subscribe\n'
            + (f"    special_use = {use}\n" if use else "") + "  }" for name, use in self.mailboxes.items())
        location = "sdbox:~/mail" if self.mail == "sdbox" else "maildir:~/mail:LAYOUT=fs"
        capability = f"imap_capability = {' '.join(self.capabilities)}\n" if self.capabilities else ""
        return f"""
base_dir = {self._run}
state_dir = {self.directory}/state
log_path = {self.directory}/dovecot.log
protocols = imap
listen = {self.host}
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
default_process_limit = 300
default_client_limit = 4000
default_vsz_limit = 0
ssl = yes
ssl_cert = <{self.directory}/tls/own.pem
ssl_key = <{self.directory}/tls/own.key
ssl_dh =
disable_plaintext_auth = no
auth_mechanisms = plain login xoauth2 oauthbearer
auth_failure_delay = 0
login_trusted_networks =
mail_location = {location}
mail_max_userip_connections = 1000
mail_fsync = never
mailbox_list_index = yes
imap_idle_notify_interval = 24 hours
mail_attachment_detection_options =
{capability}passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {self.directory}/oauth2.conf
}}
passdb {{
  driver = static
  mechanisms = plain login
  args = password={self.password}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={self.directory}/home/%u
}}
first_valid_uid = 1
first_valid_gid = 1
namespace inbox {{
  inbox = yes
  separator = /
{boxes}
}}
service imap-login {{
  chroot =
  service_count = 0
  process_min_avail = 1
  inet_listener imap {{
    port = {self.port}
  }}
  inet_listener imaps {{
    port = {self.tls_port}
    ssl = yes
  }}
}}
service imap {{
  process_limit = 300
  service_count = 0
  vsz_limit = 0
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
{self.extra}
"""


def _base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def main():
    parser = argparse.ArgumentParser(description="A private Dovecot; prints a JSON line and stays.")
    parser.add_argument("--dir", help="where everything lives (default: a fresh one in /tmp); removed at the end")
    parser.add_argument("--mail", choices=("sdbox", "maildir"), default="sdbox")
    parser.add_argument("--password", default=PASSWORD)
    parser.add_argument("--outlook", action="store_true", help="the folders of Outlook.com (for the emulation)")
    parser.add_argument("--without", default="", help="capabilities to hide, by comma")
    options = parser.parse_args()
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    server = Dovecot(directory=options.dir, mail=options.mail, password=options.password,
                     mailboxes=OUTLOOK_MAILBOXES if options.outlook else None,
                     without=[c for c in options.without.split(",") if c])
    with server:
        print(json.dumps(server.description()), flush=True)
        while not done.wait(1):
            if server._process.poll() is not None:
                sys.exit("Dovecot ended by itself")


if __name__ == "__main__":
    main()
