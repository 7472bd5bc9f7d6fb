"""Make `.venv` ready: create it, install what is pinned, then this project itself.

`python tools/setup.py demo` installs what running needs, `... dev` what developing needs as well, `... bench` makes
`.bench-venv`. Run by the Makefile before everything else; when there is nothing to do it says nothing and takes
milliseconds. It works from any state: half made, moved, another Python, other requirements.

This file starts on any Python (no newer syntax), so that it can say which one is needed.
"""

import sys

if sys.version_info < (3, 11):
    sys.exit("dragoman needs Python 3.11 or newer; %s is %s" % (sys.executable, sys.version.split()[0]))

import hashlib
import os
import shutil
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# An install into another place, or as another user's, would leave .venv empty.
FOREIGN = ["PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV", "PIP_ROOT", "PIP_TARGET", "PIP_USER"]
FOREIGN += ["PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__"]


def main(kind):
    environment = Environment(ROOT / (".bench-venv" if kind == "bench" else ".venv"))
    if environment.has(kind):
        return
    with Lock(ROOT / ".setup.lock"):
        if environment.has(kind):  # by another `make` meanwhile
            return
        began = time.monotonic()
        environment.create()
        environment.install(kind)
        print("%s is ready (%.0f s)" % (environment.folder.name, time.monotonic() - began), file=sys.stderr)


class Environment:
    """A virtual environment, and what was installed in it. A stamp is written only when its step is complete."""

    def __init__(self, folder):
        self.folder = folder
        self.python = folder / "bin" / "python"
        self.stamps = folder / "lib"  # gone with what they vouch for
        self.changing = self.stamps / ".changing"
        """Exists while pip is at work: found at the start, it was killed at it, and nothing can be relied on."""

    def has(self, kind):
        # Everything for running is also there when everything for developing is.
        kinds = ["demo", "dev"] if kind == "demo" else [kind]
        return self.is_sound() and any(self.stamp(kind) == wanted(kind) for kind in kinds)

    def is_sound(self):
        # Scripts in bin/ hold absolute paths: a moved checkout needs a new environment.
        return self.python.exists() and not self.changing.exists() and self.stamp("place") == str(self.folder)

    def stamp(self, name):
        try:
            return (self.stamps / (".stamp-" + name)).read_text(encoding="utf-8")
        except OSError:
            return None

    def write_stamp(self, name, text):
        (self.stamps / (".stamp-" + name)).write_text(text, encoding="utf-8")

    def create(self):
        if self.is_sound() and run([self.python, "-m", "pip", "--version"], quiet=True) == 0:
            return
        say("creating %s with Python %s" % (self.folder.name, sys.version.split()[0]))
        if self.folder.is_symlink() or self.folder.is_file():
            self.folder.unlink()
        elif self.folder.exists():
            shutil.rmtree(self.folder)
        if run([sys.executable, "-m", "venv", self.folder]) != 0:
            sys.exit("could not create %s; on Debian and Ubuntu: apt install python3-venv" % self.folder)
        self.write_stamp("place", str(self.folder))

    def install(self, kind):
        pinned = ROOT / "requirements" / (kind + ".txt")
        say("installing %s" % pinned.relative_to(ROOT))
        self.changing.touch()
        self.pip("--no-compile", "--require-hashes", "--requirement", pinned)  # 3 s saved; most modules are never run
        if kind != "bench":
            # A step of its own: pip refuses hashes and an editable project together.
            self.pip("--no-deps", "--no-build-isolation", "--editable", ROOT)
        self.changing.unlink()
        self.write_stamp(kind, wanted(kind))

    def pip(self, *arguments):
        command = [self.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
        if run([*command, *arguments]) != 0:
            sys.exit("pip could not install into %s; what it said is above. Then run make again" % self.folder)


def wanted(kind):
    """Return what identifies an environment in which `kind` is installed as it should be now."""
    files = [ROOT / "requirements" / (kind + ".txt"), ROOT / "pyproject.toml"]
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


def run(command, quiet=False):
    environment = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    output = subprocess.DEVNULL if quiet else None
    return subprocess.call([str(part) for part in command], env=environment, stdout=output, stderr=output)


def say(text):
    print(text, file=sys.stderr, flush=True)


class Lock:
    """Held by one process at a time; the system frees it when that process ends, however it ends."""

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        import fcntl

        self.file = open(self.path, "w")
        fcntl.flock(self.file, fcntl.LOCK_EX)

    def __exit__(self, *error):
        self.file.close()


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except KeyboardInterrupt:
        sys.exit("interrupted; the next make begins again")
