"""The sheets, as Markdown for pandoc: the workshop's, the leader's, the summary."""
import difflib
import re
from pathlib import Path

import render
from common import read_text
from counter import BATCHES
from lesson import Lesson, on_paper

ROOM = '<div class="room">' + '<div class="rule"></div>' * 5 + "</div>"
CONTEXT = 1  # unchanged lines around a change


def head(chapter, kind):
    return (f'<header><p class="kind">Crossings · {kind}</p>\n\n# {chapter.number} · {chapter.model}\n\n'
            f'<p class="subtitle">{chapter.title}</p></header>\n')


def picture(lesson):
    path, alt, sentence = lesson.picture()
    parts = [f"![{alt}]({path}){{.model}}\n"] if path and Path(path).exists() else []
    return parts + ([f"> {sentence}\n"] if sentence else [])


# ---- for the participants: no hint, no solution, no figure ----


def to_fill(chapter):
    """The cost table, empty."""
    if not chapter.budget:
        return []
    rows = [f"| {call} |" + " |" * (2 * len(BATCHES)) for call in chapter.budget]
    names = " | ".join(f"k = {k}: predicted | measured" for k in BATCHES)
    return [f"## What does a request cost?\n\nCrossings per request, where k requests are ready at a wake-up. "
            f"Fill in your predictions first; `make chapter{chapter.number}` measures.\n",
            f'<div class="fill">\n\n| call | {names} |\n|---|' + "---|" * (2 * len(BATCHES)) + "\n" + "\n".join(rows)
            + "\n\n</div>\n"]


def sentence(text):
    return text[:1].upper() + text[1:]


def blank(unit):
    return f'<span class="blank"></span> {unit}'.rstrip() + ".<span class=\"gap\"></span>"


def workshop_exercise(lesson, exercise):
    after = f" · after {', '.join(exercise.after)}" if exercise.after else ""
    return [f'<section class="exercise">\n\n## {exercise.id} {exercise.title}\n',
            f'<p class="facts">{exercise.points} points{after} · {exercise.man} · `make try{exercise.id}`</p>\n',
            f'<div class="predict">\n\n**Predict.** {sentence(exercise.question)}\n\n'
            f'I predict {blank(exercise.unit)} It was {blank(exercise.unit)}\n\n</div>\n',
            lesson.task(exercise) + "\n", ROOM + "\n", "</section>\n"]


def workshop(chapter):
    lesson = Lesson(chapter)
    parts = [head(chapter, "workshop sheet"), f'<div class="question">\n\n{on_paper(lesson.question)}\n\n</div>\n']
    parts += picture(lesson)
    parts += [on_paper(lesson.section("what-the-previous-chapter-left-unsolved", "what-is-unsolved")) + "\n"]
    for exercise in chapter.exercises:
        parts += workshop_exercise(lesson, exercise)
    parts += to_fill(chapter)
    for title, names in (("Further questions", ["further-questions"]), ("Man pages and sources", ["man-pages-and-sources"])):
        text = lesson.section(*names)
        parts += [f"## {title}\n\n{text}\n"] if text else []
    return "\n".join(parts)


# ---- for the leader ----


def answer_changes(chapter, exercise):
    """What the exercise changes, as a diff of each of its regions."""
    parts = []
    for file in chapter.files:
        text = render.solution_text(chapter, file)
        lines = text.split("\n")
        for region in (r for r in render.regions(text) if r.id == exercise.id):
            naive = [line for line in region.naive(lines) if not render.TODO.search(line)]
            changed = list(difflib.unified_diff(naive, region.solved(lines), n=CONTEXT, lineterm=""))[2:]
            shown = "\n".join(line.expandtabs(4) for line in changed if not line.startswith("@@"))
            where = render.region_function(text, region) or "at the top"
            if shown.strip():
                parts += [f'<p class="where">`{file}`, {where}</p>\n', f"```diff\n{shown}\n```\n"]
    return parts


def answer_exercise(chapter, exercise, answers):
    measured = answers.get(exercise.id)
    unit = f" ({exercise.unit})" if exercise.unit else ""
    parts = [f"## {exercise.id} {exercise.title}\n", f'<p class="facts">{exercise.points} points · {exercise.man}</p>\n',
             f"*{sentence(exercise.question)}* "
             + (f"**{measured}**{unit}\n" if measured else "**Not measured here:** its test was skipped.\n")]
    for number, hint in enumerate(exercise.hints, 1):
        gap = "\n\n" if hint.startswith("```") else " "  # a fence begins its line
        parts += [f'<div class="hint">\n\n**Hint {number}.**{gap}{on_paper(hint)}\n\n</div>\n']
    return parts + answer_changes(chapter, exercise)


def answer_costs(chapter, rows):
    """A batch may have had no exact count."""
    if not rows:
        return []
    lines = [f"| {call} | " + " | ".join(f"{row[k] + 1e-9:.2f}" if k in row else "–" for k in BATCHES)
             + f" | {chapter.budget.get(call, '')} |" for call, row in rows.items()]
    return ["## What a request costs\n", "| call | " + " | ".join(f"k = {k}" for k in BATCHES) + " | minimum |\n|---|"
            + "---|" * (len(BATCHES) + 1) + "\n" + "\n".join(lines) + "\n"]


def answers_sheet(chapter, answers, costs):
    parts = [head(chapter, "answers, for whoever leads"),
             f"{len(chapter.exercises)} exercises, {sum(e.points for e in chapter.exercises)} points. The figures were "
             f"measured on the finished server by the exercises' own tests.\n"]
    for exercise in chapter.exercises:
        parts += answer_exercise(chapter, exercise, answers)
    return "\n".join(parts + answer_costs(chapter, costs))


# ---- all models on two pages ----


def section_of(text, title):
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    return on_paper(found[1]) if found else ""


def summary(table):
    """`table` is the table of counts; the words are those of LESSONS.md."""
    text = read_text("LESSONS.md")
    journey = "![The calls of one batch of eight requests, for each model](diagrams/journey.svg){.model .low}\n"
    parts = ['<header><p class="kind">Crossings · all models on two pages</p>\n\n# What a request costs\n</header>\n',
             journey if Path("diagrams/journey.svg").exists() else "", f'<div class="tight">\n\n{table}\n\n</div>\n',
             '<div class="in-two">\n', section_of(text, "The line of thought"), "\n</div>\n",
             '<div class="tight">\n', "## Which one, then?\n", section_of(text, "Which one, then?"), "\n</div>\n"]
    return "\n".join(parts)
