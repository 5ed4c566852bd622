"""What a claim is, how it is tried, and where its figures come from.

A claim is a function. It asks for the rows of a result file, or measures
something itself, and returns a Verdict. A result file of another machine, or
none, is made by its own command first, in the quick form of that command.
"""

import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "experiments"))

import bench  # noqa: E402

RESULTS = Path("build/results")
MADE_WITHIN_S = 300     # a command that takes longer is ended, and its claims are skipped
VERDICTS = ("holds", "depends", "fails")


@dataclass(frozen=True)
class Verdict:
    """`word` is one of VERDICTS; `figure` says in a line what was measured, with units."""

    word: str
    figure: str


class Skipped(Exception):
    """A claim that can't be tried here, with the reason."""


@dataclass(frozen=True)
class Claim:
    id: str
    says: str           # the claim, as it is commonly made
    tried: str          # how it is tried here
    needs: tuple        # the programs and results that make must have first
    judge: object       # () -> Verdict


CLAIMS = {}


def claim(name, says, tried, needs=()):
    """Registers the function below it as the judge of a claim."""
    def register(judge):
        if name in CLAIMS:
            raise ValueError(f"claim {name} is there twice")
        CLAIMS[name] = Claim(name, says, tried, tuple(needs), judge)
        return judge
    return register


def ordered():
    return sorted(CLAIMS.values(), key=lambda c: int(c.id[1:]))


# ---- result files ----

def records(text):
    """The rows of a result file, as dicts."""
    lines = [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]
    return [dict(zip(lines[0], line)) for line in lines[1:]] if lines else []


def is_ours(text):
    """Whether a result file is whole, and was made by this kernel: another one's figures say nothing here."""
    heads = [line for line in text.splitlines() if line.startswith("#")]
    ours = any(line.startswith("# kernel") and platform.release() in line for line in heads)
    return ours and not any("partial" in line for line in heads)


def make(*words):
    """Runs make, with QUICK=1; its output goes to build/claims.log. Raises Skipped where it fails."""
    log = Path("build/claims.log")
    environment = {**os.environ, "QUICK": "1", "MAKEFLAGS": ""}
    with log.open("a", encoding="utf-8") as file:
        try:
            done = subprocess.run(["make", "--no-print-directory", *words], stdout=file, stderr=subprocess.STDOUT,
                                  stdin=subprocess.DEVNULL, env=environment, timeout=MADE_WITHIN_S, check=False)
        except subprocess.TimeoutExpired:
            raise Skipped(f"make {words[0]} took longer than {MADE_WITHIN_S} s") from None
    if done.returncode:
        raise Skipped(f"make {words[0]} failed: see {log}")


def results(name, by):
    """The rows of build/results/NAME; `make BY` makes them where they are missing or another machine's."""
    path = RESULTS / name
    if not path.exists() or not is_ours(path.read_text()):
        bench.progress(f"make {by} QUICK=1, for {name}")
        make(by)
    rows = records(path.read_text()) if path.exists() else []
    if not rows:
        raise Skipped(f"{path} has no rows: make {by}")
    return rows


def number(rows, column, **where):
    """The figure in `column` of the one row that matches; Skipped where there is none."""
    found = [row for row in rows if all(row.get(k) == str(v) for k, v in where.items())]
    if not found or found[0].get(column, "-") in ("-", ""):
        raise Skipped(f"no {column} measured for {', '.join(f'{k} {v}' for k, v in where.items())}")
    return float(found[0][column])


def server(name):
    """A finished server, by its directory: "04-epoll"."""
    path = f"build/plain/solutions/{name}/server"
    if not Path(path).exists():
        raise Skipped(f"{path} is not built")
    return path


def output(*words, bound_s=60):
    """What a program prints; Skipped with its last line where it exits with 77, Failed where with anything else but 0."""
    try:
        done = subprocess.run(list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=bound_s, check=False)
    except subprocess.TimeoutExpired:
        raise bench.Failed(f"{words[0]} took longer than {bound_s} s") from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"{words[0]} failed"])[-1]
        raise Skipped(last) if done.returncode == 77 else bench.Failed(last)
    return done.stdout
