"""What a student types besides `make chapterN`: hint, predict, progress, reset, diff, run."""
import os
import subprocess
import textwrap
from pathlib import Path

import build
import manifest
import render
import report
import state
from common import DONE, USAGE, LabError, confirm, on_terminal, paint, read_text, scratch, tree, write_text
from process import environment

PORT = 7000  # the contract's default
WIDTH = 100


def hint(wanted):
    """The next hint, and those before it once all are told."""
    chapter, exercise = manifest.find_exercise(wanted)
    if not exercise.hints:
        raise LabError(f"{wanted} has no hints; its lesson is {chapter.readme}#{exercise.anchor}")
    with state.change() as kept:
        seen = min(int(kept["hints"].get(wanted, 0)) + 1, len(exercise.hints) + 1)
        kept["hints"][wanted] = seen
    count = len(exercise.hints)
    shown = range(count) if seen > count else [seen - 1]
    for index in shown:
        print(paint("bold", f"{exercise.id} {exercise.title}: hint {index + 1} of {count}"))
        print("\n" + exercise.hints[index] + "\n")
    if seen < count:
        print(f"  one more: make hint{wanted}")
    else:
        print(f"  these are all; make give{wanted} puts the solution into your file")
    return DONE


def predict(wanted):
    """Keeps what a student expects: of an exercise, or of a chapter's total at k = 1."""
    if "." in wanted:
        chapter, exercise = manifest.find_exercise(wanted)
        question = exercise.question or exercise.title
    else:
        chapter = manifest.find(wanted)
        wanted = str(chapter.number)
        question = f"How many crossings does one request cost in chapter {chapter.number}, at k = 1?"
    value = os.environ.get("IS", "")
    try:
        float(value)
    except ValueError:
        raise LabError(f"{question}\nAnswer with a number: make predict{wanted} IS=3", USAGE) from None
    with state.change() as kept:
        kept["predictions"][wanted] = value
    print(f"{question}\n  you say {value}; make chapter{chapter.number} prints it beside the measurement")
    return DONE


# ---- progress ----

STATES = {"pass": "done", "fail": "open", "after": "open", "skip": "skipped", "untested": "open"}


def progress():
    """Every exercise of every chapter: done, stale (the file has changed since), open."""
    results = state.read()["results"]
    points = total = 0
    for chapter in manifest.load_all():
        if not chapter.exercises:
            continue
        kept = results.get(str(chapter.number), {})
        current = kept.get("sources") == build.sources_hash(chapter, "chapters")
        print(paint("bold", f"{chapter.number} · {chapter.model}"))
        for exercise in chapter.exercises:
            known = kept.get("exercises", {}).get(exercise.id)
            word = STATES.get(known, "not tried")
            gained = exercise.points if word == "done" and current else 0
            word = word if current or not known else f"stale: was {word}, the file has changed since"
            print(f"  {report.mark(known if current and known else 'untested')} {exercise.id:<4} "
                  f"{exercise.title:<46}{gained:>3}/{exercise.points:<4} {word}")
            points, total = points + gained, total + exercise.points
    print(f"\n  {points} of {total} points; make chapterN tries a chapter again")
    return DONE


# ---- the student's files ----


def replace(path, text):
    """Puts a text into a student's file; what stood there is kept, and its place is told."""
    kept = state.back_up(path) if path.exists() else None
    write_text(path, text)
    return f"; yours is kept in {kept}" if kept else ""


def reset(number):
    """The starter again."""
    chapter = manifest.find(number)
    starters = {path: render.starter(chapter, render.solution_text(chapter, file))
                for file, path in zip(chapter.files, chapter.sources("chapters"))}
    changed = [path for path, text in starters.items() if not path.exists() or read_text(path) != text]
    if not changed:
        print(f"chapter {chapter.number} is as it began")
        return DONE
    names = ", ".join(map(str, changed))
    if any(path.exists() for path in changed) and not confirm(f"Put the starter into {names}, over what you wrote?"):
        print("left as it is")
        return DONE
    for path in changed:
        print(f"{path} is the starter again{replace(path, starters[path])}")
    return DONE


def outline(old, new, before, after):
    """What becomes of each function, {name: text} of both files: the whole change at a glance."""
    kinds = {
        "the same": [name for name in after if before.get(name) == after[name]],
        "changed": [name for name in after if name in before and before[name] != after[name]],
        "new": [name for name in after if name not in before],
        "gone": [name for name in before if name not in after],
    }
    yield paint("bold", f"{old} -> {new}")
    for kind, names in kinds.items():
        if names:
            yield textwrap.fill(", ".join(names), WIDTH, initial_indent=f"  {kind:<10}", subsequent_indent=" " * 12)


def diff(number):
    """What a chapter changes: the chapter it refines, solved, against the student's file (or the solved one)."""
    chapter = manifest.find(number)
    if chapter.refines is None:
        raise LabError(f"chapter {chapter.number} refines nothing: it is the first of its line", USAGE)
    base, ours = manifest.find(str(chapter.refines)), tree()
    build.check_files(chapter, ours)
    with scratch() as directory:
        for file in chapter.files:
            old, new = Path(base.name, file), Path(ours, chapter.name, file)
            texts = [render.clean(render.solution_text(base, file)) if file in base.files else "",
                     render.clean(read_text(new)) if ours == "solutions" else read_text(new)]
            print("\n".join(outline(old if texts[0] else "(no such file)", new, *map(render.functions, texts))), flush=True)
            if texts[0]:  # what is new as a whole is no difference
                difference(directory, (old, new), texts)
    return DONE


def difference(directory, paths, texts):
    for path, text in zip(paths, texts):
        write_text(Path(directory, path), text)
    # Without what only moved to the right: it is no change to a reader.
    words = ["git", "diff", "--no-index", "--no-prefix", "--color=auto", "--histogram", "-w", "-U1", "--", *map(str, paths)]
    if subprocess.run(words, env=environment(None), cwd=directory).returncode > 1:
        raise LabError("git diff failed")


def run(number):
    """The student's server in this terminal, until Ctrl-C."""
    chapter = manifest.find(number)
    built = build.servers(chapter, tree(), ["plain"])
    if built.failed:
        print("\n".join(report.broken_build(chapter, built)))
        return DONE
    server = build.server("plain", tree(), chapter)
    if Path(server).name != "server":  # a program that runs to its end
        os.execve(server, [server], environment(None))
    print(f"chapter {chapter.number} on port {PORT}: redis-cli -p {PORT}, or nc 127.0.0.1 {PORT}; Ctrl-C ends it", flush=True)
    os.execve(server, [server, "--port", str(PORT)], environment(None))


# ---- watch ----

REMOTE = {"nfs", "nfs4", "cifs", "smb2", "smbfs", "9p", "v9fs", "fuseblk", "fuse", "fuse.sshfs", "vboxsf", "prl_fs"}
POLL_S = 1


def watch(number):
    """`make chapterN` at each save: by entr, or where inotify sees no changes by looking once a second."""
    chapter = manifest.find(number)
    files = [str(path) for path in chapter.sources("chapters")]
    if can_notify(files[0]):
        words = ["entr", "-c" if on_terminal() else "-n", "python3", "tools/lab", "chapter", number]
        return subprocess.run(words, input="\n".join(files) + "\n", text=True, env=environment(None)).returncode
    print(f"watching {', '.join(files)} once a second; Ctrl-C ends it", flush=True)
    return poll(files, number)


def can_notify(path):
    """inotify sees no change that another machine makes to a shared file system. WATCH=poll says so by hand."""
    kind = subprocess.run(["stat", "-f", "-c", "%T", path], capture_output=True, text=True).stdout.strip()
    there = subprocess.run(["sh", "-c", "command -v entr"], capture_output=True).returncode == 0
    return there and kind not in REMOTE and os.environ.get("WATCH") != "poll"


def poll(files, number):
    import time

    seen = None
    while True:
        now = [os.stat(file).st_mtime_ns if os.path.exists(file) else 0 for file in files]
        if now != seen:
            seen = now
            subprocess.run(["python3", "tools/lab", "chapter", number], env=environment(None))
        time.sleep(POLL_S)
