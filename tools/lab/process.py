"""Running other programs: each in a process group of its own, bounded, and none left behind."""
import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from common import on_terminal

PR_SET_CHILD_SUBREAPER = 36
OUTPUT_MAX = 1 << 20  # bytes of a program's output that are kept: its last ones

groups = set()
groups_lock = threading.RLock()  # a signal's handler may take it while we hold it
stopped = threading.Event()  # a signal came: what runs is ended, and nothing else begins


@dataclass
class Result:
    code: int
    output: str  # stdout and stderr together
    timed_out: bool = False


def prepare():
    """Orphans of what we start become ours, so that we can end them; a signal ends us in good order."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def interrupt(number, _frame):
        stopped.set()
        end_groups()
        raise KeyboardInterrupt(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)


def environment(extra):
    """Ours without what make puts there for its own children."""
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")}
    env.update(extra or {})
    return env


def run(words, extra=None, bound=60):
    """Runs a program to its end, or kills its group when the bound (seconds) has passed."""
    if stopped.is_set():
        raise KeyboardInterrupt
    with tempfile.TemporaryFile(dir="build") as output:  # a pipe could be held open by a stray grandchild
        process = subprocess.Popen(
            [str(word) for word in words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment(extra),
            process_group=0,
        )
        timed_out = wait(process, bound)
        output.seek(max(0, output.seek(0, os.SEEK_END) - OUTPUT_MAX))
        return Result(process.returncode, output.read().decode(errors="replace"), timed_out)


def wait(process, bound):
    """Waits for the end of a process, and ends what is left of its group; True where the bound was passed."""
    with groups_lock:
        groups.add(process.pid)
    if stopped.is_set():  # it came while this one started
        kill_group(process.pid)
    try:
        process.wait(bound)
        return False
    except subprocess.TimeoutExpired:
        return True
    finally:
        kill_group(process.pid)
        process.wait()
        with groups_lock:
            groups.discard(process.pid)


def kill_group(group):
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def end_groups():
    with groups_lock:
        for group in groups:
            kill_group(group)


def end_all():
    """Ends what still runs: groups we started, then orphans that came to us, and what those leave."""
    end_groups()
    for _ in range(100):  # each round may hand us the children of the last; a fork bomb gets no endless game
        orphans = children()
        if not orphans:
            return
        for pid in orphans:
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            except (ProcessLookupError, ChildProcessError):
                pass


def children():
    """Our children, from /proc."""
    us, found = os.getpid(), []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == us:
            found.append(int(stat.parent.name))
    return found


@contextmanager
def progress(text):
    """On a terminal, a line that says what takes time; it is gone afterwards."""
    if not on_terminal():
        yield
        return
    sys.stdout.write(f"  … {text}\r")
    sys.stdout.flush()
    try:
        yield
    finally:
        sys.stdout.write("\r\033[K")
        sys.stdout.flush()
