"""Tries claims that are commonly made about I/O models, on this machine.

usage: python3 tools/claims [C1 C2 ...]     (all of them without; --list names them)

Prints each claim, its verdict (holds, depends, fails) and the figure, and
writes build/results/claims.tsv. Exit: 0 tried (whatever the verdicts), 1 a
measurement broke, 2 usage, 130 interrupted (what was tried is kept).
"""

import importlib
import sys
import textwrap
from pathlib import Path

import ledger
from ledger import bench

WIDTH = 100
MARKS = {"holds": "✓", "depends": "~", "fails": "✗", "skipped": "–", "broken": "!"}


def load():
    """Every module beside this one may hold claims."""
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.stem not in ("__main__", "ledger"):
            importlib.import_module(path.stem)


def try_one(claim):
    """(word, figure): the verdict, or why there is none."""
    if sys.stderr.isatty():
        bench.progress(f"{claim.id}: {claim.tried}")
    try:
        verdict = claim.judge()
        return verdict.word, verdict.figure
    except ledger.Skipped as why:
        return "skipped", str(why)
    except bench.Failed as why:
        return "broken", str(why)


def tell(claim, word, figure):
    if sys.stderr.isatty():
        bench.progress("")
    print(f"\n  {MARKS[word]} {claim.id:<4}{word:<9}{claim.says}")
    for line in textwrap.wrap(figure, WIDTH - 17):
        print(" " * 17 + line)


def kept(path):
    """The rows of claims not tried this time stay."""
    return {row["id"]: row for row in ledger.records(path.read_text())} if path.exists() else {}


def write(tried):
    path = ledger.RESULTS / "claims.tsv"
    rows = kept(path)
    for name, (word, figure) in tried.items():
        rows[name] = {"id": name, "verdict": word, "figure": figure.replace("\t", " "), "command": f"make claims ID={name}"}
    known = [c.id for c in ledger.ordered() if c.id in rows]
    columns = "id verdict figure command"
    bench.write_tsv(path, [], columns, [[rows[name][c] for c in columns.split()] for name in known])
    return path


def chosen(words):
    unknown = [word for word in words if word not in ledger.CLAIMS]
    if unknown:
        known = " ".join(c.id for c in ledger.ordered())
        print(f"claims: there is no claim {unknown[0]}; there are: {known}", file=sys.stderr)
        sys.exit(2)
    return [c for c in ledger.ordered() if not words or c.id in words]


def main(words):
    load()
    if words == ["--list"]:
        for claim in ledger.ordered():
            print(f"{claim.id}\t{claim.says}\t{claim.tried}")
        return 0
    tried, code = {}, 0
    bench.stop_like_ctrl_c()
    try:
        for claim in chosen(words):
            tried[claim.id] = try_one(claim)
            tell(claim, *tried[claim.id])
    except KeyboardInterrupt:
        print("\n  interrupted: the claims below were tried until then", file=sys.stderr)
        code = 130
    if tried:
        print(f"\n{summary(tried)}\nwritten: {write(tried)}")
    return code or int(any(word == "broken" for word, _ in tried.values()))


def summary(tried):
    words = [word for word, _ in tried.values()]
    return ", ".join(f"{words.count(w)} {w}" for w in MARKS if w in words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
