"""`make report`: every exercise's result for a grader: JUnit XML and Gradescope's results.json."""
import json
import os
from pathlib import Path
from xml.etree import ElementTree

import manifest
import report as words
import suite
from chapter import Attempt
from common import DONE, FAILED, USAGE, LabError, is_set, scratch, tree, write_text

RESULTS = Path("build/results")


def report():
    """Tries every chapter that has exercises, or ONLY="4 5", and writes the points; FORMAT=junit|gradescope, both without it."""
    wanted = os.environ.get("FORMAT") or "junit gradescope"
    writers = {"junit": junit, "gradescope": gradescope}
    for name in wanted.split():
        if name not in writers:
            raise LabError(f"FORMAT={name}: it is {' or '.join(writers)}", USAGE)
    graded = [(c, *graded_chapter(c)) for c in chosen(os.environ.get("ONLY", "").split()) if c.exercises]
    for name in wanted.split():
        print(f"wrote {writers[name](graded)}")
    points = sum(v.points for _, verdicts, _ in graded for v in verdicts)
    total = sum(v.exercise.points for _, verdicts, _ in graded for v in verdicts)
    print(f"{points} of {total} points")
    return FAILED if is_set("STRICT") and points < total else DONE


def chosen(numbers):
    return [manifest.find(number) for number in numbers] or manifest.load_all()


def graded_chapter(chapter):
    """The verdicts of a chapter, and why it could not be tried, where it could not."""
    with scratch() as directory:
        attempt = Attempt(chapter, tree(), directory)
        try:
            built = attempt.build()
        except LabError as error:
            return untried(chapter), str(error)
        if built.failed:
            return untried(chapter), built.excerpt
        return attempt.test(), ""


def untried(chapter):
    return [suite.Verdict(exercise, "fail", []) for exercise in chapter.exercises]


def explanation(verdict, trouble):
    if verdict.state == "skip":
        return "skipped: " + verdict.skipped
    if verdict.state == "after":
        return f"after {verdict.waits_for}"
    if verdict.state != "fail":
        return ""
    return trouble or ("\n".join(words.failure(verdict.failure)) if verdict.failure else "it has no test")


def gradescope(graded):
    tests = []
    for _chapter, verdicts, trouble in graded:
        for verdict in verdicts:
            e = verdict.exercise
            tests.append({"name": f"{e.id} {e.title}", "number": e.id, "score": verdict.points,
                          "max_score": e.points, "output": explanation(verdict, trouble)})
    path = RESULTS / "results.json"
    write_text(path, json.dumps({"tests": tests}, indent=1, ensure_ascii=False) + "\n")
    return path


def junit(graded):
    root = ElementTree.Element("testsuites", name="crossings")
    for chapter, verdicts, trouble in graded:
        bad = sum(v.state in ("fail", "after", "untested") for v in verdicts)
        skips = sum(v.state == "skip" for v in verdicts)
        group = ElementTree.SubElement(root, "testsuite", name=chapter.name, tests=str(len(verdicts)),
                                       failures=str(bad), skipped=str(skips))
        for verdict in verdicts:
            e = verdict.exercise
            case = ElementTree.SubElement(group, "testcase", classname=chapter.name, name=f"{e.id} {e.title}")
            kind = {"pass": None, "skip": "skipped"}.get(verdict.state, "failure")
            if kind:
                text = explanation(verdict, trouble)
                sentence = verdict.failure.text if verdict.failure else text.split("\n")[0]
                ElementTree.SubElement(case, kind, message=sentence).text = text
    ElementTree.indent(root)
    path = RESULTS / "report.xml"
    write_text(path, ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n")
    return path
