#!/usr/bin/env python3
"""What each feature of io_uring saves or costs in CPU per request, alone and together, on TCP and on a Unix socket.

usage: rings.py WORKBENCH    (QUICK=1: fewer loads and rounds; the workbench is tools/rings, which explains the features)

In a round each set of features has one slice of a load, the base (none) among
them: a ratio is to the base's slice of the same round. Writes rings.tsv, with
a row for each socket, load and set of features:
  socket                        tcp or unix
  command size pipeline         PING - 1, BLOB 1024 1: what is asked, how many in flight on each connection
  features                      base, or joined by “+”
  cpu_ns_per_request            of the whole process, the kernel's threads included; “refused” where it can't be had
  cpu_ns_sq_thread_per_request  the part of these threads: SQPOLL's, and workers
  operations_per_request        submitted; “-” with sqpoll, whose thread takes them up unseen
  crossings_per_request         where CONNECTIONS bursts share a wake-up, exact; with sqpoll, under steady load
  ratio ratio_low ratio_high    of CPU to the base: median of the rounds, and its 95 % interval

Exit: 0 done, 1 failed, 77 there is no io_uring here, 130 interrupted (what there is is kept).
"""

import contextlib
import os
import sys
import tempfile
import time

import bench

SOCKETS = ("tcp", "unix")
PING, BLOB = "PING", "BLOB"
# Command, size, pipeline.
LOADS = [(PING, 0, 1), (PING, 0, 16), (BLOB, 1 << 10, 1), (BLOB, 1 << 14, 1), (BLOB, 1 << 17, 1), (BLOB, 1 << 20, 1)]
if bench.QUICK:
    LOADS = [LOADS[0], LOADS[1], LOADS[2], LOADS[-1]]
COUNTED = LOADS[:1] if bench.QUICK else LOADS
BASE = ()
ALONE = [("files",), ("buffers",), ("zero-copy",), ("multishot",), ("defer",), ("sqpoll",)]
TOGETHER = [("sqpoll", "spin"), ("files", "buffers", "multishot", "defer"),
            ("files", "buffers", "zero-copy", "multishot", "defer"), ("files", "buffers", "multishot", "sqpoll"),
            ("files", "buffers", "multishot", "sqpoll", "spin"), ("defer", "sqpoll")]
SETS = [BASE, *ALONE, *TOGETHER]

CONNECTIONS = 16
PASSES = 1 if bench.QUICK else 2        # each with fresh servers: another layout of memory
ROUNDS_MIN = 5 if bench.QUICK else 8    # of a pass
ROUNDS_MAX = 12 if bench.QUICK else 20
TOTAL_S = 33 if bench.QUICK else 210    # rounds stop at the minimum when this is near
SLICE_NS = 3e6 if bench.QUICK else 8e6  # CPU of a slice of the base
LONGER = 5                              # slices of those with a thread that goes on: its clock is read in ticks of 4 ms
STEADY = 1600                           # bursts that are counted under steady load
NOTICED = 0.03                          # a smaller difference is called none: of so many ratios, some stray that far


class Cell:
    """A set of features under a load on a socket."""

    def __init__(self):
        self.costs, self.sq = [], []    # ns per request, a round each
        self.base = []                  # the base's, of the same rounds
        self.operations = self.crossings = None
        self.known = None, None         # of so many rounds, the ratio: resampling takes its time

    def ratio(self):
        if self.known[0] != len(self.costs):
            self.known = len(self.costs), bench.ratio(self.costs, self.base)
        return self.known[1]


class Results:
    def __init__(self):
        self.cells = {}     # (socket, load, set)
        self.refused = {}   # (socket, set): why

    def cell(self, socket, load, features):
        return self.cells.setdefault((socket, load, features), Cell())

    def measured(self, socket, features):
        """The loads for which there is a ratio."""
        return [load for load in LOADS if self.cells.get((socket, load, features), Cell()).costs]


def name_of(features):
    return "+".join(features) or "base"


def name_of_load(load):
    command, size, pipeline = load
    return f"{command} ×{pipeline}" if command == PING else f"{command} {bytes_of(size)}"


def bytes_of(size):
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"


def request_of(load):
    command, size, _ = load
    return command if command == PING else f"{command} {size}"


# ---- measure ----

def sq_core(features, cores):
    """For SQPOLL's thread: a core of its own where there is a third. Else where it does least harm: it takes turns with a
    server that sleeps; beside one that spins it would wait for the end of each spin, so it joins the load."""
    if len(cores) > 2:
        return cores[1]
    return cores[-1] if "spin" in features else cores[0]


def cores():
    """The server's is the first, the load's the last (tools/drive.c)."""
    return sorted(os.sched_getaffinity(0))


def sq_note():
    if len(cores()) > 2:
        return f"SQPOLL's thread has core {cores()[1]} of its own"
    return ("SQPOLL's thread has no core of its own here: it shares the server's, and with spin, where the server does not "
            "sleep, the load's")


def command_of(workbench, socket, features, directory):
    """The command, and the options of its driver."""
    command = [workbench, *("--" + f for f in features)]
    if "sqpoll" in features:
        command += ["--cpu", str(sq_core(features, cores()))]
    path = ["--unix", f"{directory}/{name_of(features)}"] if socket == "unix" else []
    return command + path, path


@contextlib.contextmanager
def named(socket, features):
    """Whose failure it is."""
    try:
        yield
    except bench.Failed as why:
        raise bench.Failed(f"{socket}, {name_of(features)}: {why}") from why


def refusal(why):
    """The workbench's own word for it, or None where something else went wrong."""
    _, found, reason = str(why).partition("refused: ")
    return reason.strip().strip('"') if found else None


def start(results, workbench, socket, features, directory, options=()):
    """A server with its connections; None where the kernel refuses these features."""
    load = None
    command, path = command_of(workbench, socket, features, directory)
    try:
        with named(socket, features):
            load = bench.Load(command, [*options, *path])
            have, why = load.connections("active", CONNECTIONS)
            if have < CONNECTIONS:
                raise bench.Failed(f"it takes {have} connections only: {why}")
            return load
    except bench.Failed as why:
        if load:
            load.close()
        if not refusal(why):
            raise
        results.refused[socket, features] = refusal(why)
        return None


def count(results, workbench, socket, features, directory):
    """Crossings and operations: exact from held batches; with a thread that polls, which no hold holds, from steady load."""
    server = start(results, workbench, socket, features, directory, ["--strace"])
    if not server:
        return
    try:
        with named(socket, features):
            for load in COUNTED:
                count_load(results.cell(socket, load, features), server, load, "sqpoll" in features)
    finally:
        server.close()


def count_load(cell, server, load, steady):
    pipeline = load[2]
    server.asks(request_of(load))
    if steady:
        cell.crossings = float(server.ask("calls", bursts_of(load) * pipeline, pipeline))
    else:
        cell.crossings, cell.operations = priced(server.ask("price", CONNECTIONS, pipeline), pipeline)


def bursts_of(load):
    """As many as take a moment."""
    return max(2 * CONNECTIONS, min(STEADY, (64 << 20) // max(load[1], 1)))


def priced(answer, pipeline):
    """“0.125 io_uring_enter=0.125 operations=2”, of a burst: crossings and operations of a request, None where unknown."""
    words = answer.split()
    if words[0] == "-":
        return None, None
    figures = dict(word.split("=") for word in words[1:])
    operations = figures.get("operations")
    return float(words[0]) / pipeline, float(operations) / pipeline if operations else None


def calibrate(server, load):
    """Requests of a slice: SLICE_NS of the base's CPU, in whole bursts on every connection."""
    whole = CONNECTIONS * load[2]
    server.slice(whole, load[2])
    cost, _ = server.slice(4 * whole, load[2])
    return whole * max(1, round(SLICE_NS / cost / whole))


def measure_load(results, servers, socket, load, until):
    for server in servers.values():
        server.asks(request_of(load))
    whole = calibrate(servers[BASE], load)
    requests = {f: whole * (LONGER if "sqpoll" in f and "spin" not in f else 1) for f in servers}
    for features, server in servers.items():
        with named(socket, features):
            server.slice(requests[features], load[2])   # buffers grow, caches fill: not counted
    for number in range(ROUNDS_MAX):
        if number >= ROUNDS_MIN and time.monotonic() > until:
            break
        taken = {}
        for features in bench.rotated(list(servers), number):
            with named(socket, features):
                taken[features] = servers[features].slice_of_ring(requests[features], load[2])
        for features, (cost, _, sq) in taken.items():  # a round counts whole or not at all
            cell = results.cell(socket, load, features)
            cell.costs.append(cost)
            cell.sq.append(sq)
            cell.base.append(taken[BASE][0])


def measure_socket(results, workbench, socket, directory, until, say):
    servers = {}
    try:
        for features in SETS:
            if (socket, features) not in results.refused:
                server = start(results, workbench, socket, features, directory)
                if server:
                    servers[features] = server
        for done, load in enumerate(LOADS):
            say(f"{socket}, {name_of_load(load)}")
            left = until - time.monotonic()
            measure_load(results, servers, socket, load, time.monotonic() + left / (len(LOADS) - done))
    finally:
        for server in servers.values():
            server.close()


def measure(results, workbench, directory):
    began = time.monotonic()

    def say(what):
        bench.progress(f"rings: {what} ({time.monotonic() - began:.0f} s)")
    for socket in SOCKETS:
        for features in SETS:
            say(f"crossings, {socket}, {name_of(features)}")
            count(results, workbench, socket, features, directory)
            if (socket, BASE) in results.refused:
                return      # there is no ring
    work = [(number, socket) for number in range(PASSES) for socket in SOCKETS]
    for done, (number, socket) in enumerate(work):
        share = (TOTAL_S - (time.monotonic() - began)) / (len(work) - done)
        measure_socket(results, workbench, socket, directory, time.monotonic() + share,
                       lambda what, number=number: say(f"pass {number + 1} of {PASSES}, {what}"))
    bench.progress("")


# ---- what it says ----

def verdict(figure, low, high):
    """saves, costs or nothing: what a ratio and its interval allow to say."""
    if high < 1 and figure <= 1 - NOTICED:
        return "saves"
    if low > 1 and figure >= 1 + NOTICED:
        return "costs"
    return "nothing"


def percent(ratio):
    """“18 %” for 0.82, “18 % more” for 1.18, “6.5 times as much” for more than twice."""
    if ratio >= 2:
        return f"{ratio:.1f} times as much"
    return f"{100 * abs(ratio - 1):.0f} %" + " more" * (ratio > 1)


def loads_by_verdict(ratios):
    """{load: ratio} → {verdict: [load]}"""
    found = {}
    for load, ratio in ratios.items():
        found.setdefault(verdict(*ratio), []).append(load)
    return found


def span(figures):
    """The least and the greatest, in the words of percent()."""
    ordered = sorted(figures, key=lambda ratio: abs(ratio - 1))
    least, most = percent(ordered[0]), percent(ordered[-1])
    if least == most:
        return least
    for unit in (" % more", " %", " times as much"):
        if least.endswith(unit) and most.endswith(unit):
            least = least.removesuffix(unit)
    return f"{least} to {most}"


def sentence(name, socket, ratios):
    """What the data say about a set of features on a socket."""
    found = loads_by_verdict(ratios)
    parts = []
    for word in ("saves", "costs"):
        loads = found.get(word, [])
        if loads:
            which = "every load" if len(loads) == len(ratios) else ", ".join(map(name_of_load, loads))
            parts.append(f"{word} {span([ratios[load][0] for load in loads])} at {which}")
    loads = found.get("nothing", [])
    if len(loads) == len(ratios):
        parts.append("does not pay here: no load shows a certain difference to the base"
                     f" (ratios {min(r[0] for r in ratios.values()):.2f} to {max(r[0] for r in ratios.values()):.2f})")
    elif loads:
        parts.append("no certain difference at " + ", ".join(map(name_of_load, loads)))
    pays = "" if "saves" in found or len(loads) == len(ratios) else "; it does not pay here"
    return f"{name}, {socket}: {'; '.join(parts)}{pays}."


def number(figure, shape=".0f"):
    return "-" if figure is None else format(figure, shape)


def row_of(socket, load, features, cell, refused):
    what = [socket, load[0], load[1] or "-", load[2], name_of(features)]
    if refused:
        return [*what, "refused", *["-"] * 6]
    cost, sq = (bench.median(values) for values in (cell.costs, cell.sq))
    return [*what, f"{cost:.0f}", f"{sq:.0f}", number(cell.operations, ".3f"), number(cell.crossings, ".4f"),
            *(f"{f:.3f}" for f in cell.ratio())]


def write(results, notes):
    rows = []
    for socket in SOCKETS:
        for load in LOADS:
            for features in SETS:
                cell, refused = results.cell(socket, load, features), (socket, features) in results.refused
                if refused or cell.costs:
                    rows.append(row_of(socket, load, features, cell, refused))
    notes = notes + [bench.cores_note(), sq_note(), f"{CONNECTIONS} connections"]
    notes += [f"refused: {socket}, {name_of(f)}: {why}" for (socket, f), why in results.refused.items()]
    bench.write_tsv(f"{bench.RESULTS}/rings.tsv", notes, "socket command size pipeline features cpu_ns_per_request "
                    "cpu_ns_sq_thread_per_request operations_per_request crossings_per_request ratio ratio_low ratio_high",
                    rows)


def draw(results, notes):
    sets = [name_of(f) for f in SETS if any(results.measured(socket, f) for socket in SOCKETS)]
    loads = [name_of_load(load).replace(" ", "_") for load in LOADS]
    for kind in ("svg", "png"):
        bench.plot("tools/plots/rings.gp", data=f"{bench.RESULTS}/rings.tsv", sets=" ".join(sets), loads=" ".join(loads),
                   kind=kind, output=f"{bench.RESULTS}/rings.{kind}",
                   mark=" (partial)" if any("partial" in n for n in notes) else "")


def figures_of(results, socket, features):
    """A line of the printed table."""
    if (socket, features) in results.refused:
        return ["refused"] * len(LOADS)
    cells = [results.cell(socket, load, features) for load in LOADS]
    if not features:
        return [f"{bench.median(c.costs) / 1000:.2f} µs" if c.costs else "-" for c in cells]
    return [bench.times(*c.ratio()) if c.costs else "-" for c in cells]


def tell_tables(results):
    for socket in SOCKETS:
        print(f"\nCPU per request as a ratio to the base: median of the rounds (95 % interval); {socket}, "
              f"{CONNECTIONS} connections")
        rows = [(name_of(f), *figures_of(results, socket, f)) for f in SETS]
        bench.table(rows, ["", *map(name_of_load, LOADS)])


def tell_prices(results):
    print("\nA PING: crossings and operations at pipeline 1, and of its CPU the part of SQPOLL's thread (TCP)")
    rows = []
    for features in SETS:
        cell = results.cell("tcp", LOADS[0], features)
        if cell.costs:
            share = 100 * bench.median([sq / cost for sq, cost in zip(cell.sq, cell.costs)])
            rows.append((name_of(features), number(cell.crossings, ".3f"), number(cell.operations, ".2f"), f"{share:.0f} %"))
    bench.table(rows, ["", "crossings", "operations", "the thread's"])


def tell_sentences(results):
    print("\nWhat this says")
    for features in SETS[1:]:
        for socket in SOCKETS:
            loads = results.measured(socket, features)
            if loads:
                ratios = {load: results.cell(socket, load, features).ratio() for load in loads}
                print("  " + sentence(name_of(features), socket, ratios))
    for (socket, features), why in results.refused.items():
        print(f"  {name_of(features)}, {socket}: refused ({why}).")


def tell(results, notes):
    write(results, notes)
    draw(results, notes)
    tell_tables(results)
    tell_prices(results)
    tell_sentences(results)
    print(f"\n  {bench.cores_note()}. {sq_note()}.\n  A difference is called certain where the interval leaves out 1 and the"
          f" median is {100 * NOTICED:.0f} % off.\n  {bench.RESULTS}/rings.tsv, rings.svg, rings.png")


def main(workbench):
    results = Results()
    with tempfile.TemporaryDirectory(prefix="rings-") as directory:    # a Unix socket's path is short
        notes, code = bench.to_the_end(measure, results, workbench, directory)
    if ("tcp", BASE) in results.refused:
        print(f"skip: rings: no io_uring here: {results.refused['tcp', BASE]}", file=sys.stderr)
        sys.exit(77)
    rounds = [len(cell.costs) for cell in results.cells.values() if cell.costs]
    if not rounds:
        sys.exit(code or "rings: nothing was measured")
    tell(results, notes + [f"{min(rounds)} rounds or more of each, medians" + ", QUICK" * bench.QUICK])
    sys.exit(code)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__.split("\n\n")[1])
    main(sys.argv[1])
