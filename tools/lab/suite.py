"""Running a chapter's tests and reading what they found, from their journals alone."""
import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import programs as chapter_programs
from common import LabError, read_text
from process import run

BOUND_S = 90  # the whole run, times PROBE_PATIENCE
TEST = re.compile(r"^Test\((ch(\d\d)(?:_counts)?), (ex(\d+)_\w+)", re.M)


@dataclass
class Test:
    suite: str  # "ch04": behaviour, on the sanitized build; "ch04_counts": on the plain one, traced
    name: str  # "ex2_stale_event"
    exercise: str  # "4.2"

    @property
    def counts(self):
        return self.suite.endswith("_counts")

    @property
    def journal(self):
        return f"{self.suite}.{self.name}"


@dataclass
class Outcome:
    test: Test
    state: str = "fail"  # pass, fail, skip
    step: str = "given"  # the kind of step that failed: given or expect
    text: str = ""  # the sentence of a failure, the reason of a skip
    steps: list = field(default_factory=list)  # (kind, text)
    notes: dict = field(default_factory=dict)


def tests_of(chapter):
    """The tests a chapter is expected to have: what a run must answer for."""
    path = Path(f"tests/ch{chapter.number:02}.c")
    if not path.exists():
        return []
    found = TEST.findall(read_text(path))
    return [Test(suite, name, f"{chapter.number}.{m}") for suite, n, name, m in found if int(n) == chapter.number]


def read_journal(path, test):
    """A test without a verdict of its own has failed."""
    outcome = Outcome(test, text="the test ended before it could judge")
    if not path.exists():
        outcome.text = "the test did not run"
        return outcome
    for line in read_text(path).split("\n"):
        kind, *words = line.split("\t")
        if kind in ("given", "expect") and words:
            outcome.steps.append((kind, words[0]))
        elif kind == "note" and len(words) == 2:
            outcome.notes[words[0]] = words[1]
        elif kind == "pass":
            outcome.state, outcome.text = "pass", ""
        elif kind == "skip" and words:
            outcome.state, outcome.text = "skip", words[0]
        elif kind == "fail" and len(words) == 2:
            outcome.state, outcome.step, outcome.text = "fail", words[0], words[1]
    if outcome.state == "fail" and outcome.text.startswith("the test ended") and outcome.steps:
        outcome.step = outcome.steps[-1][0]
    return outcome


def run_tests(chapter, programs, directory, only=None, extra=None):
    """
    Runs the chapter's tests, `only` these where given, in parallel. `programs` is
    {"asan": server, "plain": server, "tests": binary}; `directory` takes the journals. An Outcome each.
    """
    wanted = only if only is not None else tests_of(chapter)
    for suite in sorted({test.suite for test in wanted}):
        mine = [test for test in wanted if test.suite == suite]
        variant = "plain" if mine[0].counts else "asan"
        env = {
            **chapter_programs.environment({k: p for k, p in programs.items() if k != "tests"}, variant),
            "SANITIZED": "1" if variant == "asan" else "",
            "JOURNAL": str(directory),
            "PROBE_DIR": str(directory),
            **(extra or {}),
        }
        names = "|".join(test.name for test in mine)
        words = [programs["tests"], "--filter", f"{suite}/@({names})", "--jobs", str(jobs())]
        done = run(words, env, BOUND_S * int(env.get("PROBE_PATIENCE", 1)))
        if done.code < 0 and not done.timed_out:
            raise LabError(f"{words[0]} died of signal {-done.code}:\n{done.output[-2000:]}")
    return [read_journal(Path(directory, test.journal), test) for test in wanted]


def run_in_order(chapter, programs, directory, only=None, extra=None):
    """
    As run_tests, but one test goes first: the first one of the exercise that others come after. Where it fails
    they could not begin, and would wait until their bounds: they are left out, and judge() knows what they wait for.
    """
    wanted = only if only is not None else tests_of(chapter)
    needed = next((e for e in chapter.exercises if any(e in chapter.before(o) for o in chapter.exercises)), None)
    gate = [test for test in wanted if needed and test.exercise == needed.id][:1]
    outcomes = run_tests(chapter, programs, directory, gate, extra)
    idle = []
    if any(o.state == "fail" for o in outcomes):
        idle = [needed.id] + [o.id for o in chapter.exercises if needed in chapter.before(o)]
    rest = [test for test in wanted if test not in gate and test.exercise not in idle]
    halves = [[test for test in rest if test.counts == counts] for counts in (False, True)]  # they mostly wait
    with ThreadPoolExecutor(len(halves)) as pool:
        for found in pool.map(lambda half: run_tests(chapter, programs, directory, half, extra), halves):
            outcomes += found
    return outcomes


def jobs():
    return max(2, len(os.sched_getaffinity(0)))


@dataclass
class Verdict:
    """What the outcomes of its tests say of an exercise."""

    exercise: object
    state: str  # pass, fail, skip, after, untested
    outcomes: list
    waits_for: str = ""  # state after: the exercise that must be done first

    @property
    def points(self):
        return self.exercise.points if self.state == "pass" else 0

    @property
    def failure(self):
        """The outcome to tell: the first failed test's."""
        return next((o for o in self.outcomes if o.state == "fail"), None)

    @property
    def skipped(self):
        return next((o.text for o in self.outcomes if o.state == "skip"), "")

    def note(self, key):
        return next((o.notes[key] for o in self.outcomes if key in o.notes), None)


def judge(chapter, outcomes):
    """A verdict for each exercise, in order. One that comes after an unsolved one waits, whatever its tests say."""
    verdicts = {}
    for exercise in chapter.exercises:
        mine = [o for o in outcomes if o.test.exercise == exercise.id]
        states = {o.state for o in mine}
        state = next((s for s in ("fail", "skip", "pass") if s in states), "untested")
        unsolved = [b.id for b in chapter.before(exercise) if b.id in verdicts and verdicts[b.id].state == "fail"]
        verdicts[exercise.id] = Verdict(exercise, state, mine)
        if unsolved:
            verdicts[exercise.id] = Verdict(exercise, "after", mine, unsolved[0])
    return list(verdicts.values())
