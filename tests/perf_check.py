#!/usr/bin/env python3
"""
perf_check.py CHAPTER...: what syscount counts with strace, counted once more by the kernel's own tracepoint.

One client sends PING after PING, each when it has the last reply, so that every
request is a batch of one. Two runs differ by MORE requests, so the difference of
their totals, divided by MORE, is the price of a request at k = 1, and start and
end cancel out. Exit: 0 they agree, 1 not, 77 perf may not count here.
"""
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

COSTS = Path("build/results/costs.tsv")
EVENT = "raw_syscalls:sys_enter"
FEW, MORE = 50, 500
NEAR = 0.02     # a server may be interrupted a few times in 500 requests
BOUND_S = 10
TRIES = 3


class Unable(Exception):
    """perf may not count here, with the reason."""


def listening(process):
    ready, _, _ = select.select([process.stdout], [], [], BOUND_S)
    found = re.search(rb":(\d+)\n", process.stdout.readline()) if ready else None
    if not found:
        process.kill()
        raise Unable((process.stderr.read().decode().strip().splitlines() or ["the server never listened"])[0])
    return int(found[1])


def talk(port, requests):
    with socket.create_connection(("127.0.0.1", port), BOUND_S) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(requests):
            client.sendall(b"PING\r\n")
            if client.recv(64) != b"+PONG\r\n":
                raise SystemExit("perf_check: that is no PONG")


def child_of(process):
    """The server: perf's only child."""
    return int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])


def calls(server, requests):
    """System calls of a server's whole life, with so many requests in it."""
    with tempfile.NamedTemporaryFile("r") as report:
        words = ["perf", "stat", "-x,", "-e", EVENT, "-o", report.name, "--", server, "--port", "0"]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            talk(listening(process), requests)
            os.kill(child_of(process), signal.SIGTERM)
            process.wait(BOUND_S)
        finally:
            process.kill()
            process.wait()
        found = re.search(rf"^(\d+),.*{EVENT}", report.read(), re.M)
        if not found:
            raise Unable(f"perf does not count {EVENT} here")
        return int(found[1])


def price(chapter):
    server = f"build/plain/solutions/{chapter}/server"
    return (calls(server, FEW + MORE) - calls(server, FEW)) / MORE


def counted(chapter):
    """What the counter has found at k = 1; None for a server that it does not count."""
    for line in COSTS.read_text().splitlines():
        words = line.split("\t")
        if words[0] == str(chapter) and words[2:4] == ["1", "total"]:
            return float(words[4])
    return None


def pairs(chapters):
    """(chapter, its price by strace) for those that have one."""
    if not COSTS.exists():
        raise Unable(f"there is no {COSTS} to compare with: make costs")
    found = [(chapter, counted(int(chapter.split("-")[0]))) for chapter in chapters]
    return [(chapter, wanted) for chapter, wanted in found if wanted is not None]


def agrees(chapter, wanted):
    for _ in range(TRIES):
        found = price(chapter)
        if abs(found - wanted) <= NEAR:
            break
    good = abs(found - wanted) <= NEAR
    print(f"  {'✓' if good else '✗'} {chapter}: perf {found:.3f}, strace {wanted:.3f}", flush=True)
    return good


def main(chapters):
    try:
        results = [agrees(chapter, wanted) for chapter, wanted in pairs(chapters)]
    except (Unable, FileNotFoundError) as why:
        print(f"perf can't be asked: {why}")
        return 77
    print(f"{results.count(True)} passed, {results.count(False)} failed")
    return int(not all(results))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
