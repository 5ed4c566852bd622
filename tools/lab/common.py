"""What every part of the lab shares: where things are, how it speaks, how it fails."""
import os
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

DONE, FAILED, USAGE, SKIPPED = 0, 1, 2, 77  # exit codes


class LabError(Exception):
    """Ends a command with a message for a person and an exit code."""

    def __init__(self, message, code=FAILED):
        super().__init__(message)
        self.code = code


class WorkError(LabError):
    """Something is amiss with a student's file, not with the lab: a failure only where STRICT=1 says so."""

    def __init__(self, message):
        super().__init__(message, unsolved())


def unsolved():
    """The exit code of work that isn't done: make adds no *** line under a lesson, unless STRICT=1 asks for it."""
    return FAILED if is_set("STRICT") else DONE


def tree():
    """Whose servers: `chapters` (the student's) or `solutions`."""
    value = os.environ.get("TREE") or "chapters"
    if value not in ("chapters", "solutions"):
        raise LabError(f"TREE={value}: it is chapters or solutions", USAGE)
    return value


def is_set(name):
    """True for NAME=1 on make's command line, or in the environment."""
    return os.environ.get(name, "") not in ("", "0")


def on_terminal():
    return sys.stdout.isatty()


COLOURS = {"green": 32, "red": 31, "yellow": 33, "dim": 2, "bold": 1}


def paint(colour, text):
    if not text or not on_terminal() or os.environ.get("NO_COLOR"):
        return text
    return f"\033[{COLOURS[colour]}m{text}\033[0m"


def confirm(question):
    """Asks a yes-or-no question; YES=1 answers it, and where nobody can answer it is an error."""
    if is_set("YES"):
        return True
    if not sys.stdin.isatty():
        raise LabError(f"{question} Nobody is here to answer: add YES=1 to say yes.", USAGE)
    return input(f"{question} [y/N] ").strip().lower().startswith("y")


def read_text(path):
    """A source file as text, whatever its bytes are; its line ends stay as they are."""
    return Path(path).read_bytes().decode("utf-8", "surrogateescape")


def write_text(path, text):
    """Replaces a file in one step, so that no reader and no Ctrl-C ever sees half of it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode("utf-8", "surrogateescape"))
        os.chmod(name, path.stat().st_mode & 0o777 if path.exists() else 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def scratch():
    """A directory for one command, as a context manager; gone at its end, however it ends."""
    parent = Path("build/tmp")
    parent.mkdir(parents=True, exist_ok=True)
    for left in parent.glob("[0-9]*-*"):  # by a command that was killed outright
        if not Path("/proc", left.name.partition("-")[0]).exists():
            shutil.rmtree(left, ignore_errors=True)
    return tempfile.TemporaryDirectory(dir=parent, prefix=f"{os.getpid()}-", ignore_cleanup_errors=True)
