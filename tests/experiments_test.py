#!/usr/bin/env python3
"""What experiments say about their figures, and the workbench of `make rings`: right replies under every set of features."""
import itertools
import os
import socket
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools/experiments"))

import bench  # noqa: E402
import rings  # noqa: E402

WORKBENCH = ROOT / "build/tools/rings/rings"
PING1, PING16, KIB, MIB = rings.LOADS[0], rings.LOADS[1], rings.LOADS[2], rings.LOADS[-1]


class RingsSay(unittest.TestCase):
    def test_verdict_needs_an_interval_without_1_and_a_noticeable_median(self):
        self.assertEqual(rings.verdict(.80, .75, .90), "saves")
        self.assertEqual(rings.verdict(1.30, 1.10, 1.50), "costs")
        self.assertEqual(rings.verdict(.80, .60, 1.01), "nothing")
        self.assertEqual(rings.verdict(1.30, .99, 1.50), "nothing")
        self.assertEqual(rings.verdict(.98, .97, .99), "nothing")
        self.assertEqual(rings.verdict(1.02, 1.01, 1.03), "nothing")

    def test_a_difference_in_percent_or_times(self):
        self.assertEqual([rings.percent(r) for r in (.82, 1.18, 1.99, 2, 24.94)],
                         ["18 %", "18 % more", "99 % more", "2.0 times as much", "24.9 times as much"])
        self.assertEqual(rings.span([.8]), "20 %")
        self.assertEqual(rings.span([.8, .7, .9]), "10 to 30 %")
        self.assertEqual(rings.span([2.2, 5, 3.4]), "2.2 to 5.0 times as much")
        self.assertEqual(rings.span([1.2, 1.3]), "20 to 30 % more")
        self.assertEqual(rings.span([1.2, 3.4]), "20 % more to 3.4 times as much")

    def test_a_feature_that_does_not_pay_is_said_to(self):
        same = rings.sentence("files", "tcp", {PING1: (1.01, .9, 1.1), KIB: (.99, .9, 1.1)})
        self.assertIn("files, tcp: does not pay here", same)
        self.assertIn("0.99 to 1.01", same)
        worse = rings.sentence("zero-copy", "tcp", {PING1: (1.2, 1.1, 1.3), KIB: (1.0, .9, 1.1)})
        self.assertIn("costs 20 % more at PING ×1; no certain difference at BLOB 1 KiB; it does not pay here.", worse)

    def test_a_feature_that_pays_says_where(self):
        text = rings.sentence("defer", "unix", {PING1: (.6, .5, .7), PING16: (.7, .6, .8), MIB: (1.0, .8, 1.2)})
        self.assertIn("defer, unix: saves 30 to 40 % at PING ×1, PING ×16; no certain difference at BLOB 1 MiB.", text)
        self.assertNotIn("not pay", text)
        self.assertIn("at every load", rings.sentence("defer", "tcp", {PING1: (.6, .5, .7)}))

    def test_a_refusal_is_told_from_a_failure(self):
        self.assertEqual(rings.refusal('the server exited with status 77, saying "refused: a ring: Invalid argument"'),
                         "a ring: Invalid argument")
        self.assertIsNone(rings.refusal("the server died of SIGSEGV"))

    def test_prices_are_of_a_request(self):
        self.assertEqual(rings.priced("0.125 io_uring_enter=0.125 operations=2.0", 1), (.125, 2))
        self.assertEqual(rings.priced("0.16 io_uring_enter=0.16 operations=2.0", 16), (.01, .125))
        self.assertEqual(rings.priced("- no exact count", 1), (None, None))

    def test_the_polling_thread_has_a_core_of_its_own_where_there_is_one(self):
        self.assertEqual(rings.sq_core(("sqpoll",), [2, 3, 5, 7]), 3)
        self.assertEqual(rings.sq_core(("sqpoll",), [0, 1]), 0)
        self.assertEqual(rings.sq_core(("sqpoll", "spin"), [0, 1]), 1)
        self.assertEqual(rings.sq_core(("sqpoll", "spin"), [4]), 4)

    def test_a_ratio_is_of_rounds(self):
        cell = rings.Cell()
        for cost, base in ((80, 100), (160, 200), (240, 300)):     # a slower machine, the same ratio
            cell.costs.append(cost)
            cell.base.append(base)
            cell.sq.append(0)
        self.assertEqual(cell.ratio(), (.8, .8, .8))
        row = rings.row_of("tcp", PING1, ("defer",), cell, False)
        self.assertEqual(row, ["tcp", "PING", "-", 1, "defer", "160", "0", "-", "-", "0.800", "0.800", "0.800"])

    def test_what_is_refused_has_a_row(self):
        row = rings.row_of("unix", MIB, ("zero-copy",), rings.Cell(), True)
        self.assertEqual(row[:6], ["unix", "BLOB", 1 << 20, 1, "zero-copy", "refused"])
        self.assertEqual(len(row), 12)


# ---- the workbench ----

FEATURES = ("files", "buffers", "zero-copy", "multishot", "defer", "sqpoll")
ANSWER_S = 10
CLIENTS = 3


def blob(size):
    return b"$%d\r\n%s\r\n" % (size, (b"abcdefghijklmnopqrstuvwxyz" * (size // 26 + 1))[:size])


# In pieces, pipelined, with a reply larger than a socket's buffer in between.
PIECES = (b"PI", b"NG\r\nPING\r\nBLOB 1048576\r\nPING\r\nBLOB 1\r\nBL", b"OB 3\r\nPING\r\n")
REPLIES = (b"+PONG\r\n" * 2 + blob(1 << 20) + b"+PONG\r\n" + blob(1) + b"-ERR unknown command, or no power of two\r\n"
           + b"+PONG\r\n")


class Workbench:
    """One, with these features; `refused` where it ended with 77, after its start or its first send."""

    def __init__(self, features, path):
        command = [WORKBENCH, "--port", "0", *("--" + f for f in features), *(["--unix", path] if path else [])]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.path, self.port = path, self.process.stdout.readline().rpartition(":")[2].strip()

    def connect(self):
        peer = socket.socket(socket.AF_UNIX if self.path else socket.AF_INET)
        peer.settimeout(ANSWER_S)
        peer.connect(self.path or ("127.0.0.1", int(self.port)))
        return peer

    def refused(self):
        """Its words, when it ends so by itself; None while it serves."""
        try:
            status = self.process.wait(1 if self.port else ANSWER_S)
        except subprocess.TimeoutExpired:
            return None
        words = self.process.stderr.read().strip()
        return words if status == 77 and words.startswith("refused: ") else f"ended with {status}: {words}"

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


def exchange(peer, pieces, replies):
    """Whether these replies, and no others, come for these pieces."""
    came = bytearray()
    try:
        for piece in pieces:
            peer.sendall(piece)
        while len(came) < len(replies):
            more = peer.recv(1 << 20)
            if not more:
                break
            came += more
    except OSError:
        pass
    return came == replies


def converse(peer):
    """And then more requests than the workbench keeps of a connection, a few at a time."""
    return (exchange(peer, PIECES, REPLIES)
            and all(exchange(peer, [b"PING\r\n" * 100], b"+PONG\r\n" * 100) for _ in range(30)))


def serves(features, path, clients=CLIENTS):
    """True, or the words of the refusal; any other outcome is a sentence, too."""
    bench_under_test = Workbench(features, path)
    try:
        if not bench_under_test.port:
            return bench_under_test.refused()
        for number in range(clients):   # each on its own, so that descriptors are used again
            with bench_under_test.connect() as first, bench_under_test.connect() as second:
                for peer in (first, second, first):
                    if not converse(peer):
                        return bench_under_test.refused() or f"client {number}: a wrong reply, or none"
        return True
    finally:
        bench_under_test.end()


def expected(features, path, missing):
    """`missing`: features that are refused even alone, by an older kernel or a limit: {feature: the words}."""
    for feature in features:
        if feature in missing:
            return missing[feature]
    if "defer" in features and "sqpoll" in features:
        return "refused: a ring with SQPOLL and DEFER_TASKRUN: Invalid argument"
    if path and "zero-copy" in features:
        return "refused: SEND_ZC on such a socket: Operation not supported"
    return True


@unittest.skipUnless(WORKBENCH.exists(), "the workbench is not built: make build/tools/rings/rings")
class WorkbenchServes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        base = serves((), None)
        if base is not True:
            print(f"skip: the rings' workbench: no io_uring here: {base}", file=sys.stderr)
            raise unittest.SkipTest(base)
        alone = {feature: serves((feature,), None) for feature in FEATURES}
        cls.missing = {feature: words for feature, words in alone.items() if str(words).startswith("refused: ")}
        for feature, words in cls.missing.items():
            print(f"skip: the rings' --{feature}: {words}", file=sys.stderr)

    def each_set(self, path):
        for size in range(len(FEATURES) + 1):
            for features in itertools.combinations(FEATURES, size):
                with self.subTest(features=" ".join(features) or "none"):
                    self.assertEqual(serves(features, path), expected(features, path, self.missing))
        self.assertEqual(serves(("sqpoll", "spin"), path), expected(("sqpoll",), path, self.missing))

    def test_more_connections_than_it_has_room_for_one_after_another(self):
        for features in ((), ("files", "multishot"), ("zero-copy",), ("files", "buffers", "zero-copy", "multishot")):
            with self.subTest(features=" ".join(features) or "none"):
                self.assertEqual(serves(features, None, clients=70), expected(features, None, self.missing))

    def test_tcp(self):
        self.each_set(None)

    def test_unix(self):
        with tempfile.TemporaryDirectory() as directory:
            self.each_set(os.path.join(directory, "socket"))


if __name__ == "__main__":
    bench.QUICK = False
    unittest.main()
