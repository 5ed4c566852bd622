"""What was to be predicted, as measured on the finished servers: build/results/answers.tsv."""
import hashlib
from pathlib import Path

import build
import check_variants
import suite
from common import read_text, scratch, write_text

TSV = Path("build/results/answers.tsv")


def stamp(chapter):
    """What an answer depends on: the server, the kit, and the test that measures it."""
    tests = Path(f"tests/ch{chapter.number:02}.c")
    return hashlib.sha256((build.sources_hash(chapter, "solutions") + read_text(tests)).encode()).hexdigest()[:16]


def kept():
    """{exercise: (stamp, measured)} of earlier runs."""
    if not TSV.exists():
        return {}
    rows = [line.split("\t") for line in TSV.read_text().splitlines()[1:]]
    return {name: (mark, measured) for name, mark, measured in rows}


def write(rows):
    TSV.parent.mkdir(parents=True, exist_ok=True)
    write_text(TSV, "exercise\tstamp\tmeasured\n" + "".join(f"{n}\t{m}\t{v}\n" for n, (m, v) in sorted(rows.items())))


def keep(chapter, verdicts):
    """Adds what the tests of a finished chapter measured; one that was skipped has measured nothing."""
    mark = stamp(chapter)
    write(kept() | {v.exercise.id: (mark, v.note("measured") or "") for v in verdicts})


def measure(chapter, home):
    (_, programs), = [found[0:2] for found in check_variants.tested([str(chapter.number)], home)]
    keep(chapter, suite.judge(chapter, suite.run_tests(chapter, programs, Path(home, chapter.name))))


def known(chapters):
    """{exercise: measured} for these chapters; runs the tests of those that have changed since."""
    with scratch() as home:
        for chapter in (c for c in chapters if suite.tests_of(c)):
            rows, mark = kept(), stamp(chapter)
            if any(rows.get(e.id, ("", ""))[0] != mark for e in chapter.exercises):
                measure(chapter, home)
    return {name: measured for name, (_, measured) in kept().items() if measured}
