"""`make giveN.M`: the solution of one exercise into the student's file, region by region."""
from difflib import SequenceMatcher
from itertools import combinations
from pathlib import Path

import build
import manifest
import render
import student
from common import DONE, confirm, read_text


def give(wanted):
    chapter, exercise = manifest.find_exercise(wanted)
    build.check_files(chapter, "chapters")
    files = [f for f in chapter.files if any(r.id == wanted for r in render.regions(render.solution_text(chapter, f)))]
    texts = {f: read_text(Path("chapters", chapter.name, f)) for f in files}
    given = {f: apply(chapter, wanted, f, text) for f, text in texts.items()}
    if not any(render.todo_lines(text, wanted) for text in texts.values()):
        show(chapter, exercise, files, f"Your file has no TODO {wanted} any more")
        return DONE
    if None in given.values():
        show(chapter, exercise, files, "What you wrote there can't be told apart from other exercises' lines")
        return DONE
    names = ", ".join(str(Path("chapters", chapter.name, f)) for f in files)
    if not confirm(f"Put the solution of {wanted} {exercise.title} into {names}?"):
        print("left as it is")
        return DONE
    for file in files:
        put(Path("chapters", chapter.name, file), wanted, *given[file])
    print(f"  read it, then: make chapter{chapter.number}")
    return DONE


def put(path, wanted, text, overwritten):
    kept = student.replace(path, text)
    print(f"{path} has the solution of {wanted}{kept}")
    if overwritten:
        print("  You had changed these very lines: yours were replaced. Compare:")
        print(f"  git diff --no-index -- {kept.rpartition(' ')[2]} {path}")


def apply(chapter, wanted, file, text):
    """
    The student's text with every region of the exercise solved, and whether lines of theirs were replaced.
    None where it can't be told which lines those are.
    """
    ours, overwritten = text.split("\n"), False
    starter, places, where = closest(chapter, wanted, file, ours)
    for start, end, solved in reversed(places):
        found = locate(where, start, end)
        if not found:
            return None
        mine = ours[found[0] : found[1]]
        overwritten |= mine not in (starter[start:end], solved)
        ours[found[0] : found[1]] = solved
    result = "\n".join(ours)
    return (result, overwritten) if todos(result) == todos(text) - {wanted} else None


def todos(text):
    """The exercises that a text still has a TODO of."""
    return {match[1] for match in render.ANY_TODO.finditer(text)}


def closest(chapter, wanted, file, ours):
    """
    The starter, with those other exercises solved that make it most like the student's file; its regions of
    `wanted`; and for each of its lines that the student still has, where it stands there.
    """
    others = [e.id for e in chapter.exercises if e.id != wanted]
    best = None
    for solved in (s for size in range(len(others) + 1) for s in combinations(others, size)):
        starter, places = render.starter_places(chapter, render.solution_text(chapter, file), wanted, solved)
        blocks = SequenceMatcher(None, starter, ours, autojunk=False).get_matching_blocks()
        same = 2 * sum(block.size for block in blocks) - len(starter)
        if best is None or same > best[0]:
            best = same, starter, places, {b.a + i: b.b + i for b in blocks for i in range(b.size)}
    return best[1:]


def locate(where, start, end):
    """
    Lines start to end of the starter in the student's file, by what stands around them or at their edges.
    None where both the region and its neighbour were rewritten.
    """
    after, before = where.get(start - 1), where.get(end)
    first = after + 1 if after is not None else where.get(start)
    last = before if before is not None else where.get(end - 1, None) if end > start else None
    if before is None and last is not None:
        last += 1
    if start == end:  # nothing stands there: one edge will do
        first, last = (before if first is None else first), (first if last is None else last)
    return (first, last) if first is not None and last is not None and first <= last else None


def show(chapter, exercise, files, why):
    """Where the text can't be put by us, it is shown, with the function it belongs to."""
    print(f"{why}, so nothing was replaced. The solution of {exercise.id}, to compare or to paste:")
    for file in files:
        source = render.solution_text(chapter, file)
        for region in render.regions(source):
            if region.id != exercise.id:
                continue
            name = render.region_function(source, region)
            print(f"\n  {file}, {'in ' + name + '()' if name else 'outside of functions'}:\n")
            print("\n".join(region.solved(source.split("\n"))) or "\t(nothing: the lines there go)")
