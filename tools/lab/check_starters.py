"""Starters: what is committed equals what is generated, and compiles without a warning."""
import subprocess
from pathlib import Path

import build
import give
import manifest
import programs
import render
import state
from checks import Finding, failed, skipped
from common import DONE, confirm, read_text, scratch, write_text
from process import run


def generated():
    """(chapter, file, path, text) of every starter. A chapter without exercises has none."""
    for chapter in manifest.load_all():
        if chapter.exercises:
            for file, path in zip(chapter.files, chapter.sources("chapters")):
                yield chapter, file, path, render.starter(chapter, render.solution_text(chapter, file))


def committed(path):
    """The file as git's index has it; None where there is no git or no such file."""
    done = subprocess.run(["git", "show", f":{path}"], capture_output=True)
    return done.stdout.decode("utf-8", "surrogateescape") if done.returncode == 0 else None


def check(*_words):
    for chapter, file, path, text in generated():
        yield drift(path, text)
        yield compiles(chapter, file, path, text)
        yield gives(chapter, file, path, text)
    for chapter in manifest.load_all():
        if not chapter.exercises:
            yield Finding(str(chapter.readme), text="a server without exercises")


def drift(path, text):
    """A file that was edited since its commit is the student's; only the committed one can drift."""
    ours = read_text(path) if path.exists() else None
    kept = committed(path)
    if text in (kept, ours):
        note = "" if ours == text else "edited since: the student's" if ours else "deleted since"
        return Finding(f"{path} equals what is generated", text=note)
    if kept is None and ours is None:
        return failed(str(path), "missing: make starters writes it")
    return failed(str(path), f"differs from what solutions/{path.parent.name} and its README give: make starters writes it")


def compiles(chapter, file, path, text):
    program = next((p for p in programs.of(chapter) if file in p.files), None)
    if not program:
        return skipped(f"{path} compiles", f"one of {', '.join(programs.WINDOWS_TOOLS)} is missing: tools/setup windows")
    words, _ = build.flags("plain", chapter, program.name)
    with scratch() as directory:
        source = Path(directory, path.name)
        write_text(source, text)
        for header in Path("solutions", chapter.name).glob("*.h"):
            write_text(Path(directory, header.name), render.starter(chapter, read_text(header)))
        done = run([*words, "-Werror", "-c", source, "-o", Path(directory, "starter.o")])
    if "NAIVE_" in text:
        return failed(str(path), "a starter contains a NAIVE macro")
    return failed(f"{path} compiles", done.output) if done.code else Finding(f"{path} compiles without a warning")


def gives(chapter, file, path, starter):
    """`make giveN.M` for every exercise, in order and in reverse, makes the solution."""
    ids = [e.id for e in chapter.exercises]
    for order in (ids, ids[::-1]):
        text = starter
        for wanted in order:
            text, overwritten = give.apply(chapter, wanted, file, text) or (text, True)
            if overwritten:
                return failed(f"{path}", f"make give{wanted} after {order[: order.index(wanted)]} takes other lines than its own")
        if text != render.clean(render.solution_text(chapter, file)):
            return failed(f"{path}", f"make give of {order} does not end in the solution")
    return Finding(f"{path}: giving every exercise makes the solution")


def write():
    """`make starters`: writes those that differ. A file edited since its commit is asked about, and kept."""
    changed = False
    for _chapter, _file, path, text in generated():
        ours = read_text(path) if path.exists() else None
        if ours == text:
            continue
        changed = True
        if ours is not None and ours != committed(path):
            if not confirm(f"{path} was edited since its commit. Put the starter there?"):
                continue
            print(f"kept: {state.back_up(path)}")
        write_text(path, text)
        print(f"wrote {path}")
    if not changed:
        print("every starter equals what is generated")
    return DONE
