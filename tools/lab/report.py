"""What a student sees after `make chapterN`: words only, nothing is run here."""
import textwrap

from common import paint
from counter import BATCHES

WIDTH = 100
MARKS = {"pass": ("✓", "green"), "fail": ("✗", "red"), "skip": ("–", "yellow"), "after": ("·", "dim"), "untested": ("?", "dim")}


def mark(state):
    sign, colour = MARKS[state]
    return paint(colour, sign)


def heading(chapter, refined):
    """`chapter 4 · epoll · refines 3 · poll`"""
    parts = [f"chapter {chapter.number}", chapter.model]
    if refined:
        parts += [f"refines {refined.number}", refined.model]
    return paint("bold", " · ".join(parts)) + "\n"


def row(verdict):
    e = verdict.exercise
    points = f"{verdict.points}/{e.points}"
    words = f"  {mark(verdict.state)} {e.id:<4} {e.title:<46}{points:>6}"
    notes = {
        "after": f"   after {verdict.waits_for}",
        "skip": f"   skipped: {verdict.skipped}",
        "untested": "   it has no test",
    }
    return words + paint("dim", notes.get(verdict.state, ""))


def wrapped(text, indent, hang=0):
    return textwrap.fill(text, WIDTH, initial_indent=" " * indent, subsequent_indent=" " * (indent + hang),
                         break_long_words=False, break_on_hyphens=False)


def sentence(text):
    return text if text.endswith((".", "!", "?", '"')) else text + "."


def failure(outcome):
    """The steps that led there, then expected against got."""
    lines = []
    steps = list(outcome.steps)
    judged = steps.pop()[1] if steps and steps[-1][0] == "expect" and outcome.step == "expect" else ""
    if steps:
        lines.append("      After these steps")
        lines += [wrapped(f"{i}. {text}", 8, 3) for i, (_, text) in enumerate(steps, 1)]
    if judged:
        lines.append(wrapped(f"this should hold: {judged}", 6, 2))
    lines.append(paint("red", wrapped(sentence(outcome.text), 6)))
    return lines


def ways_on(chapter, verdict, place):
    """Where to look and what to run next."""
    e = verdict.exercise
    source = verdict.failure.notes.get("source", "")
    lines = [f"      ended   {source}"] if source.startswith("chapters/") else []
    lines += [
        f"      edit    {place}",
        f"      lesson  {chapter.readme}#{e.anchor}",
    ]
    if e.man:
        lines.append("      man     " + e.man.replace(') "', '), "'))
    lines.append(f"      hint    make hint{e.id}        again  make try{e.id}")
    return lines


def prediction(verdict, predictions):
    """`measured 6, you predicted 4 (calls)`: told once the exercise is solved, or a prediction was made."""
    measured, predicted = verdict.note("measured"), predictions.get(verdict.exercise.id)
    if verdict.state == "after" or measured is None or (predicted is None and verdict.state != "pass"):
        return []
    unit = f" ({verdict.exercise.unit})" if verdict.exercise.unit else ""
    said = f", you predicted {predicted}" if predicted is not None else ""
    return [paint("dim", f"           measured {measured}{said}{unit}")]


def exercises(chapter, verdicts, predictions, place_of):
    """The list of exercises; `place_of(exercise)` names a line in the student's file."""
    if not_started(verdicts):
        return no_server(chapter, verdicts, not_started(verdicts))
    lines, told = [], None
    for verdict in verdicts:
        lines.append(row(verdict))
        lines += prediction(verdict, predictions)
        if verdict.state != "fail":
            continue
        outcome = verdict.failure
        same = told and outcome.step == "given" and outcome.text == told[1]
        lines += [f"      The same as in {told[0]}: {outcome.text}."] if same else failure(outcome)
        told = told or (verdict.exercise.id, outcome.text)
        lines += ways_on(chapter, verdict, place_of(verdict.exercise)) if not same else []
    return lines


def not_started(verdicts):
    """The sentence of a server that comes to nothing before any test can take a step; None where one can."""
    outcomes = [o for v in verdicts for o in v.outcomes]
    if outcomes and all(o.state == "fail" and not o.steps for o in outcomes):
        return outcomes[0].text
    return None


def no_server(chapter, verdicts, text):
    """One explanation for all exercises, since none of them is to blame."""
    return [row(verdict) for verdict in verdicts] + [
        "",
        f"  {paint('red', '✗')} No test could begin:",
        paint("red", wrapped(sentence(text[:1].upper() + text[1:]), 6)),
        "      The starter does start, so the reason is in what you have changed:",
        f"      git diff {' '.join(map(str, chapter.sources('chapters')))}",
        f"      see     make run{chapter.number}",
    ]


def cell(cost):
    return f"{cost + 1e-9:8.2f}" if cost is not None else f"{'–':>8}"


def cost_order(chapter, costs):
    """Rows as the budget has them, then others, `total` and `operations` last."""
    last = [call for call in ("total", "operations") if call in costs.rows]
    names = [call for call in chapter.budget if call in costs.rows and call not in last]
    return names + sorted(call for call in costs.rows if call not in names + last) + last


def cost_table(chapter, costs, predicted=None):
    lines = ["  crossings per request" + "".join(f"{'k=' + str(k):>8}" for k in BATCHES) + "     budget"]
    for call in cost_order(chapter, costs):
        budget = chapter.budget.get(call, "none" if call != "operations" else "")
        over = costs.over(chapter, call)
        line = f"    {call:<19}" + "".join(cell(costs.rows[call].get(k)) for k in BATCHES) + f"     {budget}"
        if call == "total":
            line += "  " + mark("fail" if not costs.within(chapter) else "pass" if costs.whole(BATCHES) else "skip")
            line += f"      you predicted {float(predicted):.2f}" if predicted is not None else ""
        lines.append(paint("red", line) if over and call != "total" else line)
    return lines


def crossings(chapter, costs, predicted):
    """The table, or the reason why there is none."""
    if not chapter.budget:
        return []
    if costs is None:
        first = chapter.exercises[0].id if chapter.exercises else "the chapter"
        return [paint("dim", f"  crossings per request: counted once {first} passes")]
    if costs.skipped:
        return [paint("yellow", f"  crossings per request: skipped: {costs.skipped}")]
    if costs.failed:
        return [paint("red", wrapped(f"crossings per request: not counted: {costs.failed}", 2))]
    return cost_table(chapter, costs, predicted)


def next_step(chapter, verdicts, costs, following):
    """One line: the first exercise that is open, or the next chapter."""
    for verdict in verdicts:
        if verdict.state == "fail":
            return f"  next: {verdict.exercise.id}, then make chapter{chapter.number}"
    if costs and costs.rows and chapter.budget and not costs.within(chapter):
        return f"  next: every exercise passes, but a request costs more crossings than its budget; make trace{chapter.number} shows them"
    if any(v.state in ("skip", "untested") for v in verdicts):
        what = "all that can be tried here passes" if any(v.state == "pass" for v in verdicts) else "nothing here can be tried on this machine"
        return f"  next: {what}; make doctor says what is missing"
    total = sum(v.points for v in verdicts)
    then = f"make chapter{following.number} ({following.model})" if following else "make progress"
    return paint("green", f"  solved: {total} points.") + f" next: {then}"


def broken_build(chapter, built):
    """What the compiler says, first error first."""
    excerpt = textwrap.indent(built.excerpt, "    ")
    return [
        f"  {paint('red', '✗')} It does not compile. The compiler's first complaint:",
        "",
        excerpt,
        "",
        "  Mend the first one only, then look again: later ones often follow from it.",
        f"  edit    {built.place}",
        f"  again   make chapter{chapter.number}",
    ]
