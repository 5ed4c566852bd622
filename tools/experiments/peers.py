#!/usr/bin/env python3
"""The finished servers beside redis-server, libuv, libevent and any other: CPU per request, crossings, memory.

usage: peers.py SERVER...    (QUICK=1: fewer rounds; PEER="COMMAND … {port}": one more, that answers an inline PING;
                              PEER_HOLD="OPTION…": how build/tools/drive is to hold it, where SPIN doesn't)

In a round each server has one slice of each load. Exit: 0 done, 1 failed, 130 interrupted (what there is is kept).
"""

import os
import shlex
import shutil
import subprocess
import sys
import time

import bench

# Connections, pipeline, requests of a slice.
LOADS = [(50, 1, 4000), (50, 16, 24000), (500, 1, 4000), (500, 16, 24000)]
PASSES = 1 if bench.QUICK else 3    # each with fresh servers
ROUNDS = 5 if bench.QUICK else 7    # of a pass
CHECKS = [(50, 1, 20000), (50, 16, 100000)]     # by redis-benchmark
CHECK_ROUNDS = 1 if bench.QUICK else 3
CHECK_S = 60
IDLE = 2000                         # connections whose memory is counted; fewer where there is no room
COUNTS = [(1, 1), (8, 1), (64, 1), (1, 16)]     # connections, pipeline
GOALS = {"libuv": {1: 1.0, 16: 1.0}, "redis": {1: .85, 16: .6}}     # of the event-driven servers, at each pipeline
RING, READINESS = "io_uring", "epoll-et"        # the completion model beside the best of readiness
RING_GOALS = {50: 1.0, 500: .9}                 # at each number of connections
REDIS = ["redis-server", "--port", "{port}", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
REDIS_TIMER = 4     # system calls of its timer, which may fall into a counted round; it is slowed to one a second there


class Peer:
    """A server, and what was measured of it."""

    def __init__(self, name, command, counting=(), count_options=()):
        self.name, self.command = name, command
        self.count_command = command + list(counting)
        self.count_options = list(count_options)
        self.event_driven = self.lab = False
        self.costs = {load: [] for load in LOADS}       # ns per request, a round each
        self.shares = {load: [] for load in LOADS}      # of its core
        self.threads = {load: [] for load in LOADS}     # ns per request that io_uring's threads took: SQPOLL's
        self.checks = {load: [] for load in CHECKS}
        self.crossings, self.rss, self.load = {}, [], None

    def crossings_at(self, count):
        return f"{self.crossings[count]:.3f}" if count in self.crossings else "-"

    def polls(self):
        """Whether a thread of the kernel works for it, even when there is nothing to do."""
        return any(bench.median(values) > 0 for values in self.threads.values() if values)

    def memory(self):
        return bench.median(self.rss) if self.rss else None


def is_unheld(path):
    """Whether the chapter's README says so: threads that no single connection can hold."""
    readme = os.path.join("chapters", os.path.basename(os.path.dirname(path)), "README.md")
    if not os.path.exists(readme):
        return False
    with open(readme, encoding="utf-8") as file:
        return "hold none" in file.read(400).split("\n\n")[0]


def lab_peer(path):
    _, name = bench.model_of(path)
    peer = Peer(name, [path], count_options=["--hold", "none"] if is_unheld(path) else [])
    peer.lab, peer.event_driven = True, bench.is_event_driven(path)
    return peer


def all_peers(servers):
    peers = [lab_peer(path) for path in servers]
    peers += [Peer("libuv", ["build/tools/peers/uv"]), Peer("libevent", ["build/tools/peers/event"])]
    if shutil.which("redis-server"):
        peers.append(Peer("redis", REDIS, ["--enable-debug-command", "yes", "--hz", "1"],
                          ["--hold", r"CLIENT REPLY SKIP\r\nDEBUG SLEEP %s\r\n", "--sleeps",
                           "--tolerance", str(REDIS_TIMER)]))
    else:
        print("  redis-server is skipped: it is not on PATH (tools/setup test)")
    command = shlex.split(os.environ.get("PEER", ""))
    if command:
        peers.append(Peer(os.path.basename(command[0]), command,
                          count_options=shlex.split(os.environ.get("PEER_HOLD", ""))))
    return peers


# ---- measure ----

def count(peer):
    """Crossings per request, exact, by strace; what can't be counted is left out, and said."""
    load = None
    try:
        load = bench.Load(peer.count_command, ["--strace", *peer.count_options])
        for connections, pipeline in COUNTS:
            total, _, why = load.ask("price", connections, pipeline).partition(" ")
            if total == "-":
                return why
            peer.crossings[connections, pipeline] = float(total) / pipeline
    except bench.Failed as why:
        return str(why)
    finally:
        if load:
            load.close()
    return ""


def check_once(peer, load):
    """The same load by redis-benchmark, from the core that ours comes from."""
    connections, pipeline, requests = load
    core = max(os.sched_getaffinity(0))
    before = peer.load.cpu_ns()
    done = subprocess.run(["redis-benchmark", "-p", str(peer.load.port), "-t", "ping_inline", "-n", str(requests),
                           "-c", str(connections), "-P", str(pipeline), "--csv"], timeout=CHECK_S, check=False,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          preexec_fn=lambda: os.sched_setaffinity(0, {core}))
    if done.returncode != 0:
        raise bench.Failed(f"redis-benchmark on {peer.name} ended with status {done.returncode}")
    return (peer.load.cpu_ns() - before) / requests


def measure_loads(peers, connections, say):
    for peer in peers:
        have, why = peer.load.connections("active", connections)
        if have < connections:
            raise bench.Failed(f"{peer.name} takes {have} connections, not {connections}: {why}")
    for load in (load for load in LOADS if load[0] == connections):
        for peer in peers:
            peer.load.slice(load[2], load[1])    # buffers grow, caches fill: not counted
    for number in range(ROUNDS):
        say(f"{connections} connections, round {number + 1} of {ROUNDS}")
        for load in (load for load in LOADS if load[0] == connections):
            taken = {peer: peer.load.slice_of_ring(load[2], load[1]) for peer in bench.rotated(peers, number)}
            for peer, (cost, share, threads) in taken.items():    # a round counts whole or not at all
                peer.costs[load].append(cost)
                peer.shares[load].append(share)
                peer.threads[load].append(threads)


def measure_checks(peers, say):
    if not shutil.which("redis-benchmark"):
        return
    for number in range(CHECK_ROUNDS):
        for load in CHECKS:
            say(f"redis-benchmark, pipeline {load[1]}, round {number + 1} of {CHECK_ROUNDS}")
            taken = {peer: check_once(peer, load) for peer in bench.rotated(peers, number)}
            for peer, cost in taken.items():
                peer.checks[load].append(cost)


def measure_memory(peer):
    before = peer.load.rss()
    idle, _ = peer.load.connections("idle", IDLE)
    if idle:
        peer.rss.append((peer.load.rss() - before) / idle)


def start(peers, troubles):
    """Who can't be started takes no part."""
    for peer in list(peers):
        try:
            peer.load = bench.Load(peer.command)
        except bench.Failed as why:
            troubles.append(f"{peer.name} takes no part: {why}")
            peers.remove(peer)


def measure_pass(peers, troubles, say):
    try:
        start(peers, troubles)
        measure_checks(peers, say)
        for connections in sorted({load[0] for load in LOADS}):
            measure_loads(peers, connections, say)
        for peer in peers:
            measure_memory(peer)
    finally:
        for peer in peers:
            if peer.load:
                peer.load.close()
            peer.load = None


def measure(peers, troubles):
    """Adds to `troubles` a sentence on each thing that could not be measured."""
    began = time.monotonic()
    for peer in peers:
        bench.progress(f"peers: crossings of {peer.name}")
        why = count(peer)
        if why:
            troubles.append(f"{peer.name}: crossings not counted: {why}")
    for number in range(PASSES):
        def say(what, number=number):
            bench.progress(f"peers: pass {number + 1} of {PASSES}, {what} ({time.monotonic() - began:.0f} s)")
        measure_pass(peers, troubles, say)
    bench.progress("")


# ---- what it says ----

def to_rival(peer, rival, load):
    """Ratio of CPU per request within a round, and its interval; None where there is no round."""
    costs = list(zip(peer.costs[load], rival.costs[load]))
    return bench.ratio(*zip(*costs)) if costs else None


def rivals(peers):
    """Those that the others are compared with."""
    return [p for p in peers if p.name in (*GOALS, READINESS)]


def write(peers, notes):
    rows, ratios = [], []
    for peer in peers:
        memory = "-" if peer.memory() is None else f"{peer.memory():.0f}"
        rows += [(peer.name, *c, c[0] * c[1], "-", peer.crossings_at(c), "-", "-") for c in COUNTS if c in peer.crossings]
        rows += [(peer.name, *load, f"{bench.median(peer.costs[load]):.0f}", "-", memory,
                  f"{bench.median(peer.threads[load]):.0f}") for load in LOADS if peer.costs[load]]
        for rival in rivals(peers):
            ratios += [(peer.name, rival.name, "own", *load[:2], *(f"{f:.3f}" for f in to_rival(peer, rival, load)))
                       for load in LOADS if peer.costs[load]]
            ratios += [(peer.name, rival.name, "redis-benchmark", *load[:2],
                        *(f"{f:.3f}" for f in bench.ratio(peer.checks[load], rival.checks[load])))
                       for load in CHECKS if peer.checks[load]]
    notes = notes + [bench.cores_note(), "crossings: connections × pipeline requests ready at one wake-up"]
    bench.write_tsv(f"{bench.RESULTS}/peers.tsv", notes, "server connections pipeline requests cpu_ns_per_request "
                    "crossings_per_request rss_bytes_per_connection cpu_ns_sq_thread_per_request", rows)
    bench.write_tsv(f"{bench.RESULTS}/peers-ratios.tsv", notes,
                    "server to load connections pipeline ratio low high", ratios)


def tell_costs(peers):
    print("\nCPU of the server per request, µs (connections × pipeline)          crossings per request           memory")
    rows = []
    for peer in peers:
        costs = [f"{bench.median(peer.costs[load]) / 1000:.2f}" if peer.costs[load] else "-" for load in LOADS]
        memory = "-" if peer.memory() is None else f"{peer.memory():,.0f}"
        rows.append((peer.name, *costs, *map(peer.crossings_at, COUNTS), memory))
    bench.table(rows, ["", *(f"{c}×{p}" for c, p, _ in LOADS),
                       *(f"k={k}" + f"×{p}" * (p > 1) for k, p in COUNTS), "bytes/idle"])


def tell_ratios(peers):
    for rival in rivals(peers):
        print(f"\nCPU per request as a ratio to {rival.name}: median of the rounds (95 % interval); b: by redis-benchmark")
        rows = []
        for peer in (p for p in peers if p is not rival):
            rows.append((peer.name, *(bench.times(*r) if (r := to_rival(peer, rival, load)) else "-" for load in LOADS),
                         *(bench.times(*bench.ratio(peer.checks[load], rival.checks[load])) if peer.checks[load] else "-"
                           for load in CHECKS)))
        bench.table(rows, ["", *(f"{c}×{p}" for c, p, _ in LOADS), *(f"b {c}×{p}" for c, p, _ in CHECKS)])


def extremes(peers):
    """A sentence for each load: the cheapest and the dearest."""
    for load in LOADS:
        costs = sorted((bench.median(p.costs[load]), p.name) for p in peers if p.costs[load])
        if len(costs) > 1:
            (least, cheap), (most, dear) = costs[0], costs[-1]
            print(f"  {load[0]} connections, pipeline {load[1]}: {cheap} is cheapest with {least / 1000:.2f} µs, {dear} "
                  f"dearest with {most / 1000:.2f} µs, {most / least:.1f} times as much.")


def tell_sentences(peers):
    print("\nWhat this says")
    extremes(peers)
    by_name = {p.name: p for p in peers}
    libuv, epoll = by_name.get("libuv"), by_name.get("epoll")
    if libuv and epoll and libuv.crossings and libuv.crossings == epoll.crossings:
        print("  libuv and epoll cross the boundary equally often: a library costs no crossings when it is used well.")
    for peer in peers:
        extra = peer.crossings.get((64, 1), 0)
        if extra > 4:
            print(f"  {peer.name} crosses {extra:.1f} times a request even where 64 share a wake-up.")
    both = [(bench.median(p.costs[LOADS[0]]) / bench.median(p.costs[LOADS[1]])) for p in peers if p.costs[LOADS[1]]]
    if both:
        print(f"  Sixteen requests to a crossing make one {min(both):.0f} to {max(both):.0f} times cheaper, in every server: "
              "more than any change of model does.")
    tell_polling(peers)
    shares = [bench.median(p.shares[load]) for p in peers for load in LOADS if p.shares[load] and not p.polls()]
    if shares and min(shares) >= .8:
        print(f"  The load outruns every server: each was busy {100 * min(shares):.0f} % of the time or more.")
    elif shares:
        print(f"  The servers were busy as little as {100 * min(shares):.0f} % of the time: the load did not outrun them, or "
              "other work kept it, or them, off a core.")


def tell_polling(peers):
    """The price of crossings that are not made."""
    for peer in (p for p in peers if p.polls()):
        load = next(load for load in LOADS if peer.costs[load])
        cost, threads = bench.median(peer.costs[load]), bench.median(peer.threads[load])
        print(f"  {peer.name}: of {cost / 1000:.2f} µs a request the kernel's polling thread takes {threads / 1000:.2f} µs, and the "
              f"server's own look-out most of the rest ({load[0]} connections): CPU instead of crossings. The goals below are not its.")


def goals_of(peer, peers):
    """(what, figure, bound, interval) of each goal that can be judged."""
    for rival in (p for p in peers if p.name in GOALS):
        for load in LOADS:
            found = to_rival(peer, rival, load)
            if found:
                yield (f"CPU to {rival.name}, {load[0]}×{load[1]}", found[0], GOALS[rival.name][load[1]], found[1:])
    readiness = next((p for p in peers if p.name == READINESS), None)
    if peer.name == RING and readiness:
        for load in LOADS:
            found = to_rival(peer, readiness, load)
            if found:
                yield f"CPU to {READINESS}, {load[0]}×{load[1]}", found[0], RING_GOALS[load[0]], found[1:]
    least = min((p.memory() for p in peers if not p.lab and p.memory() is not None), default=None)
    if least and peer.memory() is not None:
        yield ("memory to the least of the others", peer.memory() / least, 1.0, None)


def tell_goals(peers):
    """False where one is missed."""
    print("\nGoals of every event-driven server: CPU at most 1.0 × libuv's, 0.85 × redis-server's (0.6 × at pipeline 16); "
          f"memory below the others'.\n  Of {RING}, too: CPU at most 1.0 × {READINESS}'s, 0.9 × with 500 connections")
    met = True
    for peer in (p for p in peers if p.event_driven and not p.polls()):
        missed = []
        judged = list(goals_of(peer, peers))
        for what, figure, bound, found in judged:
            if figure > bound:
                unsure = " (interval reaches across)" if found and found[0] <= bound else ""
                missed.append(f"{what}: {figure:.3f} > {bound}{unsure}")
        met = met and not missed
        print(f"  {'✗' if missed else '✓' if judged else '-'}  {peer.name}: {len(judged) - len(missed)} of {len(judged)}"
              + "".join("\n       " + m for m in missed))
    return met


def tell(peers, troubles, notes):
    write(peers, notes)
    tell_costs(peers)
    tell_ratios(peers)
    tell_sentences(peers)
    met = tell_goals(peers)
    for trouble in troubles:
        print("  " + trouble)
    print(f"\n  {bench.cores_note()}.\n  {bench.RESULTS}/peers.tsv, peers-ratios.tsv")
    return met


def main(servers):
    troubles, peers = [], all_peers(servers)
    notes, code = bench.to_the_end(measure, peers, troubles)
    rounds = min(len(p.costs[load]) for p in peers for load in LOADS)
    notes += [f"{rounds} rounds, medians" + ", QUICK" * bench.QUICK, f"libuv and libevent: tools/peers; {versions()}"]
    met = tell(peers, troubles, notes)
    sys.exit(code or int(not met and os.environ.get("STRICT") == "1"))


def versions():
    found = [bench.version(["redis-server", "--version"])] if shutil.which("redis-server") else []
    for library in ("libuv", "libevent"):
        if shutil.which("pkg-config"):
            found.append(f"{library} " + bench.version(["pkg-config", "--modversion", library]))
    return "; ".join(found)


if __name__ == "__main__":
    main(sys.argv[1:])
