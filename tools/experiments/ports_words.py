"""What the runs of ports.py say: how much of its best throughput each model keeps, over the number of workers.

All that decides is here, and takes plain figures: tests/ports_test.py tries it on invented ones.
"""

import os

import bench

POOL, PORT, UNBOUND = "thread-pool", "port", "port-unbound"
MODELS = (PORT, UNBOUND, POOL)
NEAR = .9               # of the best throughput: sizes that give less give away more than a tenth
CORES_MAX = 3
STARVED = .8            # of the cores: who gets less where it wants all shares them with other work
SUMMARY = ("model cpu_us wait_us best_workers best_rps near_from near_to largest_workers largest_rps "
           "best_p99_us largest_p99_us best_switches largest_switches busy_cores cores")


def cores_for_server():
    """The load has a core of its own where there are three or more; of two, the server has both, and the load shares them."""
    allowed = len(os.sched_getaffinity(0))
    return min(CORES_MAX, allowed - 1) if allowed > 2 else allowed


def cores_sentence(cores, share):
    kept = f"the server has {cores} core{'s' if cores > 1 else ''}, and got {share:.1f} of them at the most"
    return kept + (": other work took the rest" if is_starved(share, cores) else "")


def is_starved(share, cores):
    return share < STARVED * cores


def workloads(rows):
    return sorted({(row["cpu_us"], row["wait_us"]) for row in rows}, key=lambda work: work[1] / max(work[0], 1))


def line(rows, model, work):
    return sorted((row for row in rows if row["model"] == model and (row["cpu_us"], row["wait_us"]) == work),
                  key=lambda row: row["workers"])


def near(points):
    """The sizes between which a model gives NEAR of its best, all of them: (from, to)."""
    best = max(points, key=lambda row: row["completed_rps"])
    at = first = last = points.index(best)
    while first > 0 and points[first - 1]["completed_rps"] >= NEAR * best["completed_rps"]:
        first -= 1
    while last < len(points) - 1 and points[last + 1]["completed_rps"] >= NEAR * best["completed_rps"]:
        last += 1
    return points[at], points[first]["workers"], points[last]["workers"]


def summary(points, busy, cores):
    best, first, last = near(points)
    large = points[-1]
    values = (best["model"], best["cpu_us"], best["wait_us"], best["workers"], best["completed_rps"], first, last,
              large["workers"], large["completed_rps"], best["p99_us"], large["p99_us"], best["context_switches"],
              large["context_switches"], busy, cores)
    return dict(zip(SUMMARY.split(), (f"{v:g}" if isinstance(v, float) and v.is_integer() else v for v in values)))


def summaries(rows, cores):
    busy = max(row["server_share"] for row in rows)
    lines = [line(rows, model, work) for work in workloads(rows) for model in MODELS]
    return [summary(points, busy, cores) for points in lines if points]


def kept(row):
    """What is left of the best throughput with the largest number of workers."""
    return float(row["largest_rps"]) / float(row["best_rps"])


def tell(rows, found, cores):
    names = {PORT: f"port, {cores} run", UNBOUND: "port, all may run", POOL: "thread pool (7)"}
    for work in workloads(rows):
        print(f"\n  requests that compute {work[0]:.0f} µs and wait {work[1]:.0f} µs: requests a second, by workers\n")
        sizes = sorted({row["workers"] for row in rows})
        print("    " + " " * 18 + "".join(f"{size:>8.0f}" for size in sizes) + "   within 10 % of its best")
        for model in MODELS:
            points = {row["workers"]: row["completed_rps"] for row in line(rows, model, work)}
            mine = [s for s in found if s["model"] == model and (float(s["cpu_us"]), float(s["wait_us"])) == work]
            span = f"   {mine[0]['near_from']} to {mine[0]['near_to']}" if mine else ""
            print(f"    {names[model]:<18}" + "".join(f"{points[s]:>8.0f}" if s in points else "       –" for s in sizes) + span)
