#!/usr/bin/env python3
"""How many threads: chapter 7's server under an open loop, for pools of 1 to 32 threads and work that waits more and more.

usage: sizing.py SERVER    (QUICK=1: fewer pools, shorter runs)

Each run is a fresh server. Runs come in a shuffled order, so that what else this machine does meets all pools alike.
Exit: 0 done, 1 failed, 130 interrupted (what was measured is kept).
"""

import random
import re
import subprocess
import sys
import time

import bench
import sizing_words as words

RATIOS = [0, 1, 4, 9]               # W/S that is asked for
COMPUTE_US = 500                    # S that is asked for: 20 times what the loop and the pool themselves cost a request
POOLS = [1, 2, 4, 8, 32] if bench.QUICK else [1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 32]
LOADS = [.8, 1.25] if bench.QUICK else [.5, .8, 1.25]     # offered, as shares of what the cores could do
DURATION_S, WARMUP_S, DRAIN_S = (.4, .1, .05) if bench.QUICK else (.9, .15, .1)
ESTIMATES = 1 if bench.QUICK else 3     # runs of one request at a time, for S and W; the median counts
CONNECTIONS = 256                       # more than any pool; one request on each, so none waits behind another there
CORES_MAX = 3                           # else the knee of W/S = 9 lies beyond 32 threads
POOL_SAID = re.compile(r"pool: .*cpu_us (\d+) wait_us (\d+)")
COLUMNS = ("cores cpu_us wait_us pool offered_rps completed_rps p50_us p99_us predicted asked_ratio share formula_pool "
           "capacity_rps predicted_p50_us switches_per_request rss_bytes server_share load_share late unanswered")


def cores_for_server():
    """The load has a core of its own where there are three or more; of two, the server has both, and the load shares them."""
    allowed = words.cores_allowed()
    return min(CORES_MAX, allowed - 1) if allowed > 2 else allowed


def request(ratio, drawn):
    mark = "~" if drawn else ""
    return f"WORK {mark}{COMPUTE_US} {mark}{COMPUTE_US * ratio}"


# ---- measure ----

def estimate_once(server, ratio, cores):
    """(S, W) in µs, of one request at a time: nobody waits for a thread or a core. S is the server's CPU clock, its loop
    included; W is what the pool says that jobs waited, or else what is left of the latency."""
    row = bench.run_load([server, *bench.PACE, "--threads", "1"], connections=1, mix=request(ratio, False), warmup=.05,
                         duration=DURATION_S / 2, server_cores=cores, last_words=True)
    compute = row["server_cpu_ns_per_request"] / 1000
    said = POOL_SAID.search(row["said"])
    return compute, float(said[2]) if said else max(row["mean_us"] - compute, 0)


def estimate(server, ratio, cores):
    taken = [estimate_once(server, ratio, cores) for _ in range(ESTIMATES)]
    return words.Workload(ratio, cores, *(bench.median(values) for values in zip(*taken)))


def pools_for(work):
    """Those of the list, and the formula's own."""
    return sorted({*POOLS, min(POOLS[-1], max(1, round(work.formula)))})


def measure_one(server, work, pool, share):
    row = bench.run_load([server, *bench.PACE, "--threads", str(pool)], connections=CONNECTIONS, rate=share * work.capacity,
                         mix=request(work.ratio, True), warmup=WARMUP_S, duration=DURATION_S, drain=DRAIN_S,
                         server_cores=work.cores)
    return words.Point(work, pool, share, row)


def measure(server, works, points):
    """Adds to `works` and `points` as it goes, so that an interruption loses nothing."""
    began = time.monotonic()
    for ratio in RATIOS:
        bench.progress(f"sizing: S and W of W/S = {ratio}, one request at a time ({time.monotonic() - began:.0f} s)")
        works.append(estimate(server, ratio, cores_for_server()))
    wanted = [(work, pool, share) for work in works for pool in pools_for(work) for share in LOADS]
    random.Random(7).shuffle(wanted)
    for done, (work, pool, share) in enumerate(wanted):
        if done % 8 == 0 or sys.stderr.isatty():
            bench.progress(f"sizing: run {done + 1} of {len(wanted)}: W/S = {work.ratio}, {pool} threads, "
                           f"{100 * share:.0f} % of capacity ({time.monotonic() - began:.0f} s)")
        points.append(measure_one(server, work, pool, share))
    bench.progress("")


def predict(points):
    """What M/M/c says of each point, by build/tools/erlang."""
    lines = "".join(f"{p.servers()} {p.row['offered_rps']} {p.work.service}\n" for p in points)
    done = subprocess.run(["build/tools/erlang"], input=lines, capture_output=True, text=True, check=True)
    for point, line in zip(points, done.stdout.splitlines()):
        figures = [float(word) for word in line.split()]
        point.predicted_p50, point.predicted_p99 = figures[4:6]


# ---- keep and show ----

def write(points, works, notes):
    rows = [p.record() for p in sorted(points, key=lambda p: (p.work.ratio, p.share, p.pool))]
    bench.write_tsv(f"{bench.RESULTS}/sizing.tsv", notes, COLUMNS, rows)
    bench.write_tsv(f"{bench.RESULTS}/sizing-summary.tsv", notes, words.SUMMARY,
                    [words.summary(work, points) for work in works if words.of(points, work)])


def draw(works, notes):
    for kind in ("svg", "png"):
        bench.plot("tools/plots/sizing.gp", data=f"{bench.RESULTS}/sizing.tsv", kind=kind,
                   output=f"{bench.RESULTS}/sizing.{kind}", loads=" ".join(f"{share:g}" for share in LOADS[:-1]),
                   top=f"{LOADS[-1]:g}", ratios=" ".join(str(w.ratio) for w in works),
                   formulas=" ".join(f"{w.formula:.2f}" for w in works), cores=str(works[0].cores),
                   mark=" (partial)" if any("partial" in n for n in notes) else "")


def main(server):
    works, points = [], []
    notes, code = bench.to_the_end(measure, server, works, points)
    if not points:
        sys.exit(code or "sizing: nothing was measured")
    notes.append(f"{DURATION_S} s a run, {CONNECTIONS} connections, Poisson arrivals, exponential work" + ", QUICK" * bench.QUICK)
    notes.append(words.cores_sentence(works[0].cores, points))
    predict(points)
    write(points, works, notes)
    draw(works, notes)
    words.tell(works, points)
    print(f"\n  {bench.RESULTS}/sizing.tsv, sizing-summary.tsv, sizing.svg, sizing.png")
    sys.exit(code)


if __name__ == "__main__":
    main(*sys.argv[1:])
