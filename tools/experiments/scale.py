#!/usr/bin/env python3
"""What grows with idle connections: CPU per request and memory, for each server.

usage: scale.py SERVER...    (QUICK=1: fewer levels, fewer rounds; MODELS="poll epoll": only these)

Each level of idle connections has a server of its own, all at once, and their
slices alternate. Exit: 0 done, 1 failed, 130 interrupted (what was measured is kept).
"""

import math
import os
import sys
import time

import bench

LEVELS = [0, 100, 1000, 5000] if bench.QUICK else [0, 10, 100, 1000, 5000, 15000]
ACTIVES = [1, 64]
PASSES = 1 if bench.QUICK else 2        # each with fresh servers: another layout of memory
ROUNDS_MIN = 5 if bench.QUICK else 9
ROUNDS_MAX = 9 if bench.QUICK else 20
TOTAL_S = 20 if bench.QUICK else 210    # rounds stop at the minimum when this is near
SLICE_NS = 5e6 if bench.QUICK else 1e7  # CPU of a slice
RSS_IDLE_MIN = 1000                     # fewer connections than that don't fill the pages that are counted
GOAL = 1.15                             # for these, at the highest level against 0
GOAL_MODELS = ("epoll", "epoll-et")

# TLPI: M. Kerrisk, The Linux Programming Interface, Table 63-9: seconds for 100,000 operations on N descriptors.
TLPI = {10: (.61, .73, .41), 100: (2.9, 3.0, .42), 1000: (35, 35, .53), 10000: (990, 930, .66)}
TLPI_MODELS = ("poll", "select", "epoll")

# Why a model ends; what the server said is printed beside.
ENDS = {"blocking": "its bound on threads", "select": "FD_SETSIZE: a set has 1,024 bits"}


class Point:
    """A model at a number of idle connections, under a number of active ones."""

    def __init__(self, model, active, idle):
        self.model, self.active, self.idle = model, active, idle
        self.costs = []     # ns per request, a round each
        self.rss = []       # bytes per idle connection, a pass each
        self.end = ""       # why there are no more

    def cost(self):
        return bench.median(self.costs)


class Level:
    """One server with its idle connections, during a pass."""

    def __init__(self, command, level):
        self.load = bench.Load(command)
        self.load.connections("active", 1)
        before = self.load.rss()
        self.idle, self.why = self.load.connections("idle", level)
        self.rss = (self.load.rss() - before) / self.idle if self.idle else math.nan
        self.point, self.requests = None, 0

    def activate(self, active):
        """Where there is no room for all of them, idle ones leave."""
        have, why = self.load.connections("active", active)
        if have < active:
            self.why = why
            self.idle, _ = self.load.connections("idle", max(0, self.idle - (active - have)))
            self.load.connections("active", active)

    def calibrate(self, active):
        cost, _ = self.load.slice(10 * active)
        cost, _ = self.load.slice(active * max(4, int(SLICE_NS / 4 / cost / active)))
        self.requests = active * max(1 if active > 1 else 5, int(SLICE_NS / cost / active))


def open_levels(command, levels):
    """One server for each level, up to the first that it can't hold."""
    for level in LEVELS:
        if levels and level > 0 and levels[-1].why:
            return
        levels.append(Level(command, level))


def measure(points, model, active, levels, until):
    """Rounds of slices, one of each level, until time is short."""
    taken = []
    for level in levels:
        level.activate(active)
        if taken and level.idle <= taken[-1].idle:
            continue    # the level below has ended there already
        level.point = points.setdefault((model, active, level.idle), Point(model, active, level.idle))
        level.point.end = level.why
        if active == ACTIVES[0]:
            level.point.rss.append(level.rss)
        level.calibrate(active)
        taken.append(level)
    for number in range(ROUNDS_MAX):
        if number >= ROUNDS_MIN and time.monotonic() > until:
            break
        costs = {level: level.load.slice(level.requests)[0] for level in bench.rotated(taken, number)}
        for level, cost in costs.items():   # a round counts whole or not at all
            level.point.costs.append(cost)


def measure_model(points, command, share_s):
    _, model = bench.model_of(command[0])
    start, levels = time.monotonic(), []
    try:
        open_levels(command, levels)
        for i, active in enumerate(ACTIVES):
            left = start + share_s - time.monotonic()
            measure(points, model, active, levels, time.monotonic() + left / (len(ACTIVES) - i))
    finally:
        for level in levels:
            level.load.close()


def measure_all(points, failed, servers):
    """Fills in `points`, and the models that failed, each with its sentence."""
    start = time.monotonic()
    work = [(number, server) for number in range(PASSES) for server in servers]
    for done, (number, server) in enumerate(work):
        _, model = bench.model_of(server)
        bench.progress(f"scale: {model}, pass {number + 1} of {PASSES} ({time.monotonic() - start:.0f} s)")
        try:
            share = (TOTAL_S - (time.monotonic() - start)) / (len(work) - done)
            measure_model(points, [server], share)
        except bench.Failed as why:
            failed[model] = str(why)
    bench.progress("")


# ---- what it says ----

def line_of(points, model, active):
    return sorted((p for p in points if p.model == model and p.active == active), key=lambda p: p.idle)


def rounds_of(line):
    return list(zip(*(p.costs for p in line)))


def fit(xs, ys):
    """Slope of the least-squares line."""
    mx, my = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((x - mx) * (y - my) for x, y in zip(xs, ys)) / sum((x - mx) ** 2 for x in xs)


def slope(line):
    """The exponent of the whole cost: log–log, over the levels above 0."""
    xs = [math.log(p.idle) for p in line[1:]]

    def statistic(rounds):
        return fit(xs, [math.log(bench.median(costs)) for costs in list(zip(*rounds))[1:]])
    return bench.bootstrap(rounds_of(line), statistic) if len(xs) > 1 else None


def growth(line):
    """The exponent of what idle connections add, over the levels where it is certain that they do."""
    used = [i for i, p in enumerate(line) if i and bench.ratio(p.costs, line[0].costs)[1] > 1.05]
    xs = [math.log(line[i].idle) for i in used]

    def statistic(rounds):
        costs = [bench.median(c) for c in zip(*rounds)]
        return fit(xs, [math.log(max(costs[i] - costs[0], 1)) for i in used])
    return bench.bootstrap(rounds_of(line), statistic) if len(xs) > 1 else None


def top_ratio(line):
    return bench.ratio(line[-1].costs, line[0].costs)


def rss_of(points, model, idle):
    values = [v for p in points if p.model == model and p.idle == idle for v in p.rss]
    return bench.median(values) if values and idle >= RSS_IDLE_MIN else None


def number(figure, shape=".0f"):
    return "-" if figure is None else format(figure, shape)


def write(points, models, notes):
    rows = [(p.model, p.idle, p.active, f"{p.cost():.0f}", number(rss_of(points, p.model, p.idle)))
            for m in models for a in ACTIVES for p in line_of(points, m, a)]
    ends = [(p.model, p.idle, p.active, f"{p.cost():.0f}", ENDS.get(p.model, "it") + f" ({p.end})")
            for m in models for a in ACTIVES for p in line_of(points, m, a) if p.end]
    notes = notes + [bench.cores_note()] + [f"end: {m}, {i} idle and {a} active: {why}" for m, i, a, _, why in ends]
    bench.write_tsv(f"{bench.RESULTS}/scale.tsv", notes, "model idle active cpu_ns_per_request rss_bytes_per_connection",
                    rows)
    bench.write_tsv(f"{bench.RESULTS}/scale-ends.tsv", notes, "model idle active cpu_ns_per_request why", ends)
    write_slopes(points, models, notes)


def write_slopes(points, models, notes):
    rows = []
    for model in models:
        for active in ACTIVES:
            line = line_of(points, model, active)
            if len(line) > 1:
                figures = [*(slope(line) or ["-"] * 3), *(growth(line) or ["-"] * 3), *top_ratio(line)]
                rows.append((model, active, line[-1].idle, *(f if f == "-" else f"{f:.3f}" for f in figures)))
    bench.write_tsv(f"{bench.RESULTS}/scale-slopes.tsv", notes, "model active up_to slope slope_low slope_high "
                    "growth growth_low growth_high ratio ratio_low ratio_high", rows)


def draw(models, notes):
    for kind in ("svg", "png"):
        bench.plot("tools/plots/scale.gp", data=f"{bench.RESULTS}/scale.tsv", ends=f"{bench.RESULTS}/scale-ends.tsv",
                   models=" ".join(models), kind=kind, output=f"{bench.RESULTS}/scale.{kind}",
                   mark=" (partial)" if any("partial" in n for n in notes) else "")


def tell_table(points, models):
    for active in ACTIVES:
        print(f"\nCPU of the server per request, µs; {active} active connection{'s' * (active > 1)}, idle ones besides")
        rows = []
        for model in models:
            line = line_of(points, model, active)
            at = {p.idle: f"{p.cost() / 1000:.1f}" for p in line if not p.end}
            end = "".join(f"{p.cost() / 1000:.1f} at {p.idle:,}" for p in line if p.end)
            if line:
                rows.append((model, *(at.get(level, "") for level in LEVELS), end))
        bench.table(rows, ["", *(f"{level:,}" for level in LEVELS), "where it ends"])


def tell_tlpi(points, models):
    print("\nThe same as ratios to 10 descriptors, beside TLPI's Table 63-9 (1 active)")
    rows = []
    for n in sorted({*TLPI, *LEVELS} - {0}):
        row = [f"{n:,}"]
        for i, model in enumerate(TLPI_MODELS):
            line = {p.idle: p.cost() for p in line_of(points, model, 1)} if model in models else {}
            base = line.get(10) or line.get(0)
            row += [f"{line[n] / base:.2f}" if n in line else "", f"{TLPI[n][i] / TLPI[10][i]:.2f}" if n in TLPI else ""]
        rows.append(row)
    bench.table(rows, ["descriptors", *(name for m in TLPI_MODELS for name in (f"{m} here", "TLPI"))])
    print("  TLPI times the wait alone; here a request also crosses the network stack, which is why ratios are smaller.")


def grows(line):
    """A sentence about one line."""
    figure, low, high = top_ratio(line)
    first, last = line[0].cost() / 1000, line[-1].cost() / 1000
    fitted, whole = growth(line), slope(line)
    text = (f"{line[0].model}: a request costs {first:.1f} µs of CPU with no idle connection and {last:.1f} µs with "
            f"{line[-1].idle:,}, {bench.times(figure, low, high)} times as much; ")
    if high <= GOAL:
        text += "idle connections cost it next to nothing"
    elif low <= 1 or not fitted:
        text += "these slices differ too much to say whether idle connections cost it anything"
    else:
        added = 1000 * (last - first) / line[-1].idle
        text += f"what each idle one adds is {added:.0f} ns, and the sum grows as n^{bench.times(*fitted)}"
    return text + (f" (log–log slope of the whole {bench.times(*whole)})." if whole else ".")


def tell_sentences(points, models):
    print("\nWhat this says")
    for model in models:
        line = line_of(points, model, ACTIVES[0])
        if len(line) > 1:
            print("  " + grows(line))
    for model in models:
        for p in line_of(points, model, ACTIVES[0]):
            if p.end:
                print(f"  {model} ends at {p.idle:,} idle connections: {ENDS.get(model, 'it')} (“{p.end}”).")
    tell_asleep(points, models)
    tell_shared(points, models)
    tell_memory(points, models)


def tell_asleep(points, models):
    """Why the two tables begin at such different heights."""
    ratios = []
    for model in models:
        one, many = (line_of(points, model, a) for a in ACTIVES)
        if one and many and one[0].idle == many[0].idle == 0:
            ratios.append(one[0].cost() / many[0].cost())
    if ratios:
        print(f"  A request alone costs {min(ratios):.1f} to {max(ratios):.1f} times what it costs beside "
              f"{ACTIVES[1] - 1} others: alone, the server falls asleep and is woken for each.")


def tell_shared(points, models):
    """The scan is paid once a wake-up, so many active connections share it."""
    for model in models:
        one, many = (line_of(points, model, a) for a in ACTIVES)
        if len(one) > 1 and len(many) > 1 and one[-1].cost() > 3 * one[0].cost():
            alone, shared = one[-1].cost() - one[0].cost(), many[-1].cost() - many[0].cost()
            print(f"  {model}: {ACTIVES[1]} active connections share a wait, so idle ones add {shared / 1000:.1f} µs "
                  f"to a request instead of {alone / 1000:.1f} µs: the crossings are the same, the scan is amortized.")


def tell_memory(points, models):
    sizes = []
    for model in models:
        line = [p for p in line_of(points, model, ACTIVES[0]) if p.idle >= RSS_IDLE_MIN]
        if line:
            sizes.append(f"{model} {rss_of(points, model, line[-1].idle):,.0f}")
    if sizes:
        print(f"  Resident memory per idle connection, bytes: {', '.join(sizes)}. (Sockets themselves are the kernel's, "
              "and not in these.)")


def tell_goals(points, models):
    """False where one is missed."""
    print(f"\nGoal: at {LEVELS[-1]:,} idle connections at most {GOAL} × the cost at 0")
    met = True
    for model in (m for m in models if m in GOAL_MODELS):
        for active in ACTIVES:
            line = line_of(points, model, active)
            if not line or line[-1].idle != LEVELS[-1]:
                print(f"  -  {model}, {active} active: not measured up to there")
                continue
            figure, low, high = top_ratio(line)
            holds = figure <= GOAL
            met = met and holds
            unsure = ", but the interval reaches across" if low <= GOAL < high else ""
            print(f"  {'✓' if holds else '✗'}  {model}, {active} active: {bench.times(figure, low, high)}{unsure}")
    return met


def tell(points, models, failed, notes):
    write(points, models, notes)
    draw(models, notes)
    tell_table(points, models)
    tell_tlpi(points, models)
    tell_sentences(points, models)
    met = tell_goals(points, models)
    for model, why in failed.items():
        print(f"  {model} could not be measured to the end: {why}")
    print(f"\n  {bench.cores_note()}; the interval in parentheses holds 95 % of resampled rounds.")
    print(f"  {bench.RESULTS}/scale.tsv, scale-ends.tsv, scale-slopes.tsv, scale.svg, scale.png")
    return met


def main(servers):
    wanted = os.environ.get("MODELS", "").split()
    servers = [s for s in servers if not wanted or bench.model_of(s)[1] in wanted]
    points, failed = {}, {}
    notes, code = bench.to_the_end(measure_all, points, failed, servers)
    measured = [p for p in points.values() if p.costs]
    models = [m for _, m in map(bench.model_of, servers) if any(p.model == m for p in measured)]
    if not measured:
        sys.exit(code or "scale: nothing was measured: " + "; ".join(failed.values()))
    notes.append(f"{min(len(p.costs) for p in measured)} rounds or more of each, medians" + ", QUICK" * bench.QUICK)
    met = tell(measured, models, failed, notes)
    sys.exit(code or int(bool(failed) or (not met and os.environ.get("STRICT") == "1")))


if __name__ == "__main__":
    main(sys.argv[1:])
