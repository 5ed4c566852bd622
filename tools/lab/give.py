"""`make giveN.M`: the solution of one exercise into the student's file, region by region."""
import subprocess
from pathlib import Path

import build
import manifest
import render
import student
from common import DONE, confirm, read_text, scratch, write_text


def give(wanted):
    chapter, exercise = manifest.find_exercise(wanted)
    files = [f for f in chapter.files if any(r.id == wanted for r in render.regions(render.solution_text(chapter, f)))]
    build.check_files(chapter, "chapters")
    texts = {f: read_text(Path("chapters", chapter.name, f)) for f in files}
    if not any(render.todo_lines(text, wanted) for text in texts.values()):
        show(chapter, exercise, files)
        return DONE
    names = ", ".join(str(Path("chapters", chapter.name, f)) for f in files)
    if not confirm(f"Put the solution of {wanted} {exercise.title} into {names}?"):
        print("left as it is")
        return DONE
    for file in files:
        path = Path("chapters", chapter.name, file)
        given, overwritten = apply(chapter, wanted, file, texts[file])
        kept = student.replace(path, given)
        print(f"{path} has the solution of {wanted}{kept}")
        if overwritten:
            print("  You had changed these very lines: yours were replaced. Compare:")
            print(f"  git diff --no-index -- {kept.rpartition(' ')[2]} {path}")
    print(f"  read it, then: make chapter{chapter.number}")
    return DONE


def apply(chapter, wanted, file, text):
    """The student's text with every region of the exercise solved; and whether changed lines were replaced."""
    overwritten = False
    count = len([r for r in render.regions(render.solution_text(chapter, file)) if r.id == wanted])
    for index in range(count):
        text, forced = apply_region(chapter, wanted, file, text, index)
        overwritten |= forced
    return text, overwritten


def apply_region(chapter, wanted, file, text, index):
    """
    Where the region stands in the text as the starter has it, it is replaced.
    Else the change that the solution makes there is merged in, as git would;
    in a conflict the solution wins.
    """
    source = render.solution_text(chapter, file)
    starter = render.starter(chapter, source)
    before, after = render.halves(chapter, source, wanted, index)
    if before and text.count(before) == 1:
        return text.replace(before, after), False
    theirs = render.starter_with_region(chapter, source, wanted, index)
    merged = merge(text, starter, theirs, [])
    return (merged, False) if merged is not None else (merge(text, starter, theirs, ["--theirs"]), True)


def merge(ours, base, theirs, options):
    """git merge-file; None where there is a conflict."""
    with scratch() as directory:
        paths = [Path(directory, name) for name in ("yours", "starter", "solution")]
        for path, text in zip(paths, (ours, base, theirs)):
            write_text(path, text)
        done = subprocess.run(["git", "merge-file", "-p", *options, *map(str, paths)], capture_output=True)
        return done.stdout.decode("utf-8", "surrogateescape") if done.returncode == 0 else None


def show(chapter, exercise, files):
    """No TODO is left to say where the text belongs: it is shown, with the function it belongs to."""
    print(f"Your file has no TODO {exercise.id} any more, so nothing was replaced. The solution, to compare or to paste:")
    for file in files:
        source = render.solution_text(chapter, file)
        for region in render.regions(source):
            if region.id != exercise.id:
                continue
            name = render.region_function(source, region)
            print(f"\n  {file}, {'in ' + name + '()' if name else 'outside of functions'}:\n")
            print("\n".join(region.solved(source.split("\n"))) or "\t(nothing: the lines there go)")
