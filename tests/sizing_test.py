#!/usr/bin/env python3
"""What make sizing and make load-check make of plain figures. Runs no server."""
import os
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools/experiments"))

import loadcheck  # noqa: E402
import sizing_words as words  # noqa: E402


def row(**figures):
    return {"offered_rps": 1000, "completed_rps": 1000, "p50_us": 1000, "p99_us": 5000, "switches_per_request": 2.0,
            "rss_bytes": 2 ** 20, "server_share": 1, "load_share": .03, "late": 0, "unanswered": 0, **figures}


def invented(ratio, rates, late=None):
    """A workload of 500 µs on two cores, its runs at 125 % ({pool: requests a second}) and at 80 % ({pool: p99})."""
    work = words.Workload(ratio, 2, 500, 500 * ratio)
    points = [words.Point(work, pool, 1.25, row(completed_rps=rate, switches_per_request=pool)) for pool, rate in rates.items()]
    points += [words.Point(work, pool, .8, row(p99_us=us)) for pool, us in (late or {}).items()]
    return work, points


class Formula(unittest.TestCase):
    def test_threads_and_capacity(self):
        work = words.Workload(9, 2, 500, 4500)
        self.assertEqual((work.formula, work.capacity, work.service), (20, 4000, 5000))

    def test_threads_are_the_bound_until_cores_are(self):
        work = words.Workload(4, 2, 500, 2000)
        self.assertEqual([work.throughput(pool) for pool in (1, 5, 10, 32)], [400, 2000, 4000, 4000])

    def test_more_threads_than_the_cores_can_keep_going_are_no_more_servers(self):
        work = words.Workload(4, 2, 500, 2000)
        self.assertEqual([words.Point(work, pool, .8, row()).servers() for pool in (1, 9, 10, 11, 32)], [1, 9, 10, 10, 10])


class Knee(unittest.TestCase):
    def test_the_smallest_that_is_good_enough(self):
        self.assertEqual(words.knee({1: 100, 2: 200, 4: 370, 8: 400, 32: 390}), 4)
        self.assertEqual(words.knee({1: 100}), 1)
        self.assertEqual(words.knee({2: 400, 1: 399}), 1)

    def test_a_collapse_beyond_the_best(self):
        self.assertEqual(words.knee({1: 100, 2: 400, 32: 200}), 2)

    def test_agreement(self):
        pools = [1, 2, 4, 8, 16, 32]
        self.assertEqual(words.agreement(8, 8.4, pools), "agrees")
        self.assertEqual(words.agreement(16, 10, pools), "agrees", "between 8 and 16 nothing was tried")
        self.assertEqual(words.agreement(32, 10, pools), "more")
        self.assertEqual(words.agreement(4, 2.01, pools), "more", "two were tried, and were not enough")
        self.assertEqual(words.agreement(4, 20, pools), "fewer")
        self.assertEqual(words.agreement(4, 2.1, [1, 2, 3, 4]), "more")

    def test_half_and_nearest(self):
        self.assertEqual([words.half_of([1, 2, 4, 8, 16], f) for f in (20, 8.1, 2, 1)], [8, 4, 1, 1])
        self.assertEqual([words.nearest([1, 2, 4, 8], f) for f in (2.2, 3, 7, 100)], [2, 2, 8, 8])


class Words(unittest.TestCase):
    def test_summary_has_its_columns(self):
        work, points = invented(4, {1: 400, 4: 1500, 10: 3900, 32: 3700}, {1: 9e5, 4: 8e5, 10: 12000, 32: 15000})
        s = words.summary_of(work, points)
        self.assertEqual(len(words.SUMMARY.split()), len(words.summary(work, points)))
        self.assertEqual((s["knee"], s["best_pool"], s["half_pool"], s["largest_pool"]), (10, 10, 4, 32))
        self.assertEqual((s["half_p99_us"], s["formula_p99_us"], s["largest_p99_us"]), (800000, 12000, 15000))
        self.assertEqual((s["formula_switches"], s["largest_switches"]), (10, 32))

    def test_a_queue_that_never_ends(self):
        work, points = invented(4, {1: 400, 4: 1500, 10: 3900, 32: 3700}, {1: 9e5, 4: 8e5, 10: 12000, 32: 15000})
        s = words.summary_of(work, points)
        self.assertIn("10 threads. 10 reach 90 %", words.knee_sentence(work, s, [1, 4, 10, 32]).replace(".0 threads", " threads"))
        self.assertIn("never ends", words.small_sentence(work, s))
        self.assertIn("32 threads", words.large_sentence(work, s))

    def test_pure_computing_only(self):
        self.assertIn("2 threads did 3,900 a second, 32 did 3,800", words.cpu_sentence(*invented(0, {1: 1990, 2: 3900, 32: 3800})))
        self.assertEqual(words.cpu_sentence(*invented(1, {1: 1990, 2: 3900})), "")

    def test_a_partial_run_says_less(self):
        work, points = invented(9, {8: 1500})
        self.assertEqual(words.large_sentence(work, words.summary_of(work, points)), "")
        self.assertEqual(words.of(points, words.Workload(1, 2, 500, 500)), [])

    def test_the_model_is_judged_where_it_is_stable(self):
        work, points = invented(4, {}, {10: 12000, 32: 24000, 4: 800000})
        for point, predicted in zip(points, (10000, 12000, float("inf"))):
            point.predicted_p99 = predicted
        self.assertIn("over 2 stable runs", words.wrong_sentence([work], points))
        self.assertIn("32 threads, 80 % of capacity: 24.0 ms measured, 12.0 ms predicted", words.wrong_sentence([work], points))

    def test_a_machine_that_is_not_quiet(self):
        work, points = invented(0, {1: 1990, 2: 2000, 32: 2000})
        self.assertIn("got 1.0 of its 2 cores", words.starved_sentence([work], points))
        for point in points:
            point.row["server_share"] = 1.9
        self.assertEqual(words.starved_sentence([work], points), "")

    def test_a_student(self):
        work, points = invented(4, {1: 400, 10: 3900})
        s = words.summary_of(work, points)
        self.assertIn("5 threads a core", words.student_sentence(work, s, 5.0))
        self.assertIn("10 on 2", words.student_sentence(work, s, 5.0))
        self.assertEqual(words.student_sentence(work, s, None), "")


class LoadCheck(unittest.TestCase):
    """Shares: (the server's, the load's own)."""

    def test_they_agree(self):
        self.assertTrue(loadcheck.verdict(1.08, (1, .6), (1, .9))[0])
        self.assertTrue(loadcheck.verdict(.93, (1, .6), (1, .9))[0])

    def test_redis_benchmark_was_the_bottleneck(self):
        good, why = loadcheck.verdict(1.5, (.99, .6), (.7, .99))
        self.assertTrue(good)
        self.assertIn("redis-benchmark was the bottleneck itself: it used 99 % of its core, while redis-server used 70 %", why)

    def test_the_load_was_the_bottleneck(self):
        self.assertFalse(loadcheck.verdict(.6, (.7, .99), (.99, .6))[0])

    def test_no_reason_is_a_failure(self):
        self.assertFalse(loadcheck.verdict(.6, (.99, .5), (.99, .6))[0])

    def test_other_work_decided(self):
        good, why = loadcheck.verdict(2.0, (.3, .2), (.2, .2))
        self.assertIsNone(good)
        self.assertIn("other work", why)

    def test_who_outruns_whom(self):
        self.assertTrue(loadcheck.outruns(3.7, 50, .5, .6))
        self.assertTrue(loadcheck.outruns(40, 50, 1, .9), "a ring replies to many at once")
        self.assertFalse(loadcheck.outruns(40, 50, .9, 1))
        self.assertIsNone(loadcheck.outruns(40, 50, .4, .5))

    def test_strace_summary(self):
        text = ("% time     seconds  usecs/call     calls    errors syscall\n------ ----------- ----------- --------- --------- -----\n"
                " 49.60    0.083315           3     25000           epoll_ctl\n 35.21    0.059146          11      5000       4 sendto\n"
                "------ ----------- ----------- --------- --------- -----\n100.00    0.167978           4     30000         4 total\n")
        self.assertEqual(loadcheck.calls_of(text, 5000), "6.0 (5.0 epoll_ctl)")
        self.assertEqual(loadcheck.calls_of("", 5000), "unknown")

    def test_redis_csv_with_and_without_a_head(self):
        old, new = '"PING_INLINE","1234.50"\n', '"test","rps","avg_latency_ms"\n"PING_INLINE","1234.50","0.2"\n'
        self.assertEqual([loadcheck.rate_of(old), loadcheck.rate_of(new)], [1234.5, 1234.5])


if __name__ == "__main__":
    os.chdir(ROOT)
    result = unittest.main(exit=False).result
    bad = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - bad} passed, {bad} failed")
    sys.exit(bool(bad))
