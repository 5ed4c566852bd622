"""Claims about servers under load: one loop and many cores, the size of a pool, crossings and the tail of the latency."""

import os

from ledger import Skipped, Verdict, bench, claim, number, results, server
import sizing_words  # beside bench, where ledger looks for it

ONE_CORE = 1.05     # of a core: more than that is more than one, clocks and ticks considered
SATURATED = .85     # of a core: with less, something else than the loop's core was the bound
NEAR = .9           # of the best throughput: as in make sizing
WORK = "WORK 200 0" # computing that stands for a request's own; ten times what the loop adds
ROUNDS, SLICE_S = 7, .5
LEVELS = (.4, .7)   # arrivals, as shares of what the slowest model can do; more, and the load's own queue would show
LATE = .05          # of the requests left late through the load's own doing: then the tail is not the server's
MODELS = ("03-poll", "04-epoll", "05-epoll-et", "06-io_uring")
PAIR = ("epoll", "io_uring")    # most and fewest crossings among those that keep up with any number of connections


def all_cores():
    return len(os.sched_getaffinity(0))


# ---- C4 ----

@claim("C4", "an event loop tops out at one core",
       "CPU of chapter 4's loop against its throughput, all cores free to use; beside it a thread per connection", ["epoll", "blocking"])
def one_core():
    if all_cores() < 2:
        raise Skipped("one core only: nothing can use more")
    found = {name: [bench.run_load([server(name)], connections=c, mix=WORK, server_cores=all_cores(), duration=SLICE_S, warmup=.2)
                    for c in (1, 8, 64)] for name in ("04-epoll", "01-blocking")}
    loop, threads = ([(row["server_share"], row["completed_rps"]) for row in found[name]] for name in found)
    return Verdict(by_core(loop), f"requests of 200 µs on 64 connections: the loop answers {reached(loop)}; a thread each, {reached(threads)}")


def reached(runs):
    share, rate = runs[-1]
    return f"{rate:,.0f} a second, on {share:.2f} cores"


def by_core(loop):
    """[(share of a core, requests a second)], with more and more connections."""
    most = max(share for share, _ in loop)
    if most > ONE_CORE:
        return "fails"
    if most < SATURATED:
        raise Skipped(f"the loop got no more than {most:.2f} of a core: other work on this machine hides where it tops out")
    return "holds"


# ---- C5 ----

@claim("C5", "a pool of N·(1+W/S) is near the best; for pure CPU it is N; too large costs memory and switches",
       "make sizing: throughput, switches and memory over the pool's size", ["sizing"])
def pool_size():
    rows = [{name: bench.number(value) for name, value in row.items()} for row in results("sizing-summary.tsv", "sizing")]
    if not rows:
        raise Skipped("make sizing has measured nothing")
    got, cores = min(row["busy_cores"] for row in rows), rows[0]["cores"]
    if sizing_words.is_starved(got, cores):
        raise Skipped(f"the server got {got:.1f} of {cores:.0f} cores: other work on this machine decided, not the pool's size")
    words = [f"W/S {row['asked_ratio']:g}, {row['formula_pool']:.0f} threads: {100 * near_best(row):.0f} %" for row in rows]
    return Verdict(by_pool(rows), "of the best: " + "; ".join(words) + f". {rows[0]['largest_pool']:.0f} threads cost {large(rows)}")


def near_best(row):
    return row["formula_rps"] / row["best_rps"]


def large(rows):
    switches = [row["largest_switches"] / row["formula_switches"] for row in rows if row["formula_switches"]]
    memory = [(row["largest_rss"] - row["formula_rss"]) / 1024 for row in rows]
    tail = [row["largest_p99_us"] / row["formula_p99_us"] for row in rows]
    return (f"{min(switches):.1f} to {max(switches):.1f} times the switches, {min(memory):+.0f} to {max(memory):+.0f} KiB, "
            f"{min(tail):.1f} to {max(tail):.1f} times the p99")


def by_pool(rows):
    """Near the best everywhere, and a price for too many: holds. Only one of the two: depends."""
    near = all(near_best(row) >= NEAR for row in rows)
    dear = all(row["largest_rss"] > row["formula_rss"] or row["largest_switches"] > row["formula_switches"] for row in rows)
    if near and dear:
        return "holds"
    return "depends" if near or any(near_best(row) >= NEAR for row in rows) else "fails"


# ---- C18 ----

def capacity(name):
    return bench.run_load([server(name)], connections=64, duration=SLICE_S, warmup=.2)["completed_rps"]


def tails(rate):
    """{model: [(p99, p99.9) of each round]} at one arrival rate, the models in turn."""
    found, late = {name.partition("-")[2]: [] for name in MODELS}, []
    for turn in range(ROUNDS):
        for name in bench.rotated(MODELS, turn):
            row = bench.run_load([server(name)], connections=64, rate=rate, duration=SLICE_S, warmup=.1, seed=turn + 1)
            found[name.partition("-")[2]].append((row["p99_us"], row["p999_us"]))
            late.append(row["late"])
    if bench.median(late) > LATE:
        raise Skipped(f"at {rate:,.0f} a second {100 * bench.median(late):.0f} % of the requests left late: other work on this machine "
                      "keeps the load off its core")
    return found


@claim("C18", "fewer crossings lower the tail latency under load",
       "open-loop p99 and p99.9 of four models at the same arrival rates, 40 and 70 % of what the slowest can do", ["costs"])
def tail():
    limit = min(map(capacity, MODELS))
    crossings = {model: number(results("costs.tsv", "costs"), "per_request", model=model, syscall="total", k=1) for model in PAIR}
    words, found = [], []
    for level in LEVELS:
        rounds = tails(level * limit)
        for i, name in enumerate(("p99", "p99.9")):
            ratio = bench.ratio(*([pair[i] for pair in rounds[model]] for model in reversed(PAIR)))
            found.append(ratio)
            words.append(f"{name} at {100 * level:.0f} % × {bench.times(*ratio)}")
    unsure = "" if any(high < 1 or low > 1 for _, low, high in found) else ": no interval leaves out 1"
    return Verdict(by_tail(found), f"{PAIR[1]} (crossings: {crossings[PAIR[1]]:g}) to {PAIR[0]} ({crossings[PAIR[0]]:g}): " + ", ".join(words)
                   + f" of {limit:,.0f} a second{unsure}")


def by_tail(ratios):
    """[(ratio, low, high)] of few crossings to many. Holds: all certainly lower. Fails: some certainly higher, none lower."""
    lower, higher = [high < 1 for _, _, high in ratios], [low > 1 for _, low, _ in ratios]
    if all(lower):
        return "holds"
    return "fails" if any(higher) and not any(lower) else "depends"
