"""A file manager on a screen: Thunar under Xvfb, driven by mouse and keys; screenshots are kept (SCREENSHOTS, else the
test's temporary folder). What became of it is asked of the server. GLib's own tool, gio, is in test_change_names.py.
"""
import contextlib
import os
import pathlib

import pytest

from .support import sample
from .support.desk import TRASH
from .support.desktop import Desktop, missing
from .support.mount import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300),
              pytest.mark.skipif(bool(missing()), reason=f"not installed: {' '.join(missing())} (scripts/setup test)")]


def test_thunar(desk, way, home, tmp_path):
    shots = pathlib.Path(os.environ.get("SCREENSHOTS") or tmp_path / "screenshots") / way
    with desk(sample.few(6, size=3000), way=way) as d, Desktop(home.top, home.env, shots) as screen:
        inbox, archive = (str(d.mount.path / name) for name in ("Inbox", "Archive"))
        names = {n: d.path("INBOX", n).split("/")[1] for n in range(1, 7)}

        def comes(condition, what):
            try:
                wait_for(condition, 30, what)
            finally:
                screen.shot(what.replace(" ", "-"))

        def select(window, name, mailbox="Inbox"):
            # directories come first
            return screen.select(window, name, d.ls(mailbox))

        # browse: no body is downloaded
        if d.outlook:
            d.forget()
        left, right = screen.open(inbox, 0, 640), screen.open(archive, 640, 640)
        select(left, names[6])
        screen.shot("browse")
        if d.outlook:
            assert not [line for line in d.sent("FETCH") if "[]" in line]

        # drag Inbox -> Archive with the mouse
        screen.drag(select(left, names[2]), (960, 400))
        comes(lambda: d.numbers("Archive") == [2], "dragged to Archive")
        assert d.numbers("INBOX") == [1, 3, 4, 5, 6]

        # undo, redo
        screen.focus(left)
        screen.keys("ctrl+z")
        comes(lambda: d.numbers("Archive") == [] and d.numbers("INBOX") == [1, 2, 3, 4, 5, 6], "undone")

        # copy and paste
        select(left, names[3])
        screen.keys("ctrl+c")
        screen.focus(right)
        screen.keys("ctrl+v")
        comes(lambda: d.numbers("Archive") == [3], "copied")
        assert d.numbers("INBOX") == [1, 2, 3, 4, 5, 6]

        # cut and paste
        select(left, names[4])
        screen.keys("ctrl+x")
        screen.focus(right)
        screen.keys("ctrl+v")
        comes(lambda: d.numbers("Archive") == [3, 4] and d.numbers("INBOX") == [1, 2, 3, 5, 6], "cut and pasted")

        # delete to the trash, undo
        select(left, names[5])
        screen.keys("Delete")
        comes(lambda: d.numbers(TRASH) == [5], "in the trash")
        wait_for(lambda: names[5] in screen.gio("list", "trash:///"), 40, "GLib knowing of it")
        screen.focus(left)
        screen.keys("ctrl+z")
        comes(lambda: d.numbers(TRASH) == [] and d.numbers("INBOX") == [1, 2, 3, 5, 6], "out of the trash again")
        assert d.path("INBOX", 5) == "Inbox/" + names[5]

        # delete: for the mount's own unlink that is the trash mailbox
        select(left, names[6])
        screen.keys("shift+Delete")
        question = screen.dialog("the question")
        screen.shot("question")
        screen.confirm(question)
        comes(lambda: d.numbers("INBOX") == [1, 2, 3, 5] and d.numbers(TRASH) == [6], "deleted")

        # a new name, a new folder
        select(left, names[1])
        screen.keys("F2")
        name = screen.dialog("the new name")
        screen.keys("ctrl+a")
        screen.type("renamed.eml")
        screen.confirm(name)
        comes(lambda: "renamed.eml" in d.ls("Inbox"), "renamed")
        assert d.path("INBOX", 1) == "Inbox/renamed.eml" and d.numbers("INBOX") == [1, 2, 3, 5]
        screen.focus(left)
        screen.alone()
        screen.keys("Escape", "ctrl+shift+n")
        name = screen.dialog("the name of a folder")
        screen.keys("ctrl+a")
        screen.type("Projects")
        screen.confirm(name)
        comes(lambda: "Inbox/Projects" in d.boxes(), "a new folder")

        # delete for good, in the trash mailbox
        trash = screen.open(str(d.mount.path / TRASH), 0, 640)
        select(trash, d.ls(TRASH)[0], TRASH)
        screen.keys("shift+Delete")
        screen.confirm(screen.dialog("the question"))
        comes(lambda: d.numbers(TRASH) == [], "deleted for good")
        with contextlib.suppress(AssertionError):
            screen.keys("ctrl+q")
        d.agree(30)
    assert len(list(shots.iterdir())) >= 10
