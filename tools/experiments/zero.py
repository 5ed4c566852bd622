#!/usr/bin/env python3
"""What a request costs without a crossing: chapter 8's server beside chapter 6's, in one run, under the same client.

usage: zero.py SERVER6 SERVER8    (QUICK=1: one short round)

CPU time is the process's, the kernel's thread included; and that thread's part. Calls are counted by strace in a run of
their own. Nothing is pinned to a core: two threads that look, and the client, share what there is. Writes zero.tsv:
  model load connections pipeline rate    rate: requests a second that are due; 0: as soon as the last is answered
  rps p50_us p99_us                       requests a second, and how long they took
  cpu_ns_per_request cpu_ns_sq_thread_per_request calls_per_request

Exit: 0 done, 1 failed, 77 there is no io_uring here, 130 interrupted.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import bench

TSV = "build/results/zero.tsv"
# What it is, connections, in flight on each, requests a second (0: a closed loop).
LOADS = [("one request after the other", 1, 1, 0), ("50 connections", 50, 1, 0),
         ("50 connections, 16 requests each", 50, 16, 0), ("50 requests a second", 1, 1, 50)]
ROUNDS = 1 if bench.QUICK else 5
DURATION_S = 1 if bench.QUICK else 2
COLUMNS = ("model load connections pipeline rate rps p50_us p99_us cpu_ns_per_request cpu_ns_sq_thread_per_request "
           "calls_per_request")


class Server:
    """One that runs on a port of its own."""

    def __init__(self, command):
        self.process = subprocess.Popen([*command, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("listening on "):
            raise bench.Failed(self.process.stderr.read().strip() or "the server said nothing")
        self.port = int(line.rsplit(":", 1)[1])

    def cpu_ns(self):
        """Of all its threads: clock_getcpuclockid(3)."""
        return time.clock_gettime_ns((~self.process.pid << 3) | 2)

    def sq_thread_ns(self):
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((t / "schedstat").read_text().split()[0]) for t in tasks if (t / "comm").read_text().startswith("iou-sqp"))

    def close(self):
        self.process.terminate()
        self.process.communicate(timeout=5)


def run(server, load, seconds):
    _, connections, pipeline, rate = load
    paced = {"rate": rate, "arrivals": "constant"} if rate else {}
    return bench.run_load([f":{server.port}"], connections=connections, pipeline=pipeline, duration=seconds, warmup="0", **paced)


def measured(command, load):
    """Requests, and the costs of one, in one round."""
    server = Server(command)
    try:
        cpu, sq = server.cpu_ns(), server.sq_thread_ns()
        row = run(server, load, DURATION_S)
        requests = row["requests"]
        return {"rps": row["completed_rps"], "p50_us": row["p50_us"], "p99_us": row["p99_us"],
                "cpu_ns_per_request": (server.cpu_ns() - cpu) / requests,
                "cpu_ns_sq_thread_per_request": (server.sq_thread_ns() - sq) / requests}
    finally:
        server.close()


def calls(command, load):
    """System calls for each request, those of the connections' beginning and end included; None without strace."""
    with tempfile.NamedTemporaryFile(mode="r", suffix=".strace") as log:
        server = Server(["strace", "-D", "-f", "-qq", "--seccomp-bpf", "-e", "trace=io_uring_enter", "-o", log.name, *command])
        try:
            row = run(server, load, 1)
        finally:
            server.close()
        return sum("io_uring_enter" in line for line in log) / row["requests"]


def rows_of(servers):
    rows = []
    for load in LOADS:
        rounds = {command: [] for command in servers}
        for _ in range(ROUNDS):
            for command in servers:
                bench.progress(f"{load[0]}: {bench.model_of(command)[1]}")
                rounds[command].append(measured([command], load))
        for command in servers:
            costs = {name: bench.median([r[name] for r in rounds[command]]) for name in rounds[command][0]}
            count = calls([command], load) if shutil.which("strace") else None
            rows.append([bench.model_of(command)[1], *load, *(round(cost) for cost in costs.values()),
                         "-" if count is None else f"{count:.4f}"])
    bench.progress("")
    return rows


def main(servers):
    try:
        rows = rows_of(servers)
    except bench.Failed as failed:
        print(f"zero: {failed}", file=sys.stderr)
        return 77 if "cannot make an io_uring" in str(failed) else 1
    notes = [f"{ROUNDS} rounds of {DURATION_S} s, medians{', QUICK' if bench.QUICK else ''}",
             "nothing is pinned: the server, the kernel's thread and the client share the cores"]
    bench.write_tsv(TSV, notes, COLUMNS, rows)
    bench.table([[r[1], r[0], f"{r[5]:,}", r[6], f"{r[8] / 1000:.1f}", f"{r[9] / 1000:.1f}", r[10]] for r in rows],
                ["load", "model", "requests/s", "p50, µs", "CPU, µs a request", "of it iou-sqp", "calls a request"])
    print(f"\nwritten: {TSV}   what looking buys, and what it costs: chapters/08-zero-crossings")
    return 0


if __name__ == "__main__":
    try:
        bench.stop_like_ctrl_c()
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
