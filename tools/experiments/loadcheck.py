#!/usr/bin/env python3
"""Can the load generator be believed? It and redis-benchmark drive the same redis-server; and it must out-run every server.

usage: loadcheck.py SERVER...    (QUICK=1: fewer rounds)

Exit: 0 done, 1 the two differ without a reason that was seen, or the load was slower than a server; 77 no redis here.
"""

import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time

import bench

LOADS = [(50, 1), (50, 16)]     # connections, pipeline
ROUNDS = 3 if bench.QUICK else 9
SLICE_S = .4 if bench.QUICK else 1.0
CONNECTIONS, PIPELINE = 50, 16  # at which the load must out-run a server
WITHIN = .10                    # how far the two may differ in requests a second
BUSY = .9                       # of its core: who is that busy is the bottleneck
REDIS = ["redis-server", "--port", "{port}", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
MARKS = {True: "✓", False: "✗", None: "-"}
TRACED = 5000                   # requests under strace
BENCHMARK_S = 60


class Slice:
    """One load on the server: requests a second, and who was how busy."""

    def __init__(self, rate, server_share, own_share):
        self.rate, self.server_share, self.own_share = rate, server_share, own_share


def children_cpu_s():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def timed(server, run):
    """Runs one load to its end; run() returns its requests a second."""
    cpu, own, began = server.cpu_ns(), children_cpu_s(), time.monotonic()
    rate = run()
    wall = time.monotonic() - began
    return Slice(rate, (server.cpu_ns() - cpu) / wall / 1e9, (children_cpu_s() - own) / wall)


def by_load(port, load, requests):
    return bench.run_load([f":{port}"], connections=load[0], pipeline=load[1], count=requests, warmup=0)["completed_rps"]


def by_redis(port, load, requests):
    connections, pipeline = load
    done = subprocess.run(["redis-benchmark", "-p", str(port), "-t", "ping_inline", "-n", str(requests), "-c", str(connections),
                           "-P", str(pipeline), "--csv"], text=True, timeout=BENCHMARK_S,
                          capture_output=True, check=False)
    if done.returncode:
        raise bench.Failed(f"redis-benchmark ended with status {done.returncode}: {done.stderr.strip()}")
    return rate_of(done.stdout)


def rate_of(csv):
    """The rate in redis-benchmark's CSV; older ones print no head."""
    line = next(line for line in csv.splitlines() if line.startswith('"PING_INLINE"'))
    return float(line.split(",")[1].strip('"'))


def calls_of(summary, requests):
    """“7.1 (5.0 epoll_ctl)” of strace -c: system calls a request, and the most frequent one."""
    rows = [line.split() for line in summary.splitlines() if re.match(r"\s*\d+\.\d+ +\d", line)]
    counts = {row[-1]: int(row[3]) for row in rows if row[-1] != "total"}
    if not counts:
        return "unknown"
    most = max(counts, key=counts.get)
    return f"{sum(counts.values()) / requests:.1f} ({counts[most] / requests:.1f} {most})"


def count_calls(port):
    """System calls a request of ours and theirs, set-up included, over enough requests for that not to matter."""
    ours = [bench.LOAD, "--connections", "50", "--count", str(TRACED), "--warmup", "0", "--", f":{port}"]
    theirs = ["redis-benchmark", "-p", str(port), "-t", "ping_inline", "-n", str(TRACED), "-c", "50", "--csv"]
    found = []
    for command in (ours, theirs):
        with tempfile.NamedTemporaryFile(suffix=".strace") as file:
            subprocess.run(["strace", "-f", "-c", "-o", file.name, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                           timeout=BENCHMARK_S, check=False)
            found.append(calls_of(file.read().decode(), TRACED))
    return found


def cross_check():
    """{load: [(ours, theirs) of each round]}, alternating on one redis-server; and the system calls of both."""
    server, found, cores = bench.Load(REDIS), {}, os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {max(cores)})     # ours and what we start from here: the core that redis-server does not have
        for load in LOADS:
            rate = by_load(server.port, load, 10000 * load[1])    # also warms up
            requests = max(1000, int(rate * SLICE_S))
            found[load] = []
            for number in range(ROUNDS):
                bench.progress(f"load-check: {load[0]} connections, pipeline {load[1]}, round {number + 1} of {ROUNDS}")
                runs = [(which, timed(server, lambda run=run: run(server.port, load, requests)))
                        for which, run in bench.rotated([("ours", by_load), ("theirs", by_redis)], number)]
                pair = dict(runs)
                found[load].append((pair["ours"], pair["theirs"]))
        calls = count_calls(server.port)
    finally:
        os.sched_setaffinity(0, cores)
        server.close()
        bench.progress("")
    return found, calls


# ---- what decides ----

def verdict(ratio, ours, theirs):
    """What a ratio of requests a second means: (good, or None where that can't be told; a sentence). Shares are of the cores of server and load."""
    if abs(ratio - 1) <= WITHIN:
        return True, "they agree"
    slower, faster = (theirs, ours) if ratio > 1 else (ours, theirs)
    name, other = ("redis-benchmark", "the load") if ratio > 1 else ("the load", "redis-benchmark")
    if slower[1] >= BUSY > slower[0]:
        return ratio > 1, (f"{name} was the bottleneck itself: it used {100 * slower[1]:.0f} % of its core, while redis-server used "
                           f"{100 * slower[0]:.0f} %; under {other} the server used {100 * faster[0]:.0f} %")
    if max(ours[0], theirs[0], ours[1], theirs[1]) < BUSY:
        return None, "neither they nor redis-server got a core to themselves: other work on this machine decided"
    return False, "they differ, and nobody's core was the bound"


def outruns(ready, connections, server_share, load_share):
    """Whether the load was faster than the server; None where other work hides it. In a closed loop each connection's burst is with
    one of the two: what is ready when the load looks waited for it, all else is with the server. One that replies to many at once
    (a ring) makes many ready at once: there the busier of the two is the slower."""
    if ready < connections / 2 or load_share < server_share:
        return True
    return False if max(server_share, load_share) >= BUSY else None


# ---- what it says ----

def medians(slices):
    return tuple(bench.median([getattr(s, name) for s in slices]) for name in ("rate", "server_share", "own_share"))


def tell_cross_check(found, calls):
    good, rows, lines = True, [], []
    print("\nThe load and redis-benchmark, both on redis-server: requests a second")
    for load, pairs in found.items():
        ours, theirs = medians([p[0] for p in pairs]), medians([p[1] for p in pairs])
        ratio, low, high = bench.ratio([p[0].rate for p in pairs], [p[1].rate for p in pairs])
        fine, why = verdict(ratio, ours[1:], theirs[1:])
        good = good and fine is not False
        rows.append((f"{load[0]}×{load[1]}", f"{ours[0]:,.0f}", f"{theirs[0]:,.0f}", bench.times(ratio, low, high),
                     f"{100 * ours[1]:.0f} / {100 * ours[2]:.0f} %", f"{100 * theirs[1]:.0f} / {100 * theirs[2]:.0f} %"))
        lines.append(f"  {MARKS[fine]}  {load[0]} connections, pipeline {load[1]}: {why}.")
    bench.table(rows, ["", "load", "redis-benchmark", "ratio", "server/load busy", "server/benchmark busy"])
    print("\n".join(lines))
    print(f"     System calls a request, unpipelined: the load {calls[0]}, redis-benchmark {calls[1]}.")
    return good, rows


def tell_outrun(servers):
    good, rows = True, []
    for path in servers:
        bench.progress(f"load-check: does it out-run {bench.model_of(path)[1]}?")
        row = bench.run_load([path], connections=CONNECTIONS, pipeline=PIPELINE, duration=SLICE_S, warmup=.2)
        rows.append((row["completed_rps"], bench.model_of(path)[1], row["ready"], row["server_share"], row["load_share"]))
    bench.progress("")
    print(f"\nDoes the load out-run them? {CONNECTIONS} connections, pipeline {PIPELINE}, each on a core of its own, fastest first")
    rows.sort(reverse=True)
    bench.table([(name, f"{rate:,.0f}", f"{ready:.1f}", f"{CONNECTIONS - ready:.1f}", f"{100 * server:.0f} / {100 * load:.0f} %")
                 for rate, name, ready, server, load in rows],
                ["", "requests/s", "bursts waiting for the load", "with the server", "server/load busy"])
    for _, name, ready, server, load in rows:
        ahead = outruns(ready, CONNECTIONS, server, load)
        good = good and ahead is not False
        if ahead is not True:
            print(f"  {MARKS[ahead]}  {name}: " + ("the load was the slower one" if ahead is False else
                  "neither had a core to itself: other work on this machine hides who is faster"))
    if all(outruns(ready, CONNECTIONS, server, load) for _, _, ready, server, load in rows):
        print("  ✓  Each server was the bottleneck: most bursts were with it, or it was the busier one.")
    return good, rows


def main(servers):
    bench.stop_like_ctrl_c()
    if not (shutil.which("redis-server") and shutil.which("redis-benchmark")):
        print("skip: redis-server and redis-benchmark are not on PATH (tools/setup test)")
        sys.exit(77)
    agree, checks = tell_cross_check(*cross_check())
    ahead, races = tell_outrun(servers)
    rows = [("redis-benchmark", *row) for row in checks]
    rows += [(name, f"{CONNECTIONS}×{PIPELINE}", f"{rate:.0f}", "-", "-", f"{100 * server:.0f} / {100 * load:.0f} %", f"{ready:.1f} ready")
             for rate, name, ready, server, load in races]
    bench.write_tsv(f"{bench.RESULTS}/load-check.tsv", [f"{ROUNDS} rounds, medians", bench.version(["redis-server", "--version"])],
                    "against load load_rps other_rps ratio busy other_busy", rows)
    print(f"\n  {bench.RESULTS}/load-check.tsv")
    sys.exit(0 if agree and ahead else 1)


if __name__ == "__main__":
    main(sys.argv[1:])
