"""`cmake --install` and the Debian package: what they hold, that lintian has nothing to say, that the
program in it mounts, and that nothing stays after a purge.

They are built from a release build of their own, build/package, which stays for the next time; the
first one takes some 15 s on two cores.
"""
import fcntl
import os
import pathlib
import re
import shutil
import stat
import subprocess

import pytest

from .conftest import ROOT
from .support import sample
from .support.mount import Mount

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # slow: it tests no sanitizer's program

INSTALLED = {"bin/outlookfs", "lib/systemd/user/outlookfs@.service", "share/man/man1/outlookfs.1",
             "share/bash-completion/completions/outlookfs", "share/fish/vendor_completions.d/outlookfs.fish",
             "share/zsh/site-functions/_outlookfs"}
PACKAGED = {f"usr/{name}" for name in INSTALLED - {"share/man/man1/outlookfs.1", "share/zsh/site-functions/_outlookfs"}} | {
    "usr/share/man/man1/outlookfs.1.gz", "usr/share/zsh/vendor-completions/_outlookfs",
    "usr/share/doc/outlookfs/changelog.Debian.gz", "usr/share/doc/outlookfs/copyright",
    "usr/share/doc/outlookfs/README.Debian"}


def run(*command, **options):
    answer = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                            timeout=500, **options)
    assert answer.returncode == 0, f"{command}\n{answer.stdout[-3000:]}{answer.stderr[-3000:]}"
    return answer.stdout


@pytest.fixture(scope="session")
def build(tmp_path_factory):
    """(the package, the directory that DESTDIR was, a prefix that was installed into). One at a time: the
    build directory is shared by all that run tests."""
    folder, top = ROOT / "build/package", tmp_path_factory.mktemp("package")
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run("cmake", "--preset", "release", "-B", folder, "-DOUTLOOKFS_TESTS=OFF", cwd=ROOT)
        run("cmake", "--build", folder)
        run("cpack", "-B", top / "cpack", "--config", folder / "CPackConfig.cmake")
        run("cmake", "--install", folder, "--prefix", "/opt/mail", env={**os.environ, "DESTDIR": str(top / "root")})
        run("cmake", "--install", folder, "--prefix", top / "prefix")
    package, = (top / "cpack").glob("*.deb")
    return package, top / "root", top / "prefix"


@pytest.fixture(scope="session")
def package(build):
    return build[0]


@pytest.fixture(scope="session")
def unpacked(package, tmp_path_factory):
    top = tmp_path_factory.mktemp("unpacked")
    run("dpkg-deb", "-x", package, top)
    return top


def files(top):
    return {str(path.relative_to(top)) for path in top.rglob("*") if not path.is_dir()}


# --- cmake --install ---

def test_install(build):
    _, root, prefix = build
    assert files(prefix) == INSTALLED
    assert files(root) == {f"opt/mail/{name}" for name in INSTALLED}
    assert run(prefix / "bin/outlookfs", "--version").startswith("outlookfs ")


def program_of(unit):
    return set(re.findall(r"^Exec(?:Start|Stop)=-?(\S+)", unit.read_text(), re.M))


def test_the_unit_names_the_program_where_it_is(build, unpacked):
    _, root, prefix = build
    name = "lib/systemd/user/outlookfs@.service"
    assert program_of(prefix / name) == {f"{prefix}/bin/outlookfs"}
    assert program_of(root / "opt/mail" / name) == {"/opt/mail/bin/outlookfs"}
    assert program_of(unpacked / "usr" / name) == {"/usr/bin/outlookfs"}


def test_systemd_takes_the_unit(build, tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.fail("systemd-analyze is not installed: scripts/setup test", pytrace=False)
    unit = build[2] / "lib/systemd/user/outlookfs@.service"
    # Its man page is not where man(1) looks.
    answer = subprocess.run(["systemd-analyze", "--user", "--man=no", "verify", unit], capture_output=True, text=True,
                            env={**os.environ, "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}, timeout=60)
    assert answer.returncode == 0 and answer.stdout + answer.stderr == "", answer
    # What keeps fusermount3 from mounting, or others from seeing the mount.
    assert not re.search(r"^(NoNewPrivileges|SystemCall|Protect|Private|Restrict(?!Prevent))", unit.read_text(), re.M)


def test_the_unit_does_not_try_again_in_vain(build):
    """Usage, configuration and sign-in need the user."""
    unit = (build[2] / "lib/systemd/user/outlookfs@.service").read_text()
    assert re.search(r"^Restart=on-failure$", unit, re.M)
    assert re.search(r"^RestartPreventExitStatus=2 3$", unit, re.M)
    assert re.search(r"^StartLimitBurst=", unit, re.M)


# --- the package ---

def test_contents(package):
    listing = {}
    for line in run("dpkg-deb", "-c", package, env={**os.environ, "TZ": "UTC"}).splitlines():
        mode, owner, _, _, _, name = line.split(None, 5)
        assert owner == "root/root", line
        listing[name.removeprefix("./").rstrip("/")] = mode
    plain = {name for name, mode in listing.items() if not mode.startswith("d")}
    assert plain == PACKAGED
    for name, mode in listing.items():
        usual = "drwxr-xr-x" if name not in plain else "-rwxr-xr-x" if name == "usr/bin/outlookfs" else "-rw-r--r--"
        assert mode == usual, (name, mode)


def test_control(package):
    version = re.search(r"project\(outlookfs VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())[1]
    fields = dict(re.findall(r"^(\S+): (.*)$", run("dpkg-deb", "-f", package), re.M))
    assert fields["Package"] == "outlookfs"
    assert fields["Version"].split("-")[0] == version
    assert fields["Architecture"] == run("dpkg", "--print-architecture").strip()
    depends = {word.split()[0] for word in fields["Depends"].split(", ")}
    assert {"fuse3", "libfuse3-3", "libc6", "libssl3", "zlib1g"} <= depends
    control = run("dpkg-deb", "--ctrl-tarfile", package, errors="replace")
    assert not re.search(r"(pre|post)(inst|rm)", control), "maintainer scripts"


def test_lintian(package):
    if not shutil.which("lintian"):
        pytest.fail("lintian is not installed: scripts/setup test", pytrace=False)
    said = run("lintian", "--fail-on", "error,warning", "--allow-root", package)
    assert said == ""


def test_texts(unpacked):
    doc = unpacked / "usr/share/doc/outlookfs"
    assert "No licence has been granted yet" in (doc / "copyright").read_text()
    assert "fuse.outlookfs" in (doc / "README.Debian").read_text()
    page = run("gzip", "-dc", unpacked / "usr/share/man/man1/outlookfs.1.gz")
    assert page == (ROOT / "docs/outlookfs.1").read_text()


def test_the_program_in_it_mounts(unpacked, home, load, dovecot_options):
    load(sample.few(3))
    mount = Mount(unpacked / "usr/bin/outlookfs", home, "test", dovecot_options).start()
    try:
        assert len(mount.reader("read")) == 3
    finally:
        mount.stop()


def test_it_installs_and_a_purge_leaves_nothing(package, tmp_path):
    """In a root of its own. --force-depends, since the libraries are not in it; the program is not run."""
    for name in ("info", "updates"):
        (tmp_path / "var/lib/dpkg" / name).mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").touch()
    before = everything(tmp_path)
    dpkg = ["dpkg", f"--root={tmp_path}", "--force-depends", "--force-not-root", "--force-bad-path", "--log=/dev/null"]
    run(*dpkg, "--install", package)
    assert PACKAGED <= files(tmp_path)
    assert stat.S_IMODE((tmp_path / "usr/bin/outlookfs").stat().st_mode) == 0o755
    run(*dpkg, "--purge", "outlookfs")
    assert everything(tmp_path) == before


def everything(top):
    """All below a root, but for dpkg's own books."""
    return {str(path.relative_to(top)) for path in pathlib.Path(top).rglob("*") if "var/lib/dpkg/" not in str(path)}
