"""`make costs`: every finished server under the counter, in one table; and the budget check of `make test`."""
from pathlib import Path

import build
from common import DONE, FAILED, SKIPPED, USAGE, LabError, paint, tree
from counter import BATCHES, BOUND_S, Costs, count, read_costs
from manifest import find, load, load_all
from process import progress, run

TSV = Path("build/results/costs.tsv")
TRACE_BATCH = 4


def finished(chapters):
    """The chapters whose finished server can be counted."""
    return [c for c in chapters if c.budget and Path("solutions", c.name, "server.c").exists()]


def cell(value):
    return f"{value + 1e-9:7.2f}" if value is not None else "      –"  # 2.125 is 2.13, as C prints it


def heading():
    heads = "".join(f"{'k=' + str(k):>7}" for k in BATCHES)
    return f"crossings per request, counted with strace in batches of k requests\n\n    {'':<20}{heads}    minimum"


def chapter_lines(chapter, costs):
    """The model's total beside its minimum, then the calls it is made of."""
    if not costs.rows:
        return [f"  {chapter.number} {chapter.model:<20} {costs.skipped or costs.failed}"]
    whole = costs.whole(BATCHES)
    mark = paint("green", "✓") if whole and costs.within(chapter) else paint("red", "✗")
    cells = "".join(cell(costs.rows["total"].get(k)) for k in BATCHES)
    total = f"{chapter.budget.get('total', ''):<10}"
    lines = [f"  {chapter.number} {paint('bold', f'{chapter.model:<20}')}{cells}    {total} {mark}"]
    for call, row in costs.rows.items():
        if call == "total":
            continue
        aside = "what the crossings carried" if call == "operations" else chapter.budget.get(call, "none")
        over = paint("red", " ✗") if costs.over(chapter, call) else ""
        lines.append(f"      {call:<18}{''.join(cell(row.get(k)) for k in BATCHES)}    {aside}{over}")
    return lines if whole or not costs.failed else [*lines, f"    {costs.failed}"]


def meaning(measured):
    """What the reader sees, in sentences made from the figures of {model: rows}; a batch may have had no exact count."""
    first, last = BATCHES[0], BATCHES[-1]
    measured = {model: rows for model, rows in measured.items() if {first, last} <= set(rows["total"])}
    loops = [rows["total"] for rows in measured.values() if "read" in rows and rows["total"][last] < rows["total"][first]]
    entered = [rows["total"] for rows in measured.values() if "io_uring_enter" in rows]
    rings = [total for total in entered if total[first] > 0]
    text = ""
    if loops:
        text += (
            f"\nOne wait that returns k ready connections is shared by k requests: an event loop goes from"
            f"\n{max(t[first] for t in loops):.2f} crossings a request at k = {first} to {min(t[last] for t in loops):.2f}"
            f" at k = {last}. What stays is a read and a write for each."
        )
    if rings:
        text += (
            f"\nA ring carries those in the crossing of the wait as well: {max(t[first] for t in rings):.2f} at k = {first},"
            f" {min(t[last] for t in rings):.2f} at k = {last}."
        )
    if len(rings) < len(entered):
        text += "\nWhere a thread of the kernel's watches the ring, nobody crosses. What that costs instead: make zero."
    return text


def table():
    """What `make costs` prints, from its result file; no colour."""
    chapters = [(c, Costs(read_costs(TSV, c.number))) for c in finished(load_all())]
    measured = {c.model: costs.rows for c, costs in chapters if costs.rows}
    lines = [line for c, costs in chapters if costs.rows for line in chapter_lines(c, costs)]
    return "\n".join([heading(), *lines, meaning(measured)])


def costs():
    """Counts all, one after the other, so that nothing disturbs what is counted."""
    chapters, measured, failed = finished(load_all()), {}, False
    with progress("building"):
        build.instruments(["build/tools/syscount", *(build.server("plain", "solutions", c) for c in chapters)])
    TSV.parent.mkdir(parents=True, exist_ok=True)
    fresh = TSV.with_suffix(".part")  # an interrupted count replaces nothing
    fresh.unlink(missing_ok=True)
    print(heading())
    for chapter in chapters:
        with progress(f"{chapter.model} under the counter"):
            counted = count(chapter, build.server("plain", "solutions", chapter), fresh, append=fresh.exists())
        counted.rows = read_costs(fresh, chapter.number) if fresh.exists() else {}
        print("\n".join(chapter_lines(chapter, counted)), flush=True)
        failed |= bool(counted.failed) or (bool(counted.rows) and not counted.within(chapter))
        if counted.rows:
            measured[chapter.model] = counted.rows
    if not measured and not failed:
        return SKIPPED
    if fresh.exists():
        fresh.replace(TSV)
    print(meaning(measured))
    print(f"\nwritten: {TSV}   next: make trace4 TREE=solutions shows one such batch, call by call; make chapter4 is the lesson")
    return FAILED if failed else DONE


def server_binary(chapter):
    """The server of TREE, built."""
    done = build.servers(chapter, tree(), ("plain",))
    if done.failed:
        raise LabError(f"{done.excerpt}\nIt does not compile yet: {done.place}")
    return build.server("plain", tree(), chapter)


def budget(name):
    """The budget suite against one finished server, with the budget of its README: for tests/run."""
    chapter = load(name)
    server = build.server("plain", "solutions", chapter)
    if not chapter.budget:
        print(f"{chapter.readme} gives no budget: the calls of several threads depend on the scheduler")
        return SKIPPED
    words = ", ".join(f"{call}={expression}" for call, expression in chapter.budget.items())
    done = run(
        ["build/tests/budgets", "--jobs", "1"],
        {"SERVER": server, "BUDGET": words, "HOLD": chapter.hold},
        bound=BOUND_S,
    )
    print(done.output)
    return FAILED if done.timed_out else done.code


def trace_words(chapter, server):
    title = f"chapter {chapter.number} · {chapter.model} · one batch of {TRACE_BATCH} requests"
    hold = ["--hold", "none"] if chapter.hold == "none" else []
    return ["build/tools/trace", "--batch", TRACE_BATCH, *hold, "--title", title, "--", server]


def traced(chapter):
    """The annotated trace of a finished server, as text."""
    done = run(trace_words(chapter, build.server("plain", "solutions", chapter)), bound=BOUND_S)
    if done.code != DONE:
        raise LabError(f"chapter {chapter.number} could not be traced: {done.output.strip()}", done.code)
    return done.output.rstrip()


def trace(number):
    """One held batch of a server, call by call."""
    chapter = find(number)
    if not Path("solutions", chapter.name, "server.c").exists():
        raise LabError(f"chapter {number} has no server to trace; make try{number}.1 shows what an exercise asks of the kernel", USAGE)
    with progress("building"):
        build.instruments(["build/tools/trace"])
        server = server_binary(chapter)
    done = run(trace_words(chapter, server), bound=BOUND_S)
    print(done.output.rstrip())
    return FAILED if done.timed_out else done.code
