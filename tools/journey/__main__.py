"""
journey capture | draw | check: one batch of eight requests at each server.

capture  writes build/results/journey.tsv, by build/tools/trace
draw     writes diagrams/journey.svg and build/diagrams/journey.png from that
check    the counts in both are those of build/results/costs.tsv
Exit: 0 done, 1 failed, 2 usage, 77 skipped.
"""
import re
import shutil
import subprocess
import sys
from pathlib import Path

import batches
import picture
from batches import BATCH, COSTS, TSV, chapters  # its path to tools/lab serves the lines below, too

import build
import process
from common import DONE, FAILED, SKIPPED, USAGE, LabError
from process import progress

SVG = Path("diagrams/journey.svg")
PNG = Path("build/diagrams/journey.png")
PNG_WIDTH = "2200"


def capture():
    """A batch for each finished server; what can't be traced here is said, and left out."""
    found, head, failed = [], [], False
    for chapter in chapters():
        with progress(f"{chapter.model}: one batch of {BATCH}"):
            batch, more = batches.capture(chapter, build.server("plain", "solutions", chapter))
        if batch:
            found.append(batch)
            head = head or more
            print(f"  {chapter.number} {chapter.model:<18} {batch.crossings:3} crossings for {BATCH} requests", flush=True)
        else:
            print(f"  {chapter.number} {chapter.model:<18} {more}")
            failed = True
    if not found:
        return SKIPPED
    batches.write(TSV, found, head)
    print(f"written: {TSV}")
    return FAILED if failed else DONE


def words_of(svg):
    """What a picture says, in any order: threads of a server take turns as the scheduler likes."""
    return sorted(re.findall(r">([^<>]+)<", svg))


def draw():
    if not TSV.exists():
        raise LabError(f"there is no {TSV} yet: make journey")
    svg = picture.svg(batches.read())
    if not SVG.exists() or words_of(SVG.read_text()) != words_of(svg):
        SVG.write_text(svg)
        print(f"written: {SVG}")
    if shutil.which("rsvg-convert"):
        PNG.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["rsvg-convert", "--width", PNG_WIDTH, "--output", PNG, SVG], check=True, timeout=60)
        print(f"written: {PNG}")
    return DONE


def drawn():
    """{chapter: (crossings it says, arrows it draws)} of the committed picture."""
    found = {}
    for group in re.findall(r'<g class="lane" data-chapter="(\d+)" data-crossings="(\d+)">(.*?)</g><!-- lane -->', SVG.read_text(), re.S):
        found[int(group[0])] = (int(group[1]), group[2].count('class="crossing '))
    return found


def problems(pictured, captured):
    """A line for each model: None where all agree with the counter, or what is wrong."""
    for chapter in chapters():
        counted = batches.counted(chapter.number).get("total")
        if counted is None:
            yield chapter, f"no row in {COSTS}: make costs"
        elif chapter.number not in pictured:
            yield chapter, f"is not in {SVG}: make journey"
        elif any(abs(n - counted) > 0.01 for n in pictured[chapter.number]):
            yield chapter, f"{SVG} has {pictured[chapter.number][0]} crossings, {COSTS} has {counted:g}: make journey"
        elif chapter.number in captured and abs(captured[chapter.number] - counted) > 0.01:
            yield chapter, f"{TSV} has {captured[chapter.number]} crossings, {COSTS} has {counted:g}: make journey"
        else:
            yield chapter, None


def check():
    if not COSTS.exists():
        print(f"no {COSTS}: make costs")
        return SKIPPED
    captured = {b.chapter: b.crossings for b in batches.read()} if TSV.exists() else {}
    bad = passed = 0
    for chapter, problem in problems(drawn() if SVG.exists() else {}, captured):
        print(f"  {'✗' if problem else '✓'} {chapter.number} {chapter.model}{': ' + problem if problem else ''}")
        bad += problem is not None
        passed += problem is None
    print(f"{passed} passed, {bad} failed")
    return FAILED if bad else DONE


def main(words):
    known = {"capture": capture, "draw": draw, "check": check}
    if len(words) != 1 or words[0] not in known:
        raise LabError(__doc__.strip(), USAGE)
    process.prepare()
    try:
        return known[words[0]]()
    except KeyboardInterrupt:
        return 130
    finally:
        process.end_all()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except LabError as error:
        print(error, file=sys.stderr)
        sys.exit(error.code)
