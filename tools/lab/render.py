"""From a solution's text to a starter, to clean text, to variants. unifdef does the cutting."""
import re
import subprocess
from dataclasses import dataclass

from common import USAGE, LabError, read_text

OPEN = re.compile(r"\s*#ifndef NAIVE_(\d+)_(\d+)\s*$")
ELSE = re.compile(r"\s*#else\b")
CLOSE = re.compile(r"\s*#endif\b")
TODO = re.compile(r"/\* TODO (\d+\.\d+) \*/")
ANY_TODO = re.compile(r"\bTODO (\d+\.\d+)")


@dataclass
class Region:
    """One `#ifndef NAIVE_N_M … #else … #endif` of a solution; lines count from 0."""

    id: str
    start: int  # of #ifndef
    middle: int  # of #else
    end: int  # of #endif

    def solved(self, lines):
        return lines[self.start + 1 : self.middle]

    def naive(self, lines):
        return lines[self.middle + 1 : self.end]


def regions(text):
    """The regions of a solution, in order. Other conditionals are passed over, inside regions too."""
    found, region, depth = [], None, 0
    for index, line in enumerate(text.split("\n")):
        opened = OPEN.match(line)
        if opened and region is None:
            region, depth = Region(f"{opened[1]}.{opened[2]}", index, -1, -1), 0
        elif region and re.match(r"\s*#if", line):
            depth += 1
        elif region and depth == 0 and ELSE.match(line):
            region.middle = index
        elif region and CLOSE.match(line):
            if depth == 0:
                region.end = index
                found.append(region)
                region = None
            depth -= 1
    return found


def cut(text, naive, solved):
    """unifdef: the naive half of the macros in `naive`, the solved half of those in `solved`."""
    words = ["unifdef", "-x2", *(f"-D{m}" for m in naive), *(f"-U{m}" for m in solved)]
    if len(words) == 2:
        return text
    try:
        done = subprocess.run(words, input=text.encode("utf-8", "surrogateescape"), capture_output=True)
    except FileNotFoundError:
        raise LabError("unifdef is missing: tools/setup test installs it", USAGE) from None
    if done.returncode != 0:
        raise LabError("unifdef: " + done.stderr.decode().strip())
    return done.stdout.decode("utf-8", "surrogateescape")


def with_titles(chapter, text):
    """Gives the first TODO of each exercise its title; the others say that they go on."""
    titles = {e.id: e.title for e in chapter.exercises}
    seen = set()

    def title(match):
        first = match[1] not in seen
        seen.add(match[1])
        return f"/* TODO {match[1]}: {titles.get(match[1], '?')} */" if first else f"/* TODO {match[1]}, continued */"

    return TODO.sub(title, text)


def macros(text):
    return sorted({f"NAIVE_{r.id.replace('.', '_')}" for r in regions(text)})


def clean(text):
    """Every exercise solved, no mark left."""
    return cut(text, [], macros(text))


def starter(chapter, text):
    """Every exercise naive, each TODO with its title: what a student begins with."""
    return cut(with_titles(chapter, text), macros(text), [])


def starter_places(chapter, text, wanted, solved=()):
    """
    The lines of the starter, with the exercises in `solved` solved; and for each region of `wanted`
    the lines (from, to) that it has there, with the solved ones.
    """
    lines, starter, places, at = with_titles(chapter, text).split("\n"), [], [], 0
    for region in regions(text):
        starter += lines[at : region.start]
        half = region.solved(lines) if region.id in solved else region.naive(lines)
        if region.id == wanted:
            places.append((len(starter), len(starter) + len(half), region.solved(lines)))
        starter += half
        at = region.end + 1
    return starter + lines[at:], places


def solution_text(chapter, file):
    return read_text(f"solutions/{chapter.name}/{file}")


def todo_lines(text, wanted):
    """The numbers, from 1, of the lines that carry this exercise's TODO."""
    mark = re.compile(r"TODO " + re.escape(wanted) + r"\b")
    return [i for i, line in enumerate(text.split("\n"), 1) if mark.search(line)]


FUNCTION = re.compile(r"[a-z].*?\b(\w+)\([^;]*$")  # the first line of a definition


def function_at(text, index):
    """The name of the function that a line (from 0) stands in: the last one that began before it."""
    name = None
    for line in text.split("\n")[: index + 1]:
        if line.startswith("}"):
            name = None
        found = FUNCTION.match(line)
        if found and "=" not in line:
            name = found[1]
    return name


def functions(text):
    """{name: its definition} of a file in the house's style, in which a definition ends with a brace at the margin."""
    lines, found, name, start = text.split("\n"), {}, None, 0
    for index, line in enumerate(lines):
        begun = FUNCTION.match(line)
        if begun and "=" not in line:
            name, start = begun[1], index
        if line.startswith("}") and name:
            found[name], name = "\n".join(lines[start : index + 1]), None
    return found


def line_of_function(text, name):
    for number, line in enumerate(text.split("\n"), 1):
        found = FUNCTION.match(line)
        if found and found[1] == name:
            return number
    return None


def place(chapter, exercise, tree="chapters"):
    """Where a student goes on: "chapters/04-epoll/server.c:71"; by the TODO, or by the function's name."""
    for path in chapter.sources(tree):
        if path.exists():
            lines = todo_lines(read_text(path), exercise.id)
            if lines:
                return f"{path}:{lines[0]}"
    for file, path in zip(chapter.files, chapter.sources(tree)):
        text = solution_text(chapter, file)
        for region in regions(text):
            name = region_function(text, region) if region.id == exercise.id else None
            line = name and path.exists() and line_of_function(read_text(path), name)
            if line:
                return f"{path}:{line} ({name}; its TODO is gone)"
    return str(chapter.sources(tree)[0])


def region_function(text, region):
    """The function around a region, or the first one in it."""
    outside = function_at(text, region.start)
    inside = [FUNCTION.match(line)[1] for line in region.solved(text.split("\n")) if FUNCTION.match(line)]
    return outside or (inside[0] if inside else None)
