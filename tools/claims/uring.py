"""Claims about io_uring: what its features save, when its work is done, where it is allowed."""

import os
import re
import statistics
import tempfile
from pathlib import Path

from ledger import Skipped, Verdict, bench, claim, number, output, records, results, server

NONE = 0.005            # a count below prints as 0.00
PART = 0.25             # of the loads; of forty that gain nothing, one looks certain to gain by chance
FEW = 0.10              # a tenth of what is claimed is no support for it
CLIENTS, STEADY, ROUNDS = 16, 3200, 7   # connections, requests of a slice, rounds
OPERATIONS = 100000     # of C9's claim, a second
CLAIMED_SWITCHES = 200000
TRANSPORTS = {"tcp": "TCP", "unix": "Unix socket", "pipe": "pipe"}


def rings(**where):
    rows = [row for row in results("rings.tsv", "rings") if all(row[k] == v for k, v in where.items())]
    return [row for row in rows if row["cpu_ns_per_request"] != "refused"]


def between(figures):
    low, high = f"{min(figures):.2f}", f"{max(figures):.2f}"
    return low if low == high else f"{low} to {high}"


# ---- C9 ----

def by_switches(crossings_saved, switches_saved):
    """Of OPERATIONS a second: the claim's number may be there, and be of another thing."""
    if switches_saved * OPERATIONS >= (1 - FEW) * CLAIMED_SWITCHES:
        return "holds"
    return "depends" if crossings_saved * OPERATIONS >= (1 - FEW) * CLAIMED_SWITCHES else "fails"


def waits_of(name):
    with tempfile.NamedTemporaryFile(suffix=".tsv") as file:
        output("build/tools/waits", "--model", name, "--tsv", file.name, "--", server(name))
        return number(records(file.read().decode()), "switches_per_request", model=name)


@claim("C9", "at 100,000 operations a second io_uring removes up to 200,000 context switches",
       "crossings and context switches per request, counted apart, of chapters 5 and 6")
def context_switches():
    costs = results("costs.tsv", "costs")
    calls = [number(costs, "per_request", model=model, syscall="total", k=1) for model in ("epoll-et", "io_uring")]
    switches = [statistics.median(waits_of(name) for _ in range(3)) for name in ("05-epoll-et", "06-io_uring")]
    saved = calls[0] - calls[1]
    return Verdict(by_switches(saved, switches[0] - switches[1]),
                   f"mode switches, {saved * OPERATIONS:,.0f} fewer: {calls[0]:.2f} against {calls[1]:.2f} a request; "
                   f"context switches: {switches[0]:.2f} against {switches[1]:.2f}")


# ---- C10 ----

def by_crossings(spinning, sleeping):
    """No call at all with and without a busy wait; with it alone; not even so."""
    if spinning >= NONE:
        return "fails"
    return "holds" if sleeping < NONE else "depends"


def steady_calls(command):
    """Calls a request while the load goes on."""
    load = bench.Load(command, ["--strace"])
    try:
        load.connections("active", CLIENTS)
        return float(load.ask("calls", STEADY, 1))
    finally:
        load.close()


def steady_costs(commands):
    """CPU of a request of each, in ns: a list of rounds."""
    loads = [bench.Load(command) for command in commands]
    try:
        for load in loads:
            load.connections("active", CLIENTS)
            load.slice(STEADY)
        return list(zip(*([load.slice(STEADY)[0] for load in loads] for _ in range(ROUNDS))))
    finally:
        for load in loads:
            load.close()


@claim("C10", "with SQPOLL the hot path has no system call",
       "calls of chapter 8's server under steady load, with its busy wait for completions and without; and its CPU beside chapter 6's")
def no_system_call():
    plain, spinning = [server("06-io_uring")], [server("08-zero-crossings")]
    sleeping = [*spinning, "--spin", "0"]
    calls = steady_calls(spinning), steady_calls(sleeping)
    base, *costs = steady_costs([plain, spinning, sleeping])
    more = [bench.ratio(cost, base)[0] for cost in costs]
    return Verdict(by_crossings(*calls),
                   f"{calls[0]:.3f} calls a request where the server spins for completions, {calls[1]:.3f} where it sleeps; "
                   f"{more[0]:.1f} and {more[1]:.1f} times chapter 6's CPU"
                   + (", on too few cores for the kernel's thread" if len(os.sched_getaffinity(0)) < 3 else ""))


# ---- C11 ----

def by_chain(whole, short):
    """A chain that sends what it never received serves only requests whose size is known."""
    if whole["send"] <= 0:
        return "fails"
    return "depends" if short["send"] > short["receive"] or short["send"] < 0 else "holds"


def chains():
    names = ("what", "accept", "receive", "send")
    for line in output("build/tools/claims/chain").splitlines():
        words = line.split("\t")
        yield {**dict(zip(names, [words[0], *map(int, words[1:4])])), "reply": words[4]}


@claim("C11", "a linked accept–read–write serves a request without coming back",
       "accept, receive and send in one submission, for a whole request and for a part of one")
def linked_chain():
    whole, short, patient = chains()
    return Verdict(by_chain(whole, short),
                   f"a whole request: yes. A receive of {short['receive']} bytes: the send's size is fixed before, and {short['send']} leave "
                   f"(“{short['reply']}”, the rest from the buffer's past); with MSG_WAITALL the chain breaks ({patient['send']})")


# ---- C12 ----

def by_ratios(ratios):
    """(ratio, low, high) each: holds where all are certainly below 1, fails where few are."""
    below = [high < 1 for _, _, high in ratios]
    return "holds" if all(below) else "depends" if sum(below) >= PART * len(below) else "fails"


@claim("C12", "fixed files and fixed buffers save bookkeeping",
       "CPU per request with and without, in the same run, on TCP and on a Unix socket, for PING and BLOB")
def saves_bookkeeping():
    words, every = [], []
    for feature in ("files", "buffers"):
        found = [tuple(float(row[c]) for c in ("ratio", "ratio_low", "ratio_high")) for row in rings(features=feature)]
        if not found:
            raise Skipped(f"make rings measured nothing with {feature} here")
        sure = sum(high < 1 for _, _, high in found)
        words.append(f"{feature} × {between([f[0] for f in found])}, certainly less in {sure} of {len(found)} loads")
        every += found
    return Verdict(by_ratios(every), "; ".join(words))


# ---- C13 ----

def by_transports(ratios):
    """Of io_uring to epoll, (ratio, low, high) each: is it certainly the least everywhere, nowhere, or here and there?"""
    less = [high < 1 for _, _, high in ratios]
    return "holds" if all(less) else "depends" if any(less) else "fails"


def echoes():
    """{(transport, channels): (ratio, low, high)}"""
    rounds = {}
    for line in output("build/tools/claims/transport", 15, bound_s=90).splitlines():
        transport, channels, _, epoll, ring = line.split("\t")
        rounds.setdefault((transport, int(channels)), []).append((float(ring), float(epoll)))
    return {key: bench.ratio(*zip(*pairs)) for key, pairs in rounds.items()}


def chapters():
    """{pipeline: (ratio, low, high)} of chapter 6 to chapter 5, over TCP, 50 connections."""
    rows = [row for row in results("peers-ratios.tsv", "peers") if row["server"] == "io_uring" and row["to"] == "epoll-et"]
    rows = [row for row in rows if row["load"] == "own" and row["connections"] == "50"]
    if not rows:
        raise Skipped("make peers has not compared io_uring with epoll-et")
    return {int(row["pipeline"]): tuple(float(row[c]) for c in ("ratio", "low", "high")) for row in rows}


@claim("C13", "io_uring has the least overhead, and so more throughput",
       "CPU of io_uring to epoll, in alternating rounds: chapters 6 and 5; an echo over TCP, Unix socket, pipe; ping-pong and streaming")
def least_overhead():
    ratios = {f"chapter 6 to 5, pipeline {p}": ratio for p, ratio in sorted(chapters().items())}
    found = echoes()
    for transport, name in TRANSPORTS.items():
        alone, many = (found[transport, n] for n in sorted(n for t, n in found if t == transport))
        ratios |= {f"{name}, ping-pong": alone, f"{name}, streaming": many}
    return Verdict(by_transports(ratios.values()), sorted_out(ratios))


def sorted_out(ratios):
    """Where io_uring certainly takes less of the CPU than epoll, where more; the rest's intervals hold 1."""
    less = {name: r for name, r in ratios.items() if r[2] < 1}
    more = {name: r for name, r in ratios.items() if r[1] > 1}
    sure = [f"{side}: " + "; ".join(f"{name} × {bench.times(*r)}" for name, r in those.items())
            for side, those in (("Less CPU than epoll", less), ("More", more)) if those]
    rest = [f"{name} × {r[0]:.2f}" for name, r in ratios.items() if name not in {**less, **more}]
    return ". ".join(sure + ["Undecided: " + "; ".join(rest)] * bool(rest))


# ---- C19 ----

def by_places(places):
    """{operation: where}: all by others, none, or some."""
    elsewhere = [where == "worker" for where in places.values()]
    return "holds" if all(elsewhere) else "depends" if any(elsewhere) else "fails"


@claim("C19", "io_uring runs operations asynchronously, in the kernel's own time",
       "where five operations complete: inline at submission, from task work, or on a worker thread (/proc/PID/task)")
def in_its_own_time():
    places = dict(line.split("\t") for line in output("build/tools/claims/where").splitlines())
    return Verdict(by_places(places), "; ".join(f"{where}: {', '.join(o for o in places if places[o] == where)}"
                                                for where in dict.fromkeys(places.values())) + ". Only a worker has a time of its own")


# ---- C20 ----

def by_settings(disabled, filtered, made):
    """`made`: a ring can be made here. Switched off here, or only elsewhere."""
    if made:
        return "depends"
    return "holds" if disabled or filtered else "fails"


def setting(path, pattern=r"(\d+)"):
    """A number in a file of /proc; None where there is no such file."""
    found = re.search(pattern, Path(path).read_text()) if Path(path).exists() else None
    return int(found[1]) if found else None


def refused_with(error):
    """What chapter 6's server says when io_uring_setup(2) fails so."""
    with tempfile.NamedTemporaryFile() as log:
        try:
            output("strace", "-f", "-qq", "-o", log.name, "-e", f"inject=io_uring_setup:error={error}",
                   server("06-io_uring"), "--port", 0, bound_s=10)
        except bench.Failed as why:
            return str(why).partition(": ")[2]
    return "nothing"


def ring_is_made():
    """By the smallest program that makes one."""
    try:
        output("build/tools/claims/where")
    except Skipped:
        return False
    return True


@claim("C20", "io_uring is switched off in hardened places",
       "what sysctl and seccomp say here, and what chapter 6's server says where it is refused")
def switched_off():
    disabled = setting("/proc/sys/kernel/io_uring_disabled")
    filtered = setting("/proc/self/status", r"Seccomp:\s*(\d)") or 0
    made = ring_is_made()
    here = f"here a ring {'can' if made else 'can not'} be made: kernel.io_uring_disabled is " \
           f"{'not known' if disabled is None else disabled}, {'a' if filtered else 'no'} seccomp filter"
    return Verdict(by_settings(disabled, filtered, made),
                   f"{here}. On EPERM chapter 6's server says “{reason(refused_with('EPERM'))}”, on ENOSYS “{reason(refused_with('ENOSYS'))}”")


def reason(words):
    """Of “what failed: errno. Why: what to do.” the why."""
    return words.partition(". ")[2].partition(":")[0] or words
