#!/usr/bin/env python3
"""Does the size of the pool matter? Chapter 9's port beside chapter 7's pool, over the number of workers.

usage: ports.py PORT-SERVER POOL-SERVER    (QUICK=1: fewer sizes, one round)

Three models, in one run: the pool; the port, which lets as many run as there are cores; and the same port without a bound
(as many may run as there are workers), which shows what of the difference is the bound's. A closed loop keeps all of them
saturated. Sizes and models come in a shuffled order in each round, so that what else this machine does meets all alike.
Exit: 0 done, 1 failed, 130 interrupted (what was measured is kept).
"""

import random
import sys
import time

import bench
import ports_words as words

WORKLOADS = [(500, 0), (200, 800)]     # µs of computing and of waiting: W/S = 0 and 4
SIZES = [1, 4, 16, 128] if bench.QUICK else [1, 2, 4, 8, 16, 32, 64, 128]
ROUNDS = 2 if bench.QUICK else 5
DURATION_S, WARMUP_S = (.3, .15) if bench.QUICK else (.5, .15)
CONNECTIONS = 256                       # twice the largest pool: there is always more to do
COLUMNS = ("model workers concurrency cpu_us wait_us completed_rps p50_us p99_us context_switches server_share rss_bytes "
           "lowest_rps highest_rps rounds")


def command(servers, model, size, cores):
    """The server of a model with so many workers, and how many of them may run."""
    port, pool = servers
    if model == words.POOL:
        return [pool, *bench.PACE, "--threads", str(size)], size
    running = cores if model == words.PORT else size
    return [port, *bench.PACE, "--workers", str(size), "--concurrency", str(running)], running


def measure(servers, cores, found):
    """Adds to `found`, {(model, size, cpu, wait): [rows]}, as it goes, so that an interruption loses nothing."""
    began = time.monotonic()
    wanted = [(model, size, *work) for work in WORKLOADS for model in words.MODELS for size in SIZES]
    for turn in range(ROUNDS):
        random.Random(turn).shuffle(wanted)
        for done, (model, size, cpu, wait) in enumerate(wanted):
            if done % 8 == 0 or sys.stderr.isatty():
                bench.progress(f"ports: round {turn + 1} of {ROUNDS}, run {done + 1} of {len(wanted)}: {model}, {size} workers "
                               f"({time.monotonic() - began:.0f} s)")
            row = bench.run_load(command(servers, model, size, cores)[0], connections=CONNECTIONS, mix=f"WORK {cpu} {wait}",
                                 warmup=WARMUP_S, duration=DURATION_S, server_cores=cores)
            found.setdefault((model, size, cpu, wait), []).append(row)
    bench.progress("")


def record(servers, cores, key, rows):
    model, size, cpu, wait = key
    rates = [row["completed_rps"] for row in rows]
    middle = {name: bench.median([row[name] for row in rows]) for name in
              ("completed_rps", "p50_us", "p99_us", "switches_per_request", "server_share", "rss_bytes")}
    return (model, size, command(servers, model, size, cores)[1], cpu, wait, f"{middle['completed_rps']:.1f}",
            f"{middle['p50_us']:.0f}", f"{middle['p99_us']:.0f}", f"{middle['switches_per_request']:.2f}",
            f"{middle['server_share']:.2f}", f"{middle['rss_bytes']:.0f}", f"{min(rates):.1f}", f"{max(rates):.1f}", len(rows))


def draw(cores, notes):
    for kind in ("svg", "png"):
        bench.plot("tools/plots/ports.gp", data=f"{bench.RESULTS}/ports.tsv", kind=kind, output=f"{bench.RESULTS}/ports.{kind}",
                   works=" ".join(f"{cpu}:{wait}" for cpu, wait in WORKLOADS), models=" ".join(words.MODELS), cores=str(cores),
                   mark=" (partial)" if any("partial" in n for n in notes) else "")


def main(*servers):
    cores, found = words.cores_for_server(), {}
    notes, code = bench.to_the_end(measure, servers, cores, found)
    if not found:
        sys.exit(code or "ports: nothing was measured")
    notes.append(f"{DURATION_S} s a run, {CONNECTIONS} connections in a closed loop" + ", QUICK" * bench.QUICK)
    records = [record(servers, cores, key, rows) for key, rows in sorted(found.items(), key=lambda item: (item[0][2:], item[0][:2]))]
    notes.append(words.cores_sentence(cores, max(float(r[9]) for r in records)))
    bench.write_tsv(f"{bench.RESULTS}/ports.tsv", notes, COLUMNS, records)
    rows = [dict(zip(COLUMNS.split(), map(bench.number, map(str, r)))) for r in records]
    summaries = words.summaries(rows, cores)
    bench.write_tsv(f"{bench.RESULTS}/ports-summary.tsv", notes, words.SUMMARY, [tuple(s.values()) for s in summaries])
    draw(cores, notes)
    words.tell(rows, summaries, cores)
    print(f"\n  {bench.RESULTS}/ports.tsv, ports-summary.tsv, ports.svg, ports.png")
    sys.exit(code)


if __name__ == "__main__":
    main(*sys.argv[1:])
