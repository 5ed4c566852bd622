"""Servers that should pass or fail: the solutions, their naive variants, and known mistakes."""
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import answers
import build
import manifest
import mutant
import programs as chapter_programs
import render
import suite
from checks import Finding, failed, skipped
from common import LabError, scratch, write_text
from process import run

AT_ONCE = 4  # variants that are built and tried side by side
PATIENT = {"PROBE_PATIENCE": "4"}  # for what must pass: a bound that is passed then is no sign of a busy machine


def tested(words, home):
    """(chapter, its programs, made) for all that have tests; words narrow them: "4", "4.2"."""
    found = []
    for chapter in manifest.load_all():
        if suite.tests_of(chapter) and (not words or str(chapter.number) in [w.split(".")[0] for w in words]):
            wanted = chapter_programs.built(chapter, "solutions", ("asan", "plain"))
            wanted["tests"] = build.tests(chapter)
            with build.locked():
                build.instruments(chapter_programs.targets(wanted.values()))
                found.append((chapter, build.snapshot(wanted, Path(home, chapter.name))))
    return found


def side_by_side(function, items):
    """Findings of function(item) for all items, in their order."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from pool.map(function, items)


def compile_variant(chapter, program, home, variant, words):
    """Builds a program of the texts at `home`; returns its path, or what the compiler said as an error."""
    compile_words, link_words = build.flags(variant, chapter, program.name)
    compile_words = [word for word in compile_words if word not in ("-MMD", "-MP")]
    include = [f"-I{home}", f"-Isolutions/{chapter.name}"]  # the second for headers that no student edits
    sources = [*(home / file for file in program.files if file.endswith(".c")), *([program.source] if program.source else [])]
    made = home / program.name / Path(program.path(variant, "solutions", chapter)).name
    made.parent.mkdir(parents=True, exist_ok=True)
    done = run([*compile_words, *words, *include, *sources, *link_words, "-o", made])
    if done.code:
        raise LabError("does not compile:\n" + done.output[:2000])
    return str(made)


def differs(chapter, file, texts, words):
    """Whether a file is another one than the solution's, once these macros are defined."""
    macros = [word.removeprefix("-D") for word in words if word.startswith("-DNAIVE_")]
    return texts[file] != render.solution_text(chapter, file) or any(m in render.macros(texts[file]) for m in macros)


def try_variant(chapter, programs, home, texts, words, tests, judge):
    """
    Builds what these tests need, runs them, returns what judge(outcomes) finds. Where that is a failure they run once
    more, patiently: side by side on a busy machine a server may be slow, and not wrong.
    """
    made = {}
    for variant in sorted({"plain" if test.counts else "asan" for test in tests}):
        for file, text in texts.items():
            write_text(home / variant / file, text)
        for program in chapter_programs.of(chapter):
            if any(differs(chapter, file, texts, words) for file in program.files):
                key = program.key(variant if program.name != chapter_programs.WINDOWS else "plain")
                made[key] = compile_variant(chapter, program, home / variant, variant, words)
    found = judge(suite.run_tests(chapter, programs | made, home, tests))
    if found.state == "failed":
        found = judge(suite.run_tests(chapter, programs | made, home, tests, PATIENT))
        found.text += " (the second time)"
    return found


def solved_texts(chapter):
    return {file: render.solution_text(chapter, file) for file in chapter.files}


# ---- chapters: every exercise's tests pass on the solution ----


def chapters(*words):
    with scratch() as home:
        for chapter, programs in tested(words, home):
            verdicts = suite.judge(chapter, suite.run_tests(chapter, programs, Path(home, chapter.name), extra=PATIENT))
            answers.keep(chapter, verdicts)  # make handouts need not run them again
            yield from map(judge_solved, verdicts)


def judge_solved(verdict):
    item = f"{verdict.exercise.id} {verdict.exercise.title}"
    if verdict.state == "pass":
        return Finding(item)
    if verdict.state == "skip":
        return skipped(item, verdict.skipped)
    return failed(item, verdict.failure.text if verdict.failure else "it has no test")


# ---- matrix: each exercise fails when it alone is naive, and in the starter once what it needs is solved ----


def matrix(*words):
    jobs = []
    with scratch() as home:
        for chapter, programs in tested(words, home):
            for exercise in chapter.exercises:
                rest = [e for e in chapter.exercises if e not in chapter.before(exercise)]
                jobs.append((chapter, programs, Path(home, f"{exercise.id}-alone"), exercise, [exercise]))
                if len(rest) > 1:
                    jobs.append((chapter, programs, Path(home, f"{exercise.id}-rest"), exercise, rest))
        yield from side_by_side(try_naive, jobs)


def try_naive(job):
    chapter, programs, home, exercise, naive = job
    item = f"{exercise.id} alone naive" if naive == [exercise] else f"{exercise.id} and all others naive but what it comes after"
    tests = suite.tests_of(chapter)
    if naive != [exercise]:
        tests = [test for test in tests if test.exercise == exercise.id]
    words = ["-Werror", *(f"-D{e.macro}" for e in naive)]
    try:
        return try_variant(chapter, programs, home, solved_texts(chapter), words, tests,
                           lambda outcomes: judge_naive(chapter, exercise, item, naive, outcomes))
    except LabError as error:
        return failed(item, str(error))


def judge_naive(chapter, exercise, item, naive, outcomes):
    mine = [o for o in outcomes if o.test.exercise == exercise.id]
    meant = [o for o in mine if o.state == "fail" and o.step == "expect"]
    if any(o.state == "skip" for o in mine) and not meant:
        return skipped(item, next(o.text for o in mine if o.state == "skip"))
    if not meant:
        other = next((o for o in mine if o.state == "fail"), None)
        return failed(item, f"it fails before it can judge: {other.text}" if other else "its tests pass")
    if naive == [exercise]:
        for verdict in suite.judge(chapter, outcomes):
            if verdict.exercise is not exercise and verdict.state == "fail":
                return failed(item, f"{verdict.exercise.id} fails too: {verdict.failure.text}")
    return Finding(item, text=meant[0].text)


# ---- mutants: every known mistake is caught by the sentence meant for it ----


def mutants(*words):
    jobs = []
    with scratch() as home:
        for chapter, programs in tested(words, home):
            wanted = [w for w in words if "." in w] or [e.id for e in chapter.exercises]
            for path in (p for e in chapter.exercises if e.id in wanted for p in mutant.files(e.id)):
                jobs.append((chapter, programs, Path(home, path.stem), path))
        yield from side_by_side(try_mutant, jobs)


def try_mutant(job):
    chapter, programs, home, path = job
    item = path.stem
    try:
        mistake = mutant.load(chapter, path)
        return try_variant(chapter, programs, home, mutant.applied(mistake, chapter), ["-w"], mistake.tests,
                           lambda outcomes: judge_mutant(item, mistake, outcomes))
    except LabError as error:
        return failed(item, str(error))


def judge_mutant(item, mistake, outcomes):
    failures = [o for o in outcomes if o.state == "fail"]
    caught = [o for o in failures if o.step == "expect" and mistake.sentence in o.text]
    if caught:
        return Finding(item, text=caught[0].text)
    if failures:
        return failed(item, f'caught, but not by "{mistake.sentence}": {failures[0].text}')
    skips = [o for o in outcomes if o.state == "skip"]
    return skipped(item, skips[0].text) if skips else failed(item, "it survives: its tests pass")
