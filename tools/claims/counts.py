"""Claims that counts decide: exact figures, from strace and from epoll itself."""

import os
import select
import tempfile

from ledger import Verdict, bench, claim, number, output, records, results, server

BIG_REQUEST = "\\r\\n" * 19997 + "PING\\r\\n"    # 40,000 bytes, three reads; empty lines ask nothing
REPORTS_MAX = 10
READINESS = ("select", "poll", "epoll", "epoll-et")


def two(value):
    """As make costs prints it: 0.125 is 0.13."""
    return f"{value + 1e-9:.2f}"


@claim("C1", "select stops at 1,024 descriptors; poll does not",
       "connections that chapters 2 and 3 accept", ["select", "poll"])
def wall():
    reached = {}
    for name in ("02-select", "03-poll"):
        load = bench.Load([server(name)])
        try:
            reached[name], _ = load.connections("idle", 1500)
        finally:
            load.close()
    holds = reached["02-select"] < 1024 and reached["03-poll"] == 1500
    return Verdict("holds" if holds else "fails",
                   f"of 1,500 connections select kept {reached['02-select']:,}, poll {reached['03-poll']:,}")


def reports(flags, take):
    """How often epoll_wait reports a socket that holds two bytes, when each report is answered by reading `take`."""
    end, other = os.pipe()
    with select.epoll() as poller:
        poller.register(end, select.EPOLLIN | flags)
        os.write(other, b"ab")
        count, left = 0, 2
        while count < REPORTS_MAX and poller.poll(0):
            count += 1
            left -= len(os.read(end, take)) if left and take else 0
    os.close(end)
    os.close(other)
    return count, left


@claim("C6", "level-triggered reports again, edge-triggered tells once: undrained data is lost from sight",
       "a reader that takes one byte of two per report")
def told_once():
    level, level_left = reports(0, 1)
    edge, edge_left = reports(select.EPOLLET, 1)
    holds = (level, level_left, edge, edge_left) == (2, 0, 1, 1)
    return Verdict("holds" if holds else "fails",
                   f"of two bytes, read one by one: {level} reports and {level_left} bytes left; "
                   f"edge-triggered {edge} report and {edge_left} byte left")


def waits_of(name, request):
    """epoll_wait calls per request in held batches of 8."""
    with tempfile.NamedTemporaryFile(suffix=".tsv") as file:
        output("build/tools/syscount", "--batch", 8, "--request", request, "--tsv", file.name, "--", server(name))
        return number(records(file.read().decode()), "per_request", syscall="epoll_wait")


@claim("C7", "edge-triggered saves wake-ups",
       "waits per request of chapters 4 and 5 in the same held batches: PING, and requests of three reads", ["epoll", "epoll-et"])
def saves_wakeups():
    small = [waits_of(name, "PING\\r\\n") for name in ("04-epoll", "05-epoll-et")]
    big = [waits_of(name, BIG_REQUEST) for name in ("04-epoll", "05-epoll-et")]
    return Verdict(by_wakeups(small, big),
                   f"waits a request at k = 8: {two(small[0])} to {two(small[1])} for PING, {two(big[0])} to {two(big[1])} for "
                   "40,000 bytes; draining saves them, and a level-triggered server may drain, too")


def by_wakeups(small, big):
    """Depends, where only requests that take several reads gain."""
    if big[1] >= big[0]:
        return "fails"
    return "holds" if small[1] < small[0] else "depends"


def totals(model):
    rows = results("costs.tsv", "costs")
    return [number(rows, "per_request", model=model, syscall="total", k=k) for k in (1, 8, 64)]


@claim("C8", "an epoll read needs two system calls, io_uring one entry",
       "counts at k = 1 and 64: a request is a read and a write")
def two_against_one():
    rows = results("costs.tsv", "costs")
    epoll = [number(rows, "per_request", model="epoll", syscall=call, k=1) for call in ("epoll_wait", "read")]
    shared = number(rows, "per_request", model="epoll", syscall="epoll_wait", k=64)
    ring = [number(rows, "per_request", model="io_uring", syscall="io_uring_enter", k=k) for k in (1, 64)]
    holds = sum(epoll) == 2 and ring[0] <= 1
    return Verdict("depends" if holds and shared + epoll[1] < 1.5 else "holds" if holds else "fails",
                   f"alone: wait {two(epoll[0])} and read {two(epoll[1])} against {two(ring[0])}, the write included; "
                   f"in a batch of 64: {two(shared)} and {two(epoll[1])} against {two(ring[1])}")


@claim("C16", "each generation amortizes something", "one table from all counts: crossings per request at k = 1 and 64")
def amortizes():
    blocking, ring = totals("blocking"), totals("io_uring")
    loops = [totals(model) for model in READINESS]
    shares = all(t[2] < t[0] for t in loops) and ring[2] < ring[0] and blocking[2] == blocking[0]
    same = len({tuple(t) for t in loops}) == 1
    return Verdict("depends" if shares and same else "holds" if shares else "fails",
                   f"blocking {two(blocking[0])} to {two(blocking[2])}, event loops {two(loops[0][0])} to {two(loops[0][2])}, "
                   f"io_uring {two(ring[0])} to {two(ring[2])}; what the loops amortize among themselves is inside the call (C2, C3)")
