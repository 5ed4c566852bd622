"""The manifest: ids, macros, tests, hints, points, anchors and mutants agree. Says file:line: rule."""
import re
from pathlib import Path

import manifest
import mutant
import render
import suite
from checks import Finding, failed
from common import LabError, read_text

MUTANTS_MIN = 3  # of each exercise


def check(*_words):
    for name in manifest.names():
        yield from check_chapter(name)


def check_chapter(name):
    try:
        chapter = manifest.load(name)
    except LabError as error:
        yield failed(name, str(error))
        return
    rules = [(chapter.readme, line, rule) for line, rule in chapter.problems]
    for part in (head, exercises, solutions, tests, mutants):
        rules += part(chapter)
    for path, line, rule in rules:
        yield failed(f"{path}:{line}", rule)
    if not rules and not chapter.exercises:
        yield Finding(str(chapter.readme), text="a server without exercises")
    elif not rules:
        yield Finding(f"{chapter.readme}: {len(chapter.exercises)} exercises")


def head(chapter):
    rules = []
    if chapter.number != int(chapter.name[:2]):
        rules.append((chapter.readme, 1, f"the chapter's number is {int(chapter.name[:2])}, as in its directory"))
    if chapter.model and chapter.model != chapter.name[3:]:
        rules.append((chapter.readme, 1, f"the model is {chapter.name[3:]}, as in its directory"))
    if chapter.refines is not None and not any(int(n[:2]) == chapter.refines for n in manifest.names()):
        rules.append((chapter.readme, 2, f"it refines {chapter.refines}, which is no chapter"))
    for path in chapter.sources("solutions"):
        if not path.exists():
            rules.append((chapter.readme, 2, f"{path} is missing"))
    if chapter.budget and list(chapter.budget)[-1] != "total":
        rules.append((chapter.readme, 1, 'the last row of the budget is "total"'))
    return rules


def exercises(chapter):
    rules, seen = [], []
    for index, e in enumerate(chapter.exercises, 1):
        wanted = {
            f"the id is {chapter.number}.{index}: exercises are numbered in order": e.id == f"{chapter.number}.{index}",
            f"{e.id} names a man page on the line of its points": bool(e.man),
            f'{e.id} has a paragraph "Predict: …?", a question whose answer is a number': e.question.endswith("?"),
            f"{e.id} has {manifest.HINTS} hints": len(e.hints) == manifest.HINTS,
            f"{e.id} has an anchor of its own": e.anchor not in [s.anchor for s in seen],
        }
        wanted |= {f"{e.id} comes after {a}, which is no exercise before it": a in [s.id for s in seen] for a in e.after}
        rules += [(chapter.readme, e.line, rule) for rule, kept in wanted.items() if not kept]
        seen.append(e)
    return rules


def solutions(chapter):
    """Regions and exercises belong together, one to one."""
    rules, marked, named = [], set(), set()
    for path in chapter.sources("solutions"):
        if path.exists():
            text = read_text(path)
            found, here = region_rules(path, text)
            rules += found
            named |= {region.id for region in render.regions(text)}
            marked |= here
    for e in chapter.exercises:
        if e.id not in named:
            rules.append((chapter.readme, e.line, f"{e.id} has a region, #ifndef {e.macro} … #else … #endif, in a solution"))
        elif e.id not in marked:
            rules.append((chapter.readme, e.line, f"{e.id} has a /* TODO {e.id} */ in a naive half of its regions"))
    for wanted in sorted(named - {e.id for e in chapter.exercises}):
        rules.append((chapter.readme, 1, f"the solution has regions of {wanted}, which is no exercise here"))
    return rules


def region_rules(path, text):
    """What is wrong with the regions of one file; and the ids of the TODOs in it."""
    rules, lines, marked = [], text.split("\n"), set()
    found = render.regions(text)
    opened = {region.start for region in found}
    for number, line in enumerate(lines):
        if "NAIVE_" in line and number not in opened:
            rules.append((path, number + 1, "a NAIVE macro stands in an #ifndef of its own alone, and is not nested"))
    for region in found:
        if region.middle < 0:
            rules.append((path, region.start + 1, "a region has an #else, with the starter's text"))
            continue
        for half, start in ((region.solved(lines), region.start), (region.naive(lines), region.middle)):
            if sum(line.count("{") - line.count("}") for line in half) != 0:
                rules.append((path, start + 1, "braces balance in each half of a region"))
        for number in range(region.middle + 1, region.end):
            todo = render.TODO.search(lines[number])
            if todo and todo[1] != region.id:
                rules.append((path, number + 1, f"this TODO stands in a region of {region.id}"))
            marked |= {todo[1]} if todo else set()
        if any("TODO" in line for line in region.solved(lines)):
            rules.append((path, region.start + 1, "a solution has nothing left to do"))
    return rules, marked


LOOSE_TEST = re.compile(r"^Test\((\w+), *(\w+)", re.M)


def tests(chapter):
    path = Path(f"tests/ch{chapter.number:02}.c")
    if not chapter.exercises and not path.exists():
        return []
    if not path.exists():
        return [(chapter.readme, 1, f"its tests are in {path}")]
    rules, known = [], suite.tests_of(chapter)
    text = read_text(path)
    for match in LOOSE_TEST.finditer(text):
        if (match[1], match[2]) not in [(t.suite, t.name) for t in known]:
            rules.append((path, text.count("\n", 0, match.start()) + 1,
                          f"a test is Test(ch{chapter.number:02}, exM_name), or of the suite ch{chapter.number:02}_counts"))
    ids = {e.id for e in chapter.exercises}
    rules += [(path, 1, f"{t.name} tests {t.exercise}, which is no exercise") for t in known if t.exercise not in ids]
    tested = {t.exercise for t in known}
    rules += [(chapter.readme, e.line, f"{e.id} has a test in {path}") for e in chapter.exercises if e.id not in tested]
    return rules


def mutants(chapter):
    rules = []
    for e in chapter.exercises:
        files = mutant.files(e.id)
        if len(files) < MUTANTS_MIN:
            rules.append((chapter.readme, e.line, f"{e.id} has {MUTANTS_MIN} mutants, tests/mutants/{e.id}-name.c; there are {len(files)}"))
        for path in files:
            try:
                mutant.load(chapter, path)
            except LabError as error:
                rules.append((path, 1, str(error)))
    return rules
