#!/usr/bin/env python3
"""The ledger of chapter 9's reactor on a proactor: what its adapter costs, against epoll and against completions.

Three servers: chapter 4's on epoll; the same object file on polls of an
io_uring; chapter 6's on completions. For each: crossings and operations of a
request (exact, by build/tools/syscount), CPU (slices that alternate, as ratios
to epoll's within a round), and what an idle connection takes, in the process
and in the kernel. QUICK=1: fewer rounds.
Exit: 0 done, 1 failed, 77 where nothing can be counted.
"""

import os
import subprocess
import sys
import tempfile

import bench

SERVERS = {
    "epoll": "build/plain/solutions/04-epoll/server",
    "reactor": "build/plain/solutions/09-completion-ports/reactor/server",
    "io_uring": "build/plain/solutions/06-io_uring/server",
}
BATCHES = (1, 8, 64)
ACTIVES = (1, 50)
ROUNDS = 9 if bench.QUICK else 25
SLICE_NS = 5e6 if bench.QUICK else 2e7
IDLE = 4000
PASSES = 1 if bench.QUICK else 3    # of that: what else the kernel does meanwhile is counted, too
TSV = os.path.join(bench.RESULTS, "ledger.tsv")
COLUMNS = ["model", *(f"{what}_{k}" for what in ("crossings", "operations") for k in BATCHES),
           *(f"{what}_{a}" for a in ACTIVES for what in ("cpu_ns", "ratio", "ratio_low", "ratio_high")),
           "rss_per_idle", "slab_per_idle"]


def count(command):
    """{"crossings_1": 3, "operations_1": 1, …}"""
    with tempfile.NamedTemporaryFile(suffix=".tsv") as file:
        words = ["build/tools/syscount", "--batch", ",".join(map(str, BATCHES)), "--tsv", file.name, "--", command]
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            print(done.stdout.strip(), file=sys.stderr)
            sys.exit(done.returncode)
        lines = [line.rstrip("\n").split("\t") for line in open(file.name, encoding="utf-8") if line[0] != "#"]
    rows = [dict(zip(lines[0], line)) for line in lines[1:]]
    names = {"total": "crossings", "operations": "operations"}
    counted = {f"operations_{k}": "-" for k in BATCHES}    # epoll has none
    return counted | {f"{names[r['syscall']]}_{r['k']}": r["per_request"] for r in rows if r["syscall"] in names}


def costs(active):
    """{model: [ns per request, a round each]}, slices of all of them in each round."""
    loads = {model: bench.Load([command]) for model, command in SERVERS.items()}
    taken = {model: [] for model in loads}
    try:
        for load in loads.values():
            load.connections("active", active)
            load.slice(100 * active)
        cost, _ = loads["epoll"].slice(200 * active)
        requests = active * max(10, int(SLICE_NS / cost / active))
        for number in range(ROUNDS):
            bench.progress(f"ledger: {active} active, round {number + 1} of {ROUNDS}")
            for model in bench.rotated(list(loads), number):
                taken[model].append(loads[model].slice(requests)[0])
    finally:
        for load in loads.values():
            load.close()
    return taken


def slab_bytes():
    """What the kernel's caches of objects hold, or None where that is a secret."""
    try:
        with open("/proc/slabinfo", encoding="utf-8") as file:
            rows = [line.split() for line in file.readlines()[2:]]
    except OSError:
        return None
    return sum(int(row[1]) * int(row[3]) for row in rows)


def idle(command):
    """Bytes that an idle connection takes: in the server's memory, and in the kernel's (both ends of it, and what watches it)."""
    load = bench.Load([command])
    try:
        load.connections("idle", 100)    # the first ones make room for others
        rss, slab = load.rss(), slab_bytes()
        have, why = load.connections("idle", 100 + IDLE)
        if have < 100 + IDLE:
            raise bench.Failed(f"{command} holds {have} connections only: {why}")
        after = slab_bytes()
        return (load.rss() - rss) // IDLE, "-" if slab is None else (after - slab) // IDLE
    finally:
        load.close()


def measure():
    rows = {}
    for model, command in SERVERS.items():
        bench.progress(f"ledger: counting {model}")
        rows[model] = {"model": model, **count(command)}
    for active in ACTIVES:
        taken = costs(active)
        for model, values in taken.items():
            figures = bench.median(values), *bench.ratio(values, taken["epoll"])
            names = [f"{what}_{active}" for what in ("cpu_ns", "ratio", "ratio_low", "ratio_high")]
            rows[model] |= dict(zip(names, [round(figures[0]), *(f"{f:.3f}" for f in figures[1:])]))
    sizes = {model: [] for model in SERVERS}
    for number in range(PASSES):
        for model in bench.rotated(list(SERVERS), number):
            bench.progress(f"ledger: {IDLE} idle connections of {model}")
            sizes[model].append(idle(SERVERS[model]))
    for model, found in sizes.items():
        for name, values in zip(("rss_per_idle", "slab_per_idle"), zip(*found)):
            rows[model][name] = "-" if "-" in values else round(bench.median(values))
    bench.progress("")
    return rows


def tell(rows):
    print("what a reactor costs on a proactor: chapter 4's server on epoll, the same on polls of a ring, chapter 6's\n")
    names = [name for name in COLUMNS[1:] if not name.startswith("ratio_")]
    bench.table([[name, *(row[name] for row in rows.values())] for name in names], ["", *rows])
    for active in ACTIVES:
        for model in list(rows)[1:]:
            figures = [float(rows[model][f"{what}_{active}"]) for what in ("ratio", "ratio_low", "ratio_high")]
            print(f"\n  {model} to epoll, {active} active: {bench.times(*figures)} of the CPU", end="")
    print(f"\n\nwritten: {TSV}   (slab: the kernel's objects of both ends of a connection, and of what watches it)")


def main():
    bench.stop_like_ctrl_c()
    try:
        rows = measure()
    except bench.Failed as why:
        print(f"ledger: {why}", file=sys.stderr)
        return 1
    bench.write_tsv(TSV, [bench.cores_note(), f"CPU: medians of {ROUNDS} rounds; ratios to epoll within a round, 95 % intervals",
                          f"idle: {IDLE} connections"], " ".join(COLUMNS), [[row[c] for c in COLUMNS] for row in rows.values()])
    tell(rows)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
