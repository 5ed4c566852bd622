#!/usr/bin/env python3
"""What make ports says of its figures, and the claim made of them: from invented figures. Seconds; measures nothing."""
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tools/experiments"), str(ROOT / "tools/claims")]

import ports_words as words  # noqa: E402


def line(model, *rates):
    return [{"model": model, "cpu_us": 200, "wait_us": 800, "workers": 2 ** i, "completed_rps": rate, "p99_us": 1000, "context_switches": 3.0,
             "server_share": 1.9}
            for i, rate in enumerate(rates)]


class Ports(unittest.TestCase):
    def test_near_is_the_stretch_around_the_best(self):
        best, first, last = words.near(line("port", 10, 95, 100, 91, 80, 99))
        self.assertEqual((best["workers"], first, last), (4, 2, 8))

    def test_a_summary_for_each_model_and_workload(self):
        found = words.summaries(line("port", 10, 100, 95) + line("thread-pool", 10, 100, 50), 2)
        self.assertEqual([(s["model"], s["best_workers"], s["largest_rps"]) for s in found], [("port", 2, 95), ("thread-pool", 2, 50)])
        self.assertEqual([words.kept(s) for s in found], [.95, .5])

    def test_who_got_less_than_it_wanted_is_told(self):
        self.assertIn("other work", words.cores_sentence(2, 1.1))
        self.assertNotIn("other work", words.cores_sentence(2, 1.9))

    def test_the_verdict(self):
        import completion
        self.assertEqual(completion.by_size([(.95, .6, 1.0), (.9, .7, .9)]), "holds")
        self.assertEqual(completion.by_size([(.95, .6, 1.0), (.9, .7, .6)]), "depends")   # flat, but low
        self.assertEqual(completion.by_size([(.95, .9, 1.0)]), "depends")                 # nothing falls
        self.assertEqual(completion.by_size([(.5, .5, 1.0)]), "fails")


if __name__ == "__main__":
    unittest.main()
