"""A screen of its own (Xvfb), a session bus and Thunar on it, driven by xdotool as a person would with mouse and keys.

No window manager: windows are put in their place by the test. Screenshots are PNG files written from the
framebuffer that Xvfb keeps in a file. What is selected is found on the screen by the colour of its background.
"""
import contextlib
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import time
import zlib

from .mount import wait_for

WIDTH, HEIGHT = 1280, 720
FIRST_ROW, ROW = 141, 28  # of the detailed list
SELECTED = (53, 132, 228)  # Adwaita's, which GTK 3 brings with it
CONFIGURATION = """<?xml version="1.0" encoding="UTF-8"?>
<channel name="thunar" version="1.0">
  <property name="last-view" type="string" value="ThunarDetailsView"/>
  <property name="default-view" type="string" value="ThunarDetailsView"/>
  <property name="last-location-bar" type="string" value="ThunarLocationEntry"/>
  <property name="last-side-pane" type="string" value="void"/>
  <property name="misc-thumbnail-mode" type="string" value="THUNAR_THUMBNAIL_MODE_NEVER"/>
  <property name="misc-confirm-close-multiple-tabs" type="bool" value="false"/>
  <property name="misc-show-delete-action" type="bool" value="true"/>
  <property name="misc-date-style" type="string" value="THUNAR_DATE_STYLE_ISO"/>
</channel>
"""
PROGRAMS = ("Xvfb", "xdotool", "thunar", "dbus-run-session")


def missing():
    return [program for program in PROGRAMS if not shutil.which(program)]


class Screen:
    """Pixels as (red, green, blue) rows out of an XWD file."""

    def __init__(self, path):
        data = pathlib.Path(path).read_bytes()
        header = struct.unpack(">25I", data[:100])
        self.width, self.height, self.stride = header[4], header[5], header[12]
        self.data = data[header[0] + header[19] * 12:]

    def row(self, y):
        line = self.data[y * self.stride:(y + 1) * self.stride]  # BGRX
        out = bytearray(self.width * 3)
        out[0::3], out[1::3], out[2::3] = line[2::4][:self.width], line[1::4][:self.width], line[0::4][:self.width]
        return bytes(out)

    def png(self, path):
        raw = b"".join(b"\0" + self.row(y) for y in range(self.height))

        def chunk(kind, body):
            return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        pathlib.Path(path).write_bytes(
            b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">2I5B", self.width, self.height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))

    def find(self, colour, left=0, right=WIDTH):
        """(x, y) in the first block of rows that are mostly of this colour, between two columns; or None."""
        want, rows = bytes(colour), []
        for y in range(self.height):
            line = self.row(y)[left * 3:right * 3]
            if line.count(want) * 3 > len(line) * 0.3:
                rows.append(y)
            elif rows and y - rows[-1] > 3:  # the line around the one that has the focus is within
                break
        if not rows:
            return None
        return left + 60, (rows[0] + rows[-1]) // 2


class Desktop:
    """with Desktop(folder, env) as desktop: desktop.open(path, left, width)"""

    def __init__(self, folder, env, screenshots):
        self.folder, self.screenshots = pathlib.Path(folder), pathlib.Path(screenshots)
        self.screenshots.mkdir(parents=True, exist_ok=True)
        self.env = {**env, "GDK_BACKEND": "x11", "NO_AT_BRIDGE": "1", "GTK_THEME": "Adwaita", "GVFS_DISABLE_FUSE": "1",
                    "GIO_USE_VOLUME_MONITOR": "unix", "LANGUAGE": "C", "XDG_RUNTIME_DIR": str(self.folder / "run")}
        self.processes, self.windows, self.shots = [], [], 0

    def __enter__(self):
        for name in ("run", "fb"):
            (self.folder / name).mkdir(mode=0o700, exist_ok=True)
        settings = pathlib.Path(self.env["XDG_CONFIG_HOME"]) / "xfce4/xfconf/xfce-perchannel-xml"
        settings.mkdir(parents=True, exist_ok=True)
        (settings / "thunar.xml").write_text(CONFIGURATION)
        read, write = os.pipe()
        self._start(["Xvfb", "-displayfd", str(write), "-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-nolisten", "tcp",
                     "-fbdir", str(self.folder / "fb")], pass_fds=[write])
        os.close(write)
        with os.fdopen(read) as said:
            self.env["DISPLAY"] = ":" + said.readline().strip()
        self._start(["dbus-run-session", "--", "thunar", "--daemon"])
        wait_for(lambda: self._bus(), 20, "Thunar")
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)  # the session that _start made
                try:
                    process.wait(5)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait(5)

    def _start(self, command, **options):
        log = open(self.folder / "desktop.log", "ab")
        process = subprocess.Popen(command, env=self.env, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   start_new_session=True, **options)
        self.processes.append(process)
        return process

    def _bus(self):
        """The session's bus, which Thunar's own environment names."""
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if os.getsid(int(entry.name)) != self.processes[-1].pid:
                    continue
                variables = (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            for variable in variables:
                if variable.startswith(b"DBUS_SESSION_BUS_ADDRESS=unix:"):
                    self.env["DBUS_SESSION_BUS_ADDRESS"] = variable.split(b"=", 1)[1].decode()
                    return True
        return False

    # --- windows ---

    def x(self, *words, check=True):
        answer = subprocess.run(["xdotool", *map(str, words)], env=self.env, capture_output=True, text=True, timeout=30)
        assert answer.returncode == 0 or not check, (words, answer.stderr)
        return answer.stdout.strip()

    def _visible(self):
        return [w for w in self.x("search", "--onlyvisible", "--class", ".", check=False).split()]

    def _seen(self, window):
        """Not one of those of one pixel beyond the edge, in which GTK keeps what is dragged."""
        return "Geometry: 1x1" not in self.x("getwindowgeometry", window, check=False)

    def open(self, path, left=0, width=WIDTH, height=HEIGHT):
        """A window that shows a folder; its number."""
        before = set(self._visible())
        answer = subprocess.run(["thunar", str(path)], env=self.env, cwd="/", stdin=subprocess.DEVNULL, capture_output=True,
                                timeout=30)
        assert answer.returncode == 0, answer.stderr
        window = wait_for(lambda: [w for w in self._visible() if w not in before], 40, "a window")[-1]
        self.x("windowsize", "--sync", window, width, height, "windowmove", window, left, 0, check=False)
        self.windows.append((window, left, width))
        self.focus(window)
        wait_for(lambda: self.title(window), 10, "the window's title")
        return window

    def title(self, window):
        return self.x("getwindowname", window, check=False)

    def focus(self, window):
        self.x("windowraise", window, "windowfocus", window)

    def others(self):
        """Windows besides those that were opened: a dialog, an operation's progress, what is typed to find a file."""
        known = {window for window, _, _ in self.windows}
        return [window for window in self._visible() if window not in known and self._seen(window)]

    def alone(self, what="the other windows being gone"):
        """None of them is left, so that the next one is the one that is expected."""
        try:
            wait_for(lambda: not self.others(), 20, what)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; shown: {[self.title(window) for window in self.others()]}") from error

    def dialog(self, what="a dialog"):
        """The window that has just come up besides those that were opened."""
        window = wait_for(self.others, 20, what)[-1]
        self.x("windowfocus", window)
        return window

    def confirm(self, window):
        """Return, until the dialog has taken it."""
        for _ in range(3):
            self.keys("Return")
            try:
                return wait_for(lambda: window not in self._visible(), 10, "the dialog being gone")
            except TimeoutError:
                self.x("windowfocus", window, check=False)
        raise TimeoutError(f"{self.title(window)}: still there")

    # --- doing ---

    def keys(self, *keys):
        for key in keys:
            self.x("key", "--clearmodifiers", key)

    def type(self, text):
        self.x("type", "--delay", 20, text)

    def screen(self):
        return Screen(self.folder / "fb" / "Xvfb_screen0")

    def shot(self, name):
        self.shots += 1
        self.screen().png(self.screenshots / f"{self.shots:02}-{name}.png")

    def selected(self, window, row):
        """Where this row of a window is on the screen, once it is the one that is selected."""
        (left, width), = [(at, wide) for number, at, wide in self.windows if number == window]

        def found():
            place = self.screen().find(SELECTED, left, left + width)
            return place if place and abs(place[1] - FIRST_ROW - row * ROW) < ROW // 2 else None
        return wait_for(found, 10, f"row {row} being selected")

    def select(self, window, name, names):
        """A file by typing the beginning of its name, once what was done before has ended (an undo selects what it
        brought back); names: all that the folder shows."""
        self.alone("what ran before having ended")
        self.focus(window)
        self.keys("Escape")
        self.type(name[:25])
        place = self.selected(window, sorted(names).index(name))
        self.keys("Escape")
        self.alone("what was typed being gone")
        return place

    def gio(self, *words):
        """GLib's tool on the same bus; "" where it takes too long, as it may while another mount hangs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return subprocess.run(["gio", *map(str, words)], env=self.env, capture_output=True, text=True, timeout=10).stdout
        return ""

    def drag(self, start, end, steps=12):
        self.x("mousemove", *start, "mousedown", 1)
        for step in range(1, steps + 1):
            self.x("mousemove", *(int(a + (b - a) * step / steps) for a, b in zip(start, end)))
            time.sleep(0.03)  # a hand takes time, and GTK looks at every motion
        self.x("mouseup", 1)
