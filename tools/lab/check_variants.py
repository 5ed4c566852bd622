"""Servers that should pass or fail: the solutions, their naive variants, and known mistakes."""
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import build
import manifest
import mutant
import render
import suite
from checks import Finding, failed, skipped
from common import LabError, write_text
from process import run

HOME = Path("build/matrix")
AT_ONCE = 2  # variants that are built and tried side by side


def tested(words):
    """(chapter, its programs, made) for all that have tests; words narrow them: "4", "4.2"."""
    found = []
    for chapter in manifest.load_all():
        if suite.tests_of(chapter) and (not words or str(chapter.number) in [w.split(".")[0] for w in words]):
            wanted = {v: build.server(v, "solutions", chapter) for v in ("asan", "plain")}
            wanted["tests"] = build.tests(chapter)
            with build.locked():
                build.instruments(wanted.values())
                found.append((chapter, build.snapshot(wanted, HOME / chapter.name)))
    return found


def side_by_side(function, items):
    """Findings of function(item) for all items, in their order."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from pool.map(function, items)


def compile_variant(chapter, name, variant, texts, words):
    """Builds a server of these texts ({file: text}); returns its path, or what the compiler said as an error."""
    home = HOME / name / variant
    for file, text in texts.items():
        write_text(home / file, text)
    compile_words, link_words = build.flags(variant, chapter)
    compile_words = [word for word in compile_words if word not in ("-MMD", "-MP")]
    include = f"-Isolutions/{chapter.name}"  # headers of the chapter's own
    done = run([*compile_words, *words, include, *(home / file for file in texts), *link_words, "-o", home / "server"])
    if done.code:
        raise LabError("does not compile:\n" + done.output[:2000])
    return str(home / "server")


def try_variant(chapter, name, texts, words, tests):
    """Builds what these tests need, runs them, returns their outcomes."""
    programs = {"tests": str(HOME / chapter.name / "tests" / Path(build.tests(chapter)).name)}
    variants = {"plain" if test.counts else "asan" for test in tests}
    programs |= {v: compile_variant(chapter, name, v, texts, words) for v in sorted(variants)}
    return suite.run_tests(chapter, programs, journals(name), tests)


def journals(name):
    """An empty directory for them."""
    directory = HOME / name / "journal"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory


def solved_texts(chapter):
    return {file: render.solution_text(chapter, file) for file in chapter.files}


# ---- chapters: every exercise's tests pass on the solution ----


def chapters(*words):
    for chapter, programs in tested(words):
        for verdict in suite.judge(chapter, suite.run_tests(chapter, programs, journals(chapter.name))):
            item = f"{verdict.exercise.id} {verdict.exercise.title}"
            if verdict.state == "pass":
                yield Finding(item)
            elif verdict.state == "skip":
                yield skipped(item, verdict.skipped)
            else:
                yield failed(item, verdict.failure.text if verdict.failure else "it has no test")


# ---- matrix: each exercise fails when it alone is naive, and in the starter once what it needs is solved ----


def matrix(*words):
    jobs = []
    for chapter, _programs in tested(words):
        for exercise in chapter.exercises:
            rest = [e for e in chapter.exercises if e not in chapter.before(exercise)]
            jobs.append((chapter, exercise, f"{exercise.id} alone naive", [exercise]))
            if len(rest) > 1:
                jobs.append((chapter, exercise, f"{exercise.id} and all others naive but what it comes after", rest))
    yield from side_by_side(try_naive, jobs)


def try_naive(job):
    chapter, exercise, item, naive = job
    name = f"{exercise.id}-{'alone' if naive == [exercise] else 'rest'}"
    tests = suite.tests_of(chapter)
    if naive != [exercise]:
        tests = [test for test in tests if test.exercise == exercise.id]
    try:
        words = ["-Werror", *(f"-D{e.macro}" for e in naive)]
        outcomes = try_variant(chapter, name, solved_texts(chapter), words, tests)
    except LabError as error:
        return failed(item, str(error))
    return judge_naive(chapter, exercise, item, naive, outcomes)


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
    for chapter, _programs in tested(words):
        wanted = [w for w in words if "." in w] or [e.id for e in chapter.exercises]
        jobs += [(chapter, path) for e in chapter.exercises if e.id in wanted for path in mutant.files(e.id)]
    yield from side_by_side(try_mutant, jobs)


def try_mutant(job):
    chapter, path = job
    item = path.stem
    try:
        mistake = mutant.load(chapter, path)
        outcomes = try_variant(chapter, f"mutant-{item}", mutant.applied(mistake, chapter), ["-w"], mistake.tests)
    except LabError as error:
        return failed(item, str(error))
    failures = [o for o in outcomes if o.state == "fail"]
    caught = [o for o in failures if o.step == "expect" and mistake.sentence in o.text]
    if caught:
        return Finding(item, text=caught[0].text)
    if failures:
        return failed(item, f'caught, but not by "{mistake.sentence}": {failures[0].text}')
    skips = [o for o in outcomes if o.state == "skip"]
    return skipped(item, skips[0].text) if skips else failed(item, "it survives: its tests pass")
