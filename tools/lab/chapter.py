"""`make chapterN`, `make solutionN`, `make tryN.M`: build, test, count, report."""
import re
import textwrap
from pathlib import Path

import build
import counter
import manifest
import programs
import render
import report
import state
import suite
from common import DONE, LabError, on_terminal, read_text, scratch, tree, unsolved
from process import progress

TRACE_LINES = 30  # of a failing test's strace


class Attempt:
    """A chapter's servers in one tree: built, then tried. `directory` is one command's own."""

    def __init__(self, chapter, where, directory):
        self.chapter, self.tree, self.directory = chapter, where, directory
        self.programs = {}
        self.outcomes, self.verdicts, self.costs = [], [], None

    def build(self):
        """Builds all that is needed, and takes copies: a save in the meantime changes nothing under way."""
        paths = programs.built(self.chapter, self.tree, ("asan", "plain"))
        with build.locked():
            tests = [build.tests(self.chapter)] if suite.tests_of(self.chapter) else []
            build.instruments(tests + (["build/tools/syscount"] if self.chapter.budget else []))
            built = build.servers(self.chapter, self.tree)
            if not built.failed:
                self.programs = build.snapshot(paths | {"tests": build.tests(self.chapter)}, self.directory)
        return built

    def test(self, only=None, extra=None):
        expected = suite.tests_of(self.chapter) if only is None else only
        with progress(f"{len(expected)} tests"):
            self.outcomes = suite.run_in_order(self.chapter, self.programs, self.directory, only, extra)
        self.verdicts = suite.judge(self.chapter, self.outcomes)
        return self.verdicts

    def count(self):
        """Counting comes last and alone; before the first exercise passes there is nothing to count."""
        ready = not self.verdicts or self.verdicts[0].state in ("pass", "untested")
        if self.chapter.budget and ready:
            with progress("counting crossings"):
                self.costs = counter.count(self.chapter, self.programs["plain"], Path(self.directory, "costs.tsv"))

    @property
    def solved(self):
        within = not self.costs or not self.costs.rows or self.costs.within(self.chapter)
        return within and not any(v.state in ("fail", "after") for v in self.verdicts)


def say(lines):
    print("\n".join(lines), flush=True)


def remember(attempt):
    """Keeps the results for `make progress`. Those of solutions are nobody's."""
    if attempt.tree != "chapters":
        return
    results = {v.exercise.id: v.state for v in attempt.verdicts}
    entry = {"sources": build.sources_hash(attempt.chapter, attempt.tree), "exercises": results}
    entry["measured"] = {v.exercise.id: v.note("measured") for v in attempt.verdicts if v.note("measured")}
    with state.change() as kept:
        kept["results"][str(attempt.chapter.number)] = entry


def refined(chapter):
    return manifest.find(str(chapter.refines)) if chapter.refines is not None else None


def following(chapter):
    later = [name for name in manifest.names() if int(name[:2]) > chapter.number]
    return manifest.load(later[0]) if later else None


def chapter(number):
    """`make chapterN`"""
    wanted = manifest.find(number)
    if not wanted.exercises and tree() == "chapters":
        raise LabError(
            f"Chapter {number} ({wanted.model}) has a finished server, and no exercises yet.\n"
            f"make solution{number} counts it, make trace{number} TREE=solutions shows its calls.",
            DONE,
        )
    return run_chapter(wanted, tree())


def solution(number):
    """`make solutionN`: the same on the finished server."""
    return run_chapter(manifest.find(number), "solutions")


def run_chapter(chapter, where):
    say([report.heading(chapter, refined(chapter))])
    with scratch() as directory:
        attempt = Attempt(chapter, where, directory)
        built = attempt.build()
        if built.failed:
            say(report.broken_build(chapter, built))
            return unsolved()
        predictions = state.read()["predictions"]
        attempt.test()
        say(warning(built) + report.exercises(chapter, attempt.verdicts, predictions, place_in(attempt)) + [""])
        attempt.count()
    remember(attempt)
    if chapter.budget:
        say([*report.crossings(chapter, attempt.costs, predictions.get(str(chapter.number))), ""])
    say([report.next_step(chapter, attempt.verdicts, attempt.costs, following(chapter)), *reminder(attempt, predictions)])
    return DONE if attempt.solved else unsolved()


def place_in(attempt):
    return lambda exercise: render.place(attempt.chapter, exercise, attempt.tree)


def warning(built):
    """The compiler's first warning, which names many a mistake before a test does."""
    return ["  The compiler warns: " + built.warning.strip().replace("\n", "\n  "), ""] if built.warning else []


def reminder(attempt, predictions):
    """On a terminal, the first open question without a prediction."""
    if not on_terminal() or attempt.tree != "chapters":
        return []
    for verdict in attempt.verdicts:
        e = verdict.exercise
        if verdict.state == "fail" and e.question and e.id not in predictions:
            return [f"  guess first: the lesson of {e.id} asks for a number; make predict{e.id} IS=… keeps yours"]
    return []


def try_exercise(wanted):
    """`make tryN.M`: one exercise, and the strace of its failure."""
    chapter, exercise = manifest.find_exercise(wanted)
    needed = [wanted, *(e.id for e in chapter.before(exercise))]
    mine = [test for test in suite.tests_of(chapter) if test.exercise in needed]
    say([report.heading(chapter, refined(chapter))])
    with scratch() as directory:
        attempt = Attempt(chapter, tree(), directory)
        built = attempt.build()
        if built.failed:
            say(report.broken_build(chapter, built))
            return unsolved()
        verdict = next(v for v in attempt.test(mine) if v.exercise is exercise)
        shown = [v for v in attempt.verdicts if v is verdict or v.exercise.id == verdict.waits_for]
        say(warning(built) + report.exercises(chapter, shown, state.read()["predictions"], place_in(attempt)))
        if verdict.state == "after":
            say([f"      If {verdict.waits_for} passed before, what you wrote for {wanted} has broken it."])
        failing = [v for v in shown if v.state == "fail"]
        if failing:
            say(["", *failing_trace(attempt, failing[0].failure)])
    return DONE if verdict.state in ("pass", "skip") else unsolved()


def failing_trace(attempt, outcome):
    """Runs the failed test once more, on the plain server under strace, and shows the end of its log."""
    log = Path(attempt.directory, "strace.log")
    plain = {key: attempt.programs.get(key.replace("asan", "plain"), path) for key, path in attempt.programs.items()}
    with progress("the same under strace"):
        again = suite.run_tests(attempt.chapter, plain, attempt.directory, [outcome.test],
                                {"PROBE_STRACE_LOG": str(log.resolve()), "SANITIZED": ""})
    if not log.exists():
        return [f"  no strace of it: {again[0].text or 'the test started no server'}"]
    if "/wine" in read_text(log):
        return ["  no strace of it: the server runs under Wine, whose calls are not the program's own"]
    lines = [f"  the server's last system calls ({outcome.test.name}, under strace)"]
    if again[0].state == "pass":
        lines.append("  Without the sanitizer this run did not fail: the mistake is there, but it went unnoticed.")
    return lines + ["    " + line for line in interesting(read_text(log))]


STAMPS = re.compile(r"^(\d+) +[\d.]+ (.*?)( <[\d.]+>)?$")


def interesting(log):
    """The last calls after start-up, without ids (of a single thread) and times."""
    calls = [STAMPS.match(line) for line in log.split("\n")]
    calls = [call for call in calls if call]
    start = max((i for i, call in enumerate(calls) if "listening on" in call[2]), default=-1)
    calls = calls[start + 1 :]
    threads = {call[1] for call in calls}
    shown = [f"{call[1]} {call[2]}" if len(threads) > 1 else call[2] for call in calls]
    cut = [f"… {len(shown) - TRACE_LINES} calls before"] if len(shown) > TRACE_LINES else []
    return cut + [textwrap.shorten(line, report.WIDTH, placeholder=" …") for line in shown[-TRACE_LINES:]]
