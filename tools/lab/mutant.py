"""A known mistake: tests/mutants/N.M-name.c, other text for the solved halves of an exercise's regions."""
import re
from dataclasses import dataclass
from pathlib import Path

import render
import suite
from common import LabError, read_text

HOME = Path("tests/mutants")
CAUGHT = re.compile(r"/\* caught by: (.+) \*/")
ON = re.compile(r"/\* on: (\w+) \*/")
NEXT_REGION = "/* ---- */"
AS_SOLVED = "/* as solved */"


@dataclass
class Mutant:
    path: Path
    exercise: str
    sentence: str  # a part of the failure that must catch it
    tests: list  # those that may
    parts: list  # for each region of the exercise in order: its lines, or None: as solved


def files(wanted="*"):
    return sorted(HOME.glob(f"{wanted}-*.c"))


def load(chapter, path):
    """Reads a mutant; an error says what its grammar is."""
    lines = read_text(path).rstrip("\n").split("\n")
    caught = CAUGHT.fullmatch(lines[0])
    if not caught:
        raise LabError("the first line is /* caught by: part of the sentence that must catch it */")
    exercise = path.name.partition("-")[0]
    tests = [test for test in suite.tests_of(chapter) if test.exercise == exercise]
    body = lines[1:]
    on = ON.fullmatch(body[0]) if body else None
    if on:
        body = body[1:]
        tests = [test for test in tests if test.name == on[1]]
        if not tests:
            raise LabError(f"{on[1]} is no test of {exercise}")
    parts = [None if part.strip() == AS_SOLVED else part for part in "\n".join(body).split(NEXT_REGION)]
    count = sum(r.id == exercise for f in chapter.files for r in render.regions(render.solution_text(chapter, f)))
    if len(parts) > count:
        raise LabError(f"{len(parts)} parts, but {exercise} has {count} regions")
    return Mutant(path, exercise, caught[1], tests, parts)


def applied(mutant, chapter):
    """The chapter's solution with the mistake in it: {file: text}."""
    texts, parts = {}, list(mutant.parts)
    for file in chapter.files:
        lines = render.solution_text(chapter, file).split("\n")
        edits = []
        for region in render.regions("\n".join(lines)):
            if region.id == mutant.exercise and parts:
                edits.append((region, parts.pop(0)))
        for region, part in reversed(edits):
            if part is not None:
                lines[region.start + 1 : region.middle] = part.strip("\n").split("\n")
        texts[file] = "\n".join(lines)
    return texts
