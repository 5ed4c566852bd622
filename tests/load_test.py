#!/usr/bin/env python3
"""The load generator's behaviour: exact counts, what it says of wrong replies, of servers that die, of rates that can't be kept.

Runs build/tools/load against a server of its own (below), which can be told to misbehave, and against chapter 4's. What is
asserted are counts, sentences and exit codes; never how long something took.
"""
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOAD = os.environ.get("LOAD", "build/tools/load")
EPOLL = "build/plain/solutions/04-epoll/server"
PATIENCE_S = 30


class Fake:
    """A RESP server in threads of this process. `answer(n, line)` gives the reply to the nth request; None closes."""

    def __init__(self, answer=None):
        self.answer = answer or (lambda number, line: reply_to(line))
        self.lines, self.lock, self.peers = [], threading.Lock(), set()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.address = f":{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.peers.add(peer)
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def serve(self, peer):
        try:
            for line in peer.makefile("rb"):
                with self.lock:
                    self.lines.append(line.rstrip(b"\r\n"))
                    reply = self.answer(len(self.lines), self.lines[-1])
                if reply is None:
                    break
                peer.sendall(reply)
        except OSError:
            pass
        with self.lock:
            self.peers.discard(peer)
        peer.close()

    def seen(self):
        with self.lock:
            return len(self.lines)

    def close(self):
        self.listener.close()
        with self.lock:
            for peer in self.peers:
                peer.shutdown(socket.SHUT_RDWR)


def reply_to(line):
    word, _, rest = line.partition(b" ")
    if word == b"ECHO":
        return b"$%d\r\n%s\r\n" % (len(rest), rest)
    return b"+PONG\r\n" if word == b"PING" else b"+DONE\r\n"


class Result:
    def __init__(self, code, out, err, tsv):
        self.code, self.out, self.err, self.tsv = code, out, err, tsv
        lines = [line.split("\t") for line in tsv.splitlines() if line and not line.startswith("#")]
        self.rows = [dict(zip(lines[0], line)) for line in lines[1:]]

    def row(self):
        return self.rows[0]

    def figure(self, column):
        return float(self.row()[column])


class Running:
    """The load, under way."""

    def __init__(self, command, options, limit=None):
        self.file = tempfile.NamedTemporaryFile(suffix=".tsv")
        self.process = subprocess.Popen([LOAD, *options, "--tsv", self.file.name, "--", *command], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, preexec_fn=limit)

    def result(self):
        out, err = self.process.communicate(timeout=PATIENCE_S)
        return Result(self.process.returncode, out, err, Path(self.file.name).read_text())

    def server(self):
        """The process that it has started."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0]) if children else 0


def run(command, *options, limit=None):
    command = [command] if isinstance(command, str) else command
    return Running(command, options, limit).result()


def until(condition):
    """Waits for what other processes bring about, not for a time."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("waited in vain")
        time.sleep(.005)


class Case(unittest.TestCase):
    def fake(self, answer=None):
        server = Fake(answer)
        self.addCleanup(server.close)
        return server


class Counts(Case):
    def test_a_closed_loop_asks_exactly_as_often_as_told(self):
        server = self.fake()
        done = run(server.address, "--connections", "7", "--pipeline", "3", "--count", "1000", "--warmup", "0")
        self.assertEqual((done.code, done.err), (0, ""))
        self.assertEqual((done.figure("requests"), server.seen()), (1000, 1000 + 7))
        self.assertEqual((done.row()["verdict"], done.row()["loop"]), ("done", "closed"))

    def test_an_open_loop_asks_exactly_as_often_as_told(self):
        for arrivals in ("poisson", "constant"):
            server = self.fake()
            done = run(server.address, "--connections", "3", "--rate", "20000", "--arrivals", arrivals, "--count", "777",
                       "--warmup", "0")
            self.assertEqual((done.code, done.figure("requests"), server.seen()), (0, 777, 777 + 3))
            self.assertEqual((done.row()["loop"], done.figure("unanswered")), (arrivals, 0))

    def test_the_warm_up_does_not_count(self):
        server = self.fake()
        done = run(server.address, "--connections", "2", "--count", "10", "--warmup", "0.1")
        self.assertEqual(done.figure("requests"), 10)
        self.assertGreater(server.seen(), 12)

    def test_every_constant_arrival_of_the_counted_time(self):
        """1,000 a second for half a second are 500, on time or not."""
        done = run(self.fake().address, "--rate", "1000", "--arrivals", "constant", "--duration", "0.5", "--warmup", "0.25")
        self.assertEqual((done.figure("requests"), done.code), (500, 0))

    def test_each_command_of_a_mix_has_a_row(self):
        done = run(EPOLL, "--mix", "PING=3,ECHO hello,BLOB 70000,WORK 0 0", "--count", "400", "--warmup", "0")
        self.assertEqual([row["command"] for row in done.rows], ["all", "PING", "ECHO hello", "BLOB 70000", "WORK 0 0"])
        self.assertEqual(sum(float(row["requests"]) for row in done.rows[1:]), 400)

    def test_the_same_seed_asks_the_same(self):
        asked = {}
        for seed in ("5", "5 again", "6"):
            server = self.fake()
            run(server.address, "--connections", "1", "--mix", "PING,ECHO x,WORK ~10 ~20", "--count", "60", "--warmup", "0",
                "--seed", seed[0])
            asked[seed] = server.lines
        self.assertEqual(asked["5"], asked["5 again"])
        self.assertNotEqual(asked["5"], asked["6"])

    def test_idle_connections_ask_nothing(self):
        server = self.fake()
        done = run(server.address, "--connections", "2", "--idle", "20", "--count", "50", "--warmup", "0")
        self.assertEqual((done.code, done.figure("idle"), server.seen()), (0, 20, 50 + 2 + 20))

    def test_append_keeps_what_is_there(self):
        with tempfile.NamedTemporaryFile(suffix=".tsv") as file:
            for model in ("one", "two"):
                subprocess.run([LOAD, "--tsv", file.name, "--append", "--model", model, "--count", "10", "--warmup", "0", "--",
                                EPOLL], check=True, stdout=subprocess.DEVNULL)
            text = Path(file.name).read_text()
        self.assertEqual((text.count("\nmodel\t"), text.count("\none\t"), text.count("\ntwo\t")), (1, 1, 1))


class Trouble(Case):
    def partial(self, done, *sentences):
        self.assertEqual(done.code, 1)
        self.assertEqual(len(done.err.strip().splitlines()), 1, done.err)
        for sentence in sentences:
            self.assertIn(sentence, done.err)
        self.assertIn("partial", done.out)

    def test_a_wrong_reply(self):
        server = self.fake(lambda number, line: b"+PANG\r\n" if number == 300 else b"+PONG\r\n")
        done = run(server.address, "--connections", "2", "--warmup", "0")
        self.partial(done, 'a wrong one to PING: expected "+PONG\\r\\n", got "+PA')
        self.assertTrue(done.row()["verdict"].startswith("partial: "))
        self.assertIn("# partial: ", done.tsv)
        self.assertGreaterEqual(done.figure("requests"), 296)

    def test_a_wrong_byte_late_in_a_long_reply(self):
        blob = bytes(97 + i % 26 for i in range(5000))
        right = b"$5000\r\n" + blob + b"\r\n"
        server = self.fake(lambda number, line: b"+PONG\r\n" if line == b"PING" else
                           right if number < 40 else right[:-3] + b"!\r\n")
        self.partial(run(server.address, "--connections", "1", "--mix", "BLOB 5000"), "a wrong one to BLOB 5000", "…")

    def test_a_reply_that_nobody_asked_for(self):
        server = self.fake(lambda number, line: b"+PONG\r\n+PONG\r\n" if number == 50 else b"+PONG\r\n")
        done = run(server.address, "--connections", "1", "--warmup", "0")
        self.assertEqual(done.code, 1)
        self.assertRegex(done.err, "one that nobody asked for|a wrong one")

    def test_a_connection_that_the_server_closes(self):
        server = self.fake(lambda number, line: None if number == 200 else b"+PONG\r\n")
        self.partial(run(server.address, "--connections", "4"), "was closed by the server", "owed")

    def test_an_idle_connection_that_the_server_closes(self):
        server = self.fake()
        running = Running([server.address], ["--connections", "1", "--idle", "3", "--duration", "60"])
        until(lambda: server.seen() > 100)
        with server.lock:
            idle = sorted(server.peers, key=lambda peer: peer.getpeername()[1])[-1]
            idle.shutdown(socket.SHUT_RDWR)
        self.assertEqual(running.result().code, 1)

    def test_a_server_that_dies_in_mid_run(self):
        running = Running([EPOLL], ["--duration", "60", "--warmup", "0"])
        until(lambda: running.server() and len(os.listdir(f"/proc/{running.server()}/fd")) > 50)
        until(lambda: cpu_ticks(running.server()) >= 2)
        os.kill(running.server(), signal.SIGSEGV)
        done = running.result()
        self.partial(done, "the server died of SIGSEGV")
        self.assertGreater(done.figure("requests"), 0)

    def test_a_server_that_falls_silent(self):
        server = self.fake(lambda number, line: b"+PONG\r\n" if number < 50 else b"")
        self.partial(run(server.address, "--connections", "1", "--patience", "0.3"), "no reply for 0.3 s")

    def test_a_server_that_is_not_there(self):
        self.assertEqual(run("build/no-such-server").code, 1)
        done = run(":1")
        self.assertEqual((done.code, len(done.err.splitlines())), (1, 1))
        self.assertIn("Connection refused", done.err)

    def test_one_that_refuses(self):
        done = run("build/plain/solutions/02-select/server", "--connections", "1500")
        self.assertEqual(done.code, 1)
        self.assertIn("said to the next: -ERR", done.err)

    def test_too_few_descriptors(self):
        done = run(EPOLL, "--connections", "500", limit=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200)))
        self.assertEqual((done.code, len(done.err.splitlines())), (1, 1))
        self.assertIn("too few descriptors: 500 connections need", done.err)

    def test_ctrl_c_keeps_what_was_measured(self):
        server = self.fake()
        running = Running([server.address], ["--connections", "2", "--duration", "60", "--warmup", "0"])
        until(lambda: server.seen() > 100)
        running.process.send_signal(signal.SIGINT)
        done = running.result()
        self.assertEqual(done.code, 130)
        self.assertGreater(done.figure("requests"), 90)
        self.assertIn("partial: interrupted by SIGINT", done.row()["verdict"])

    def test_no_server_is_left_behind(self):
        running = Running([EPOLL], ["--duration", "60"])
        until(running.server)
        pid = running.server()
        running.process.send_signal(signal.SIGTERM)
        running.result()
        self.assertFalse(Path(f"/proc/{pid}").exists())

    def test_usage(self):
        for words in (["--mix", "GET x"], ["--mix", "SPIN 5"], ["--rate", "x"], ["--arrivals", "often"], ["--omission"],
                      ["--duration", "0"], ["--pipeline", "5000"], ["--nonsense"], ["--connections", "0"]):
            done = run(EPOLL, *words)
            self.assertEqual((done.code, len(done.err.splitlines()), done.out), (2, 1, ""), words)
        self.assertEqual(subprocess.run([LOAD], capture_output=True, check=False).returncode, 2)
        told = subprocess.run([LOAD, "--help"], capture_output=True, text=True, check=False)
        self.assertEqual(told.returncode, 0)
        self.assertIn("--omission", told.stdout)


def cpu_ticks(pid):
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


class Schedule(Case):
    def test_a_rate_that_can_not_be_kept(self):
        """One loop that waits 20 ms for each request answers 50 a second at the most."""
        done = run(EPOLL, "--rate", "1000", "--connections", "8", "--mix", "WORK 0 20000", "--duration", "0.5", "--drain", "0.1")
        self.assertEqual(done.code, 0)
        self.assertIn("The server did not keep the rate", done.out)
        self.assertLessEqual(done.figure("completed_rps"), 60)
        self.assertGreater(done.figure("unanswered"), 300)
        self.assertIn("had no reply at the end", done.out)

    def test_omission_is_shown(self):
        """The loop stalls; with one connection, one request alone leaves before it, and all that are due meanwhile wait."""
        done = run(EPOLL, "--connections", "1", "--rate", "1000", "--arrivals", "constant", "--count", "1000", "--warmup", "0",
                   "--stall", "400", "--omission")
        self.assertEqual(done.code, 0)
        self.assertIn("naive: from the send", done.out)
        stall_us = done.figure("max_us")    # as it came out: the pace of a spin is measured, and never quite right
        self.assertGreaterEqual(stall_us, 150000)
        self.assertGreater(done.figure("p90_us"), stall_us / 4, "the latency from when they were due")
        self.assertLess(done.figure("naive_p99_us"), done.figure("p90_us"), "the naive one does not see them")

    def test_it_says_when_it_fell_behind_itself(self):
        server = self.fake()
        running = Running([server.address], ["--connections", "4", "--rate", "200", "--arrivals", "constant", "--count", "400",
                                             "--warmup", "0"])
        until(lambda: server.seen() > 20)
        running.process.send_signal(signal.SIGSTOP)
        time.sleep(.5)      # 100 requests are due meanwhile
        running.process.send_signal(signal.SIGCONT)
        done = running.result()
        self.assertEqual((done.code, done.figure("requests")), (0, 400))
        self.assertIn("The load fell behind its schedule", done.out)
        self.assertGreater(done.figure("late"), .2)

    def test_a_slow_server_is_not_the_loads_lateness(self):
        """One connection, 50 replies a second: requests leave late because no connection is free, and it is not our fault."""
        done = run(EPOLL, "--connections", "1", "--rate", "500", "--arrivals", "constant", "--mix", "WORK 0 20000", "--duration",
                   "0.5", "--warmup", "0", "--drain", "0")
        self.assertLess(done.figure("late"), .5)
        self.assertGreater(done.figure("p50_us"), done.figure("naive_p50_us"))


if __name__ == "__main__":
    os.chdir(ROOT)
    result = unittest.main(exit=False, verbosity=1).result
    bad = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - bad} passed, {bad} failed")
    sys.exit(bool(bad))
