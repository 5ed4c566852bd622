"""What the runs of sizing.py say: where the knee is, where the formula puts it, what too few and too many threads cost.

All that decides is here, and takes plain figures: tests/sizing_test.py tries it on invented ones.
"""

import json
import os

import bench

KNEE = .9           # of the best throughput: fewer threads than that give away more than a tenth
NEAR = .25          # a knee within a quarter of the formula's figure agrees with it
BUSY = .8           # of capacity: the rate at which latencies are compared
STARVED = .8        # of the cores: a server that gets less where it wants all shares them with other work
COMPARED = 3        # pool sizes, at the least, before anything is said of a workload
STATE = "build/student/state.json"
SUMMARY = ("asked_ratio cores cpu_us wait_us formula_pool knee best_pool best_rps half_pool half_rps formula_rps "
           "largest_pool largest_rps half_p99_us formula_p99_us largest_p99_us predicted_p99_us "
           "formula_switches largest_switches formula_rss largest_rss busy_cores")


def cores_allowed():
    return len(os.sched_getaffinity(0))


class Workload:
    """Requests that compute for S and wait for W (µs, as measured), on so many cores."""

    def __init__(self, ratio, cores, compute, wait):
        self.ratio, self.cores, self.compute, self.wait = ratio, cores, compute, wait
        self.service = compute + wait
        self.formula = cores * (1 + wait / compute)     # N·(1 + W/S)
        self.capacity = cores / compute * 1e6           # requests a second that the cores can compute

    def throughput(self, pool):
        """The formula's own prediction: threads are the bound, until cores are."""
        return min(pool / self.service * 1e6, self.capacity)


class Point:
    """A pool under an arrival rate."""

    def __init__(self, work, pool, share, row):
        self.work, self.pool, self.share, self.row = work, pool, share, row
        self.predicted_p50 = self.predicted_p99 = float("nan")

    def servers(self):
        """c of M/M/c: threads, but never more than the cores can keep going. A thread beyond that only waits elsewhere."""
        return max(1, min(self.pool, round(self.work.formula)))

    def record(self):
        work, row = self.work, self.row
        return (work.cores, f"{work.compute:.1f}", f"{work.wait:.1f}", self.pool, row["offered_rps"],
                row["completed_rps"], row["p50_us"], row["p99_us"], f"{self.predicted_p99:.1f}", work.ratio,
                f"{self.share:g}", f"{work.formula:.2f}", f"{work.throughput(self.pool):.1f}",
                f"{self.predicted_p50:.1f}", row["switches_per_request"], f"{row['rss_bytes']:.0f}",
                row["server_share"], row["load_share"], row["late"], f"{row['unanswered']:.0f}")


def of(points, work, share=None):
    """The runs of a workload, by pool; of the highest rate where none is named."""
    mine = [p for p in points if p.work is work]
    share = max((p.share for p in mine), default=None) if share is None else share
    return sorted((p for p in mine if p.share == share), key=lambda p: p.pool)


# ---- what decides ----

def knee(throughputs):
    """The smallest pool that reaches KNEE of the best: {pool: requests a second}."""
    best = max(throughputs.values())
    return min(pool for pool, rate in throughputs.items() if rate >= KNEE * best)


def nearest(pools, wanted):
    return min(pools, key=lambda pool: (abs(pool - wanted), pool))


def half_of(pools, formula):
    """The largest pool of at most half the formula's size; the smallest where there is none."""
    return max((pool for pool in pools if pool <= formula / 2), default=min(pools))


def agreement(found, formula, neighbours):
    """How knee and formula compare, when only these pools were tried: a knee between two of them can't be told apart."""
    below = max((pool for pool in neighbours if pool < found), default=0)
    if below < round(formula) <= found or abs(found - formula) <= NEAR * formula:
        return "agrees"
    return "fewer" if found < formula else "more"


def busy_cores(top, work):
    """How many cores the server got where more was offered than they can do, with threads enough."""
    enough = [p.row["server_share"] for p in top if p.pool >= work.formula] or [p.row["server_share"] for p in top]
    return max(enough)


def is_starved(cores_got, cores):
    return cores_got < STARVED * cores


# ---- the summary ----

def summary(work, points):
    top, busy = of(points, work), of(points, work, BUSY) or of(points, work)
    rates = {p.pool: p.row["completed_rps"] for p in top}
    best = max(rates, key=rates.get)
    pools = [half_of(rates, work.formula), nearest(rates, work.formula), max(rates)]
    at = {p.pool: p for p in top}
    by = {p.pool: p for p in busy}
    half, right, large = (by.get(pool, by[nearest(by, pool)]) for pool in pools)
    return (work.ratio, work.cores, f"{work.compute:.0f}", f"{work.wait:.0f}", f"{work.formula:.1f}", knee(rates), best,
            f"{rates[best]:.0f}", pools[0], f"{rates[pools[0]]:.0f}", f"{rates[pools[1]]:.0f}", pools[2],
            f"{rates[pools[2]]:.0f}", f"{half.row['p99_us']:.0f}", f"{right.row['p99_us']:.0f}",
            f"{large.row['p99_us']:.0f}", f"{right.predicted_p99:.0f}", at[pools[1]].row["switches_per_request"],
            at[pools[2]].row["switches_per_request"], f"{at[pools[1]].row['rss_bytes']:.0f}",
            f"{at[pools[2]].row['rss_bytes']:.0f}", f"{busy_cores(top, work):.2f}")


def summary_of(work, points):
    return dict(zip(SUMMARY.split(), map(bench.number, map(str, summary(work, points)))))


# ---- sentences ----

def cores_sentence(cores, points):
    load = bench.median([p.row["load_share"] for p in points])
    if cores_allowed() > cores:
        return f"the server has {cores} cores, the load another"
    return f"the server has {cores} cores, and the load shares them: it took {100 * load:.0f} % of one (median)"


def knee_sentence(work, s, pools):
    found = s["knee"]
    verdict = {"agrees": "as the formula says", "fewer": "fewer than the formula says",
               "more": "more than the formula says"}[agreement(found, work.formula, pools)]
    return (f"W/S = {work.ratio}: a request computes for {work.compute:.0f} µs and waits for {work.wait:.0f} µs, so the formula "
            f"asks for {work.cores}·(1 + {work.wait / work.compute:.2f}) = {work.formula:.1f} threads. "
            f"{found:.0f} reach {100 * KNEE:.0f} % of the best throughput, {s['best_rps']:,.0f} a second: {verdict}.")


def small_sentence(work, s):
    if s["half_pool"] > work.formula / 2:
        return ""
    return (f"Too small: {threads(s['half_pool'])} did {s['half_rps']:,.0f} a second of the {s['best_rps']:,.0f} that are "
            f"possible. Where {100 * BUSY:.0f} % of capacity arrives, 1 in 100 then waits longer than {ms(s['half_p99_us'])}, "
            f"against {ms(s['formula_p99_us'])} with {work.formula:.0f}" + (
                "; that queue never ends, it grows for as long as one looks." if s["half_rps"] < BUSY * work.capacity else "."))


def large_sentence(work, s):
    if s["largest_pool"] < 1.5 * work.formula:
        return ""
    extra = (s["largest_rss"] - s["formula_rss"]) / 1024
    return (f"Too large: {threads(s['largest_pool'])} did {s['largest_rps']:,.0f} a second. Context switches a request: "
            f"{s['largest_switches']:.2f}, against {s['formula_switches']:.2f}; p99 at {100 * BUSY:.0f} %: "
            f"{ms(s['largest_p99_us'])}, against {ms(s['formula_p99_us'])}; resident memory: {extra:+,.0f} KiB.")


def threads(number):
    return "1 thread" if number == 1 else f"{number:.0f} threads"


def ms(us):
    return f"{us / 1000:.1f} ms"


def cpu_sentence(work, points):
    """Why pure computing collapses to N."""
    rates = {p.pool: p.row["completed_rps"] for p in of(points, work)}
    if work.ratio or len(rates) < 2:
        return ""
    large, small = max(rates), nearest(rates, work.cores)
    return (f"Pure computing: {threads(small)} did {rates[small]:,.0f} a second, {large} did {rates[large]:,.0f}. A thread that "
            f"computes needs a core, and there are {work.cores}: all others stand in the scheduler's queue instead of the pool's.")


def wrong_sentence(works, points):
    """Where the model is farthest from what was measured, among the runs that it holds to be stable and calm enough."""
    judged = [p for p in points if p.share <= BUSY and p.predicted_p99 < 1e9 and p.row["completed_rps"] >= .95 * p.row["offered_rps"]]
    if not judged:
        return ""
    off = max(judged, key=lambda p: max(p.row["p99_us"] / p.predicted_p99, p.predicted_p99 / p.row["p99_us"]))
    ratios = sorted(p.row["p99_us"] / p.predicted_p99 for p in judged)
    return (f"The queueing model: over {len(judged)} stable runs, the p99 measured is {bench.median(ratios):.2f} times the one "
            f"predicted (median; {ratios[0]:.2f} to {ratios[-1]:.2f}). Farthest off: W/S = {off.work.ratio}, {threads(off.pool)}, "
            f"{100 * off.share:.0f} % of capacity: {ms(off.row['p99_us'])} measured, {ms(off.predicted_p99)} predicted.")


LIMITS = (
    "Where the formula is wrong: it counts cores and no queues. It says with how many threads the cores are busy, not how long "
    "a request then waits; at 80 % of capacity it already waits (Erlang C), at 100 % for ever. It takes the cores for the "
    "pool's alone, while the event loop, the kernel's network stack and here the load, too, compute on them. Its W is that "
    "of an empty server: what waits for a lock, a disk or another server waits longer under load. And M/M/c has no cores: "
    "a thread that waits and one that computes are the same to it.")


def ceilings(work, points):
    """Throughput that the machine gave, against what N/S promises."""
    best = max(p.row["completed_rps"] for p in of(points, work))
    return best / work.capacity


def ceiling_sentence(works, points):
    shares = [ceilings(work, points) for work in works if of(points, work)]
    text = f"The best throughput was {100 * min(shares):.0f} to {100 * max(shares):.0f} % of N/S: "
    if min(shares) > 1:
        return text + ("more than there should be. S was measured one request at a time, and a core that sleeps in between "
                       "computes slower than one that is kept busy.")
    return text + "what is missing are the switches between threads, the load itself, and whatever else this machine does."


def predicted_by_student():
    """What make predict7.5 has kept: threads for each core, where W/S is 4."""
    try:
        with open(STATE, encoding="utf-8") as file:
            return float(json.load(file)["predictions"]["7.5"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def student_sentence(work, s, predicted):
    if predicted is None or work.ratio != 4:
        return ""
    return (f"You predicted {predicted:g} threads a core where W/S is 4 (7.5), that is {predicted * work.cores:g} on "
            f"{work.cores}: the formula says {work.formula:.1f}, the knee is at {s['knee']:.0f}.")


def starved_sentence(works, points):
    got = min(busy_cores(of(points, work), work) for work in works)
    if not is_starved(got, works[0].cores):
        return ""
    return (f"Beware: where more was offered than can be done the server got {got:.1f} of its {works[0].cores} cores. Other work on this "
            "machine took the rest, and these figures are about that, too: measure again when it is quiet.")


def tell_table(works, points):
    print("\nCompleted a second, at the highest rate; p99 in ms where 80 % of capacity arrives (predicted by M/M/c)")
    pools = sorted({p.pool for p in points})
    rows = []
    for pool in pools:
        row = [pool]
        for work in works:
            rate = [f"{p.row['completed_rps']:,.0f}" for p in of(points, work) if p.pool == pool]
            late = [f"{p.row['p99_us'] / 1000:.1f} ({p.predicted_p99 / 1000:.1f})" for p in of(points, work, BUSY) if p.pool == pool]
            row += [*(rate or ["-"]), *(late or ["-"])]
        rows.append(row)
    bench.table(rows, ["threads", *(cell for work in works for cell in (f"W/S = {work.ratio}", "p99"))])


def tell(works, points):
    tell_table([work for work in works if of(points, work)], points)
    works = [work for work in works if len(of(points, work)) >= COMPARED]
    print("\nWhat this says" if works else "\nToo few runs to say anything of them.")
    for work in works:
        s = summary_of(work, points)
        pools = [p.pool for p in of(points, work)]
        for line in (knee_sentence(work, s, pools), small_sentence(work, s), large_sentence(work, s),
                     cpu_sentence(work, points), student_sentence(work, s, predicted_by_student())):
            if line:
                print("  " + line)
    if not works:
        return
    for line in (starved_sentence(works, points), ceiling_sentence(works, points), wrong_sentence(works, points), LIMITS):
        if line:
            print("  " + line)
    print("  " + cores_sentence(works[0].cores, points) + ".")
