#!/usr/bin/env python3
"""How claims are judged: from figures alone. Seconds; measures nothing."""
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools/claims"))

import counts  # noqa: E402
import growth  # noqa: E402
import ledger  # noqa: E402
import load  # noqa: E402
import reactor  # noqa: E402
import uring  # noqa: E402

HEAD = f"# kernel Linux {ledger.platform.release()} x86_64\n"


def slopes(**models):
    """Rows as scale-slopes.tsv has them: model=(ratio, growth)."""
    return [{"model": name, "active": "1", "up_to": "1000", "ratio": str(ratio), "growth": growth_}
            for name, (ratio, growth_) in models.items()]


def costs(idle, active, **models):
    return [{"model": name, "idle": str(idle), "active": str(active), "cpu_ns_per_request": str(ns)}
            for name, ns in models.items()]


class Ledger(unittest.TestCase):
    def test_result_of_another_kernel_is_not_ours(self):
        self.assertTrue(ledger.is_ours(HEAD))
        self.assertFalse(ledger.is_ours("# kernel Linux 2.6.32 x86_64\n"))

    def test_partial_result_is_not_ours(self):
        self.assertFalse(ledger.is_ours(HEAD + "# partial: interrupted\n"))

    def test_results_are_made_where_they_are_missing(self):
        with tempfile.TemporaryDirectory() as directory, mock.patch.object(ledger, "RESULTS", Path(directory)):
            def make(by):
                Path(directory, f"{by}.tsv").write_text(HEAD + "a\tb\n1\t2\n")
            with mock.patch.object(ledger, "make", make):
                self.assertEqual(ledger.results("costs.tsv", "costs"), [{"a": "1", "b": "2"}])

    def test_no_rows_is_a_skip_with_the_command(self):
        with tempfile.TemporaryDirectory() as directory, mock.patch.object(ledger, "RESULTS", Path(directory)), \
                mock.patch.object(ledger, "make", lambda by: None), self.assertRaisesRegex(ledger.Skipped, "make scale"):
            ledger.results("scale.tsv", "scale")

    def test_number_of_a_missing_row_is_a_skip(self):
        with self.assertRaisesRegex(ledger.Skipped, "model epoll"):
            ledger.number([{"model": "poll", "k": "1"}], "k", model="epoll")

    def test_claims_once_each(self):
        with self.assertRaises(ValueError):
            ledger.claim("C1", "", "")(lambda: None)


class Counts(unittest.TestCase):
    def test_epoll_itself(self):
        self.assertEqual(counts.reports(0, 1), (2, 0))
        self.assertEqual(counts.reports(counts.select.EPOLLET, 1), (1, 1))

    def test_level_triggered_and_unread_never_ends(self):
        self.assertEqual(counts.reports(0, 0), (counts.REPORTS_MAX, 2))

    def test_wakeups(self):
        self.assertEqual(counts.by_wakeups([.125, .125], [.375, .125]), "depends")
        self.assertEqual(counts.by_wakeups([.125, .1], [.375, .125]), "holds")
        self.assertEqual(counts.by_wakeups([.125, .125], [.375, .375]), "fails")


class Growth(unittest.TestCase):
    def judge(self, claim, rows):
        with mock.patch.object(growth, "results", lambda name, by: rows):
            return claim().word

    def test_linear(self):
        self.assertEqual(self.judge(growth.linear, slopes(select=(14, "1.03"), poll=(600, "1.4"))), "holds")
        self.assertEqual(self.judge(growth.linear, slopes(select=(14, "1.03"), poll=(600, "0.3"))), "depends")
        self.assertEqual(self.judge(growth.linear, slopes(select=(1, "-"), poll=(600, "1"))), "fails")

    def test_flat(self):
        self.assertEqual(self.judge(growth.flat, slopes(**{"epoll": (1.02, "-"), "epoll-et": (0.97, "-")})), "holds")
        self.assertEqual(self.judge(growth.flat, slopes(**{"epoll": (1.02, "-"), "epoll-et": (1.5, "-")})), "fails")

    def test_model_that_was_not_measured_is_a_skip(self):
        with self.assertRaisesRegex(ledger.Skipped, "epoll-et"):
            self.judge(growth.flat, slopes(epoll=(1, "-")))

    def test_alike(self):
        near = costs(0, 1, poll=100, epoll=110) + costs(0, 64, poll=100, epoll=110)
        far = costs(100, 1, poll=300, epoll=100)
        self.assertEqual(self.judge(growth.alike, near), "holds")
        self.assertEqual(self.judge(growth.alike, near + far), "depends")
        self.assertEqual(self.judge(growth.alike, near + far + costs(100, 64, poll=300, epoll=100)), "fails")
        self.assertEqual(self.judge(growth.alike, near + costs(15000, 1, poll=900, epoll=100)), "holds")


class Load(unittest.TestCase):
    def test_a_loop_tops_out_at_one_core(self):
        self.assertEqual(load.by_core([(.7, 3000), (.99, 4800), (1.0, 4900)]), "holds")
        self.assertEqual(load.by_core([(.9, 4000), (1.9, 9000)]), "fails")
        with self.assertRaises(ledger.Skipped):
            load.by_core([(.3, 1000), (.5, 2000)])

    def test_a_pool_of_the_formulas_size(self):
        good = {"formula_rps": 3900, "best_rps": 4000, "formula_rss": 100, "largest_rss": 200, "formula_switches": 2, "largest_switches": 4}
        self.assertEqual(load.by_pool([good, good]), "holds")
        self.assertEqual(load.by_pool([good, {**good, "formula_rps": 2000}]), "depends")
        self.assertEqual(load.by_pool([{**good, "largest_rss": 100, "largest_switches": 2}]), "depends")
        self.assertEqual(load.by_pool([{**good, "formula_rps": 2000}]), "fails")

    def test_a_tail_is_lower_only_where_that_is_certain(self):
        self.assertEqual(load.by_tail([(.8, .7, .9), (.9, .8, .99)]), "holds")
        self.assertEqual(load.by_tail([(.8, .7, .9), (.9, .8, 1.1)]), "depends")
        self.assertEqual(load.by_tail([(.9, .5, 1.2)]), "depends")
        self.assertEqual(load.by_tail([(.9, .5, 1.2), (1.3, 1.1, 1.5)]), "fails")
        self.assertEqual(load.by_tail([(.9, .8, .99), (1.3, 1.1, 1.5)]), "depends")


class Uring(unittest.TestCase):
    def test_mode_switches_are_no_context_switches(self):
        self.assertEqual(uring.by_switches(2, 0), "depends")
        self.assertEqual(uring.by_switches(2, 2), "holds")
        self.assertEqual(uring.by_switches(.5, 0), "fails")

    def test_no_call_only_while_it_spins(self):
        self.assertEqual(uring.by_crossings(.003, .08), "depends")
        self.assertEqual(uring.by_crossings(0, 0), "holds")
        self.assertEqual(uring.by_crossings(.02, .02), "fails")

    def test_a_chain_that_sends_more_than_it_received(self):
        whole = {"receive": 6, "send": 6}
        self.assertEqual(uring.by_chain(whole, {"receive": 2, "send": 6}), "depends")
        self.assertEqual(uring.by_chain(whole, {"receive": 2, "send": -125}), "depends")
        self.assertEqual(uring.by_chain(whole, {"receive": 2, "send": 2}), "holds")
        self.assertEqual(uring.by_chain({"receive": 6, "send": -125}, {"receive": 2, "send": -125}), "fails")

    def test_a_saving_in_one_load_of_many_may_be_chance(self):
        gain, none = (.9, .85, .95), (.97, .9, 1.05)
        self.assertEqual(uring.by_ratios([gain] * 4), "holds")
        self.assertEqual(uring.by_ratios([gain, none, none, none]), "depends")
        self.assertEqual(uring.by_ratios([gain] + [none] * 7), "fails")

    def test_less_on_every_transport_or_on_some(self):
        less, even, more = (.8, .7, .9), (.95, .8, 1.1), (1.2, 1.1, 1.3)
        self.assertEqual(uring.by_transports([less, less]), "holds")
        self.assertEqual(uring.by_transports([less, more]), "depends")
        self.assertEqual(uring.by_transports([even, more]), "fails")

    def test_who_does_the_work(self):
        self.assertEqual(uring.by_places({"receive": "inline", "fsync": "worker"}), "depends")
        self.assertEqual(uring.by_places({"receive": "task work"}), "fails")
        self.assertEqual(uring.by_places({"fsync": "worker"}), "holds")

    def test_switched_off_here_or_elsewhere(self):
        self.assertEqual(uring.by_settings(0, 0, True), "depends")
        self.assertEqual(uring.by_settings(2, 0, False), "holds")
        self.assertEqual(uring.by_settings(0, 2, False), "holds")
        self.assertEqual(uring.by_settings(None, 0, False), "fails")

    def test_refused_rows_are_not_judged(self):
        rows = [{"features": "zero-copy", "cpu_ns_per_request": "refused"}, {"features": "zero-copy", "cpu_ns_per_request": "9"}]
        with mock.patch.object(uring, "results", lambda *_: rows):
            self.assertEqual(len(uring.rings(features="zero-copy")), 1)


class Reactor(unittest.TestCase):
    def test_an_adapter_that_crosses_as_often_as_epoll(self):
        self.assertEqual(reactor.by_ledger((3, 3, 1), 1, .98), "holds")
        self.assertEqual(reactor.by_ledger((3, 2, 1), 1, 1.02), "holds")
        self.assertEqual(reactor.by_ledger((3, 2, 1), 1, .9), "depends")

    def test_no_adapter_at_all(self):
        self.assertEqual(reactor.by_ledger((3, 3, 1), 0, 1), "fails")
        self.assertEqual(reactor.by_ledger((3, .5, 1), 1, .8), "fails")


if __name__ == "__main__":
    unittest.main()
