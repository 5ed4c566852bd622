"""`make costs`: every finished server under the counter, in one table; and the budget check of `make test`."""
from pathlib import Path

import build
from common import DONE, FAILED, SKIPPED, LabError, paint, tree
from counter import BATCHES, BOUND_S, count, read_costs
from manifest import find, load, load_all
from process import progress, run

TSV = Path("build/results/costs.tsv")
TRACE_BATCH = 4
REPEATS = 1


def finished(chapters):
    """The chapters that have a server, and are solved."""
    return [c for c in chapters if Path("solutions", c.name, "server.c").exists()]


def cell(value):
    return f"{value + 1e-9:7.2f}" if value is not None else "      –"


def print_chapter(chapter, costs):
    """The model's total beside its minimum, then the calls it is made of."""
    total = chapter.budget.get("total", "")
    if not costs.rows:
        print(f"  {chapter.number} {chapter.model:<20} {costs.skipped or costs.failed}")
        return
    mark = paint("green", "✓") if costs.within(chapter) else paint("red", "✗")
    cells = "".join(cell(costs.rows["total"].get(k)) for k in BATCHES)
    print(f"  {chapter.number} {paint('bold', f'{chapter.model:<20}')}{cells}    {total:<10} {mark}")
    for call, row in costs.rows.items():
        if call == "total":
            continue
        aside = " (what those carried: no crossings)" if call == "operations" else ""
        over = paint("red", " ✗") if costs.over(chapter, call) else ""
        line = f"      {call:<18}{''.join(cell(row.get(k)) for k in BATCHES)}    {chapter.budget.get(call, '')}{over}{aside}"
        print(paint("dim", line.rstrip()) if not over else line.rstrip())


def batched(measured):
    return [(c, costs) for c, costs in measured if "1/k" in c.budget.get("total", "")]


def say_what_it_means(measured):
    """Two sentences, from the figures."""
    last = BATCHES[-1]
    loops = batched(measured)
    if not loops:
        return
    most = max(costs.rows["total"][BATCHES[0]] for _, costs in loops)
    least = min(costs.rows["total"][last] for _, costs in loops)
    print(
        f"\nReading a request and writing its reply cross the boundary whatever the model; what differs is the wait.\n"
        f"One wait that returns k ready connections is shared by k requests: from {most:.2f} crossings at k = 1\n"
        f"to {least:.2f} at k = {last}. The busier such a server is, the less each request costs."
    )


def costs():
    """Counts all, one after the other, so that nothing disturbs what is counted."""
    chapters = finished(load_all())
    with progress("building"):
        build.instruments(["build/tools/syscount", *(build.server("plain", "solutions", c) for c in chapters)])
    TSV.parent.mkdir(parents=True, exist_ok=True)
    TSV.unlink(missing_ok=True)
    print("crossings per request, counted with strace in batches of k requests\n")
    heads = "".join(f"{'k=' + str(k):>7}" for k in BATCHES)
    print(f"    {'':<20}{heads}    minimum")
    measured, failed = [], False
    for chapter in chapters:
        with progress(f"{chapter.model} under the counter"):
            counted = count(chapter, build.server("plain", "solutions", chapter), TSV, append=TSV.exists())
        counted.rows = read_costs(TSV, chapter.number) if TSV.exists() else {}
        print_chapter(chapter, counted)
        failed |= bool(counted.failed) or (bool(counted.rows) and not counted.within(chapter))
        if counted.rows:
            measured.append((chapter, counted))
    say_what_it_means(measured)
    if not measured and not failed:
        return SKIPPED
    print(f"\nwritten: {TSV}   next: make trace4 shows one such batch, call by call; make chapter4 is the lesson")
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
    words = ", ".join(f"{call}={expression}" for call, expression in chapter.budget.items())
    done = run(
        ["build/tests/budgets", "--jobs", "1"],
        {"SERVER": server, "BUDGET": words, "HOLD": chapter.hold},
        bound=BOUND_S,
    )
    print(done.output)
    return FAILED if done.timed_out else done.code


def trace(number):
    """One held batch of a server, call by call."""
    chapter = find(number)
    with progress("building"):
        build.instruments(["build/tools/trace"])
        server = server_binary(chapter)
    hold = ["--hold", "none"] if chapter.hold == "none" else []
    title = f"chapter {chapter.number} · {chapter.model} · one batch of {TRACE_BATCH} requests"
    done = run(["build/tools/trace", "--batch", TRACE_BATCH, *hold, "--title", title, "--", server], bound=BOUND_S)
    print(done.output.rstrip())
    return FAILED if done.timed_out else done.code
