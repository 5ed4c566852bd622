#!/usr/bin/env python3
"""The lab's own parts: the manifest's grammar, starters, mutants, journals, the report. Seconds; runs no server."""
import os
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools/lab"))

import build  # noqa: E402
import check_links  # noqa: E402
import check_manifest  # noqa: E402
import common  # noqa: E402
import costs  # noqa: E402
import counter  # noqa: E402
import give  # noqa: E402
import manifest  # noqa: E402
import mutant  # noqa: E402
import programs  # noqa: E402
import render  # noqa: E402
import report  # noqa: E402
import student  # noqa: E402
import suite  # noqa: E402

README = """# 4 · epoll — the kernel keeps the list
refines 3 · files server.c

### 4.1 Register once
10 points · epoll_ctl(2)

Predict: how many calls
does it take? (calls)

```
### 9.9 Not a heading
```

<details><summary>Hint 1</summary>

Look.
</details>
<details><summary>Hint 2</summary>
Why.
</details>
<details><summary>Hint 3</summary>
Nearly code.
</details>

### 4.2 Don't use `it` twice!
5 points · after 4.1 · epoll(7) "Possible pitfalls"

Predict: how many?

## What it cost

| crossing | budget |
|---|---|
| epoll_wait | 1/k |
| total | 2 + 1/k |
"""

SOLUTION = """static int before;

static void watch(void)
{
	start();
#ifndef NAIVE_4_1
	solved_one();
#else
	/* TODO 4.1 */
	naive_one();
#endif
#ifndef NAIVE_4_2
	solved_two();
#else
	/* TODO 4.2 */
	naive_two();
#endif
	middle();
#ifndef NAIVE_4_1
	solved_more();
#else
	/* TODO 4.1 */
#endif
}
"""


def chapter():
    return manifest.parse("04-epoll", README)


class Manifest(unittest.TestCase):
    def test_reads_the_head(self):
        c = chapter()
        self.assertEqual((c.number, c.model, c.title, c.refines, c.files), (4, "epoll", "the kernel keeps the list", 3, ["server.c"]))
        self.assertEqual(c.problems, [])

    def test_reads_exercises_outside_code(self):
        first, second = chapter().exercises
        self.assertEqual((first.id, first.title, first.points, first.man), ("4.1", "Register once", 10, "epoll_ctl(2)"))
        self.assertEqual((first.question, first.unit), ("how many calls does it take?", "calls"))
        self.assertEqual(first.hints, ["Look.", "Why.", "Nearly code."])
        self.assertEqual((second.after, second.man, second.line), (["4.1"], 'epoll(7) "Possible pitfalls"', 25))

    def test_makes_anchors_as_a_forge_does(self):
        self.assertEqual([e.anchor for e in chapter().exercises], ["41-register-once", "42-dont-use-it-twice"])

    def test_reads_the_budget(self):
        self.assertEqual(chapter().budget, {"epoll_wait": "1/k", "total": "2 + 1/k"})
        self.assertEqual(manifest.price("2 + 1/k", 8), 2.125)
        self.assertEqual(manifest.price("<= 3/k", 64), 3 / 64)
        self.assertIsNone(manifest.price("about 2", 1))

    def test_names_line_and_rule_of_a_mistake(self):
        self.assertEqual(manifest.parse("x", "# four\n").problems[0][0], 1)
        wrong = README.replace("10 points ·", "ten points ·").replace("Hint 2", "Hint 3", 1).replace("2 + 1/k", "two")
        self.assertEqual([line for line, _ in manifest.parse("04-epoll", wrong).problems], [5, 18, 35])

    def test_before_is_transitive(self):
        c = chapter()
        third = manifest.Exercise("4.3", "x", 1, after=["4.2"])
        c.exercises.append(third)
        self.assertEqual([e.id for e in c.before(third)], ["4.1", "4.2"])

    def test_check_finds_what_does_not_agree(self):
        rules = [rule for _, _, rule in check_manifest.exercises(chapter())]
        self.assertEqual(rules, ["4.2 has 3 hints"])


class Render(unittest.TestCase):
    def test_starter_has_titles_and_no_macro(self):
        text = render.starter(chapter(), SOLUTION)
        self.assertIn("/* TODO 4.1: Register once */\n\tnaive_one();", text)
        self.assertIn("\tmiddle();\n\t/* TODO 4.1, continued */\n}", text)
        self.assertNotIn("NAIVE", text)
        self.assertNotIn("solved", text)

    def test_starter_lines_are_those_that_unifdef_gives(self):
        lines, places = render.starter_places(chapter(), SOLUTION, "4.1")
        self.assertEqual("\n".join(lines), render.starter(chapter(), SOLUTION))
        self.assertEqual([lines[start:end] for start, end, _ in places],
                         [["\t/* TODO 4.1: Register once */", "\tnaive_one();"], ["\t/* TODO 4.1, continued */"]])

    def test_clean_text_has_no_mark(self):
        text = render.clean(SOLUTION)
        self.assertNotIn("TODO", text)
        self.assertIn("\tsolved_one();\n\tsolved_two();\n\tmiddle();\n\tsolved_more();\n", text)

    def test_regions_know_their_function(self):
        found = render.regions(SOLUTION)
        self.assertEqual([r.id for r in found], ["4.1", "4.2", "4.1"])
        self.assertEqual(render.region_function(SOLUTION, found[2]), "watch")

    def test_other_conditionals_are_left_alone(self):
        text = "#ifndef NAIVE_4_1\n#ifdef OTHER\nx\n#else\ny\n#endif\n#else\n/* TODO 4.1 */\n#endif\n"
        (region,) = render.regions(text)
        self.assertEqual(region.solved(text.split("\n")), ["#ifdef OTHER", "x", "#else", "y", "#endif"])
        self.assertIn("#ifdef OTHER", render.clean(text))

    def test_broken_regions_are_named(self):
        broken = SOLUTION.replace("\tsolved_two();", "\tif (x) {").replace("#endif\n}", "#ifdef NAIVE_4_3\n#endif\n#endif\n}")
        lines = [line for _, line, _ in check_manifest.region_rules("s.c", broken)[0]]
        self.assertEqual(lines, [23, 12])


class Outline(unittest.TestCase):
    def test_each_function_is_the_same_changed_new_or_gone(self):
        old = "static int kept(int a)\n{\n\treturn a;\n}\n\nstatic void lost(void)\n{\n}\n\nint main(void)\n{\n\treturn 0;\n}\n"
        new = old.replace("lost", "found").replace("return 0", "return 1")
        lines = "\n".join(student.outline("old", "new", render.functions(old), render.functions(new)))
        for kind, name in (("the same", "kept"), ("changed", "main"), ("new", "found"), ("gone", "lost")):
            self.assertRegex(lines, rf"(?m)^  {kind} +{name}$")

    def test_a_declaration_is_no_function(self):
        self.assertEqual(render.functions("static struct conn *first;\nint f(void);\nstatic int a[] = {\n\t1,\n};\n"), {})


class Give(unittest.TestCase):
    def setUp(self):
        self.real, render.solution_text = render.solution_text, lambda _chapter, _file: SOLUTION
        self.starter = render.starter(chapter(), SOLUTION)
        os.chdir(ROOT)

    def tearDown(self):
        render.solution_text = self.real

    def test_solves_all_regions_of_one_exercise(self):
        text, overwritten = give.apply(chapter(), "4.1", "server.c", self.starter)
        self.assertFalse(overwritten)
        for line in ("solved_one();", "solved_more();", "naive_two();", "TODO 4.2"):
            self.assertIn(line, text)
        self.assertNotIn("TODO 4.1", text)

    def test_keeps_what_the_student_wrote_next_to_it(self):
        mine = self.starter.replace("naive_two();", "my_two();").replace("middle();", "my_middle();")
        text, overwritten = give.apply(chapter(), "4.1", "server.c", mine)
        self.assertIn("\tsolved_one();\n\t/* TODO 4.2: Don't use `it` twice! */\n\tmy_two();\n\tmy_middle();\n\tsolved_more();", text)
        self.assertFalse(overwritten)

    def test_replaces_lines_that_were_changed_and_says_so(self):
        mine = self.starter.replace("naive_one();", "attempt_one();")
        text, overwritten = give.apply(chapter(), "4.1", "server.c", mine)
        self.assertTrue(overwritten)
        self.assertIn("solved_one();", text)
        self.assertNotIn("attempt_one", text)


    def test_an_exercise_beside_one_that_was_given_keeps_it(self):
        text = self.starter
        for wanted in ("4.1", "4.2"):
            text, overwritten = give.apply(chapter(), wanted, "server.c", text)
            self.assertFalse(overwritten)
        self.assertEqual(text, render.clean(SOLUTION))

    def test_gives_nothing_where_neighbours_were_rewritten(self):
        mine = self.starter.replace("\tnaive_one();\n\t/* TODO 4.2: Don't use `it` twice! */\n\tnaive_two();", "\tall_mine();")
        self.assertIsNone(give.apply(chapter(), "4.1", "server.c", mine))


POOL = """#ifndef NAIVE_4_1
int solved_three(void);
#else
/* TODO 4.1 */
int naive_three(void);
#endif
"""


class TwoFiles(unittest.TestCase):
    """A chapter that has a second source and a header."""

    def setUp(self):
        self.files = {"server.c": SOLUTION, "pool.c": POOL, "pool.h": "int both(void);\n"}
        self.real, render.solution_text = render.solution_text, lambda _chapter, file: self.files[file]
        self.chapter = manifest.parse("04-epoll", README.replace("files server.c", "files " + " ".join(self.files)))
        self.home = tempfile.TemporaryDirectory()
        os.chdir(self.home.name)

    def tearDown(self):
        render.solution_text = self.real
        os.chdir(ROOT)
        self.home.cleanup()

    def write_starters(self):
        for path in self.chapter.sources("chapters"):
            common.write_text(path, render.starter(self.chapter, self.files[path.name]))

    def test_each_file_has_a_starter_and_is_given_apart(self):
        for file, text in self.files.items():
            starter = render.starter(self.chapter, text)
            self.assertNotIn("NAIVE", starter)
            for wanted in ("4.1", "4.2"):
                starter, overwritten = give.apply(self.chapter, wanted, file, starter)
                self.assertFalse(overwritten)
            self.assertEqual(starter, render.clean(text))

    def test_a_mistake_counts_regions_through_all_files(self):
        mistake = mutant.Mutant(Path("4.1-x.c"), "4.1", "", [], [None, None, "\twrong();"])
        texts = mutant.applied(mistake, self.chapter)
        self.assertEqual(texts["server.c"], SOLUTION)
        self.assertIn("#ifndef NAIVE_4_1\n\twrong();\n#else", texts["pool.c"])

    def test_the_place_to_go_on_is_where_a_todo_is_left(self):
        self.write_starters()
        exercise = self.chapter.exercises[0]
        self.assertEqual(render.place(self.chapter, exercise), "chapters/04-epoll/server.c:6")
        common.write_text("chapters/04-epoll/server.c", render.clean(SOLUTION))
        self.assertEqual(render.place(self.chapter, exercise), "chapters/04-epoll/pool.c:1")

    def test_a_result_depends_on_every_file(self):
        self.write_starters()
        before = build.sources_hash(self.chapter, "chapters")
        for path in self.chapter.sources("chapters"):
            with open(path, "a") as file:
                file.write("\n")
            self.assertNotEqual(before, before := build.sources_hash(self.chapter, "chapters"))

    def test_a_missing_file_is_named(self):
        self.write_starters()
        os.remove("chapters/04-epoll/pool.h")
        with self.assertRaisesRegex(common.WorkError, "pool.h is missing"):
            build.check_files(self.chapter, "chapters")


def outcome(state, exercise="4.1", step="expect", text="", steps=(), notes=None):
    return suite.Outcome(suite.Test("ch04", "ex1_x", exercise), state, step, text, list(steps), notes or {})


class Report(unittest.TestCase):
    def verdicts(self, *outcomes):
        return suite.judge(chapter(), list(outcomes))

    def test_a_failure_is_told_with_steps_and_ways_on(self):
        failed = outcome("fail", text="A expected x", steps=[("given", "A is there"), ("expect", "x comes")])
        text = "\n".join(report.exercises(chapter(), self.verdicts(failed, outcome("pass", "4.2")), {}, lambda e: "s.c:7"))
        for part in ("✗ 4.1", "0/10", "1. A is there", "this should hold: x comes", "A expected x.", "edit    s.c:7",
                     "#41-register-once", "make hint4.1", "make try4.1", "· 4.2", "after 4.1"):
            self.assertIn(part, text)

    def test_points_come_with_a_pass_alone(self):
        verdicts = self.verdicts(outcome("pass"), outcome("skip", "4.2", text="no ptrace"))
        self.assertEqual([v.points for v in verdicts], [10, 0])
        self.assertIn("skipped: no ptrace", report.row(verdicts[1]))

    def test_one_failing_test_fails_the_exercise(self):
        self.assertEqual(self.verdicts(outcome("pass"), outcome("fail"))[0].state, "fail")

    def test_an_exercise_without_a_test_is_no_pass(self):
        self.assertEqual(self.verdicts(outcome("pass"))[1].state, "untested")

    def test_the_prediction_stands_beside_the_measurement(self):
        (verdict, _) = self.verdicts(outcome("pass", notes={"measured": "9"}))
        self.assertIn("measured 9, you predicted 4 (calls)", report.prediction(verdict, {"4.1": "4"})[0])

    def test_a_server_that_never_starts_is_told_once(self):
        verdicts = self.verdicts(outcome("fail", text="it exited"), outcome("fail", "4.2", text="it exited"))
        text = "\n".join(report.exercises(chapter(), verdicts, {}, lambda e: ""))
        self.assertEqual(text.count("It exited"), 1)

    def test_the_table_marks_what_costs_too_much(self):
        counted = counter.Costs({"epoll_wait": {1: 1, 8: 0.125, 64: 1 / 64}, "total": {1: 3, 8: 2.125, 64: 2 + 1 / 64}})
        self.assertTrue(counted.within(chapter()))
        self.assertIn("2.13", "\n".join(report.cost_table(chapter(), counted, "4")))
        counted.rows["epoll_ctl"] = {1: 1, 8: 1, 64: 1}
        self.assertTrue(counted.over(chapter(), "epoll_ctl"))
        self.assertFalse(counted.within(chapter()))

    def test_a_batch_without_a_count_is_told(self):
        counted = counter.Costs({"epoll_wait": {1: 1, 8: 0.125}, "read": {1: 1, 8: 1}, "total": {1: 2, 8: 1.125}}, failed="no exact count at k = 64")
        lines = costs.chapter_lines(chapter(), counted)
        self.assertIn("✗", lines[0])
        self.assertIn("no exact count", lines[-1])
        self.assertEqual(costs.meaning({"x": counted.rows}), "")


class Programs(unittest.TestCase):
    def test_a_subdirectory_is_a_program(self):
        chapter = manifest.Chapter("77-x", 77, files=["server.c", "port.c", "port.h", "reactor/epoll.c"])
        paths = programs.built(chapter, "chapters", ("asan", "plain"))
        self.assertEqual(paths["plain"], "build/plain/chapters/77-x/server")
        self.assertEqual(paths["reactor-asan"], "build/asan/chapters/77-x/reactor/server")
        self.assertEqual(programs.of(chapter)[0].files, ["server.c", "port.c", "port.h"])

    def test_each_program_has_a_command(self):
        env = programs.environment({"asan": "a", "plain": "p", "win32-plain": "w.exe", "reactor-asan": "ra", "reactor-plain": "rp"}, "asan")
        self.assertEqual(env, {"SERVER": '"a"', "SERVER_WIN32": 'tools/windows/run "w.exe"', "SERVER_REACTOR": '"ra"'})


class Reading(unittest.TestCase):
    def test_a_journal_without_a_verdict_is_a_failure(self):
        test = suite.Test("ch04", "ex1_x", "4.1")
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, "j")
            self.assertEqual(suite.read_journal(path, test).state, "fail")
            path.write_text("given\tA is there\nexpect\tx\n")
            self.assertEqual((suite.read_journal(path, test).state, suite.read_journal(path, test).step), ("fail", "expect"))
            path.write_text("given\tA\nnote\tmeasured\t9\npass\n")
            self.assertEqual(suite.read_journal(path, test).notes, {"measured": "9"})
            path.write_text("fail\texpect\tA expected \"\\r\\n\"\n")
            self.assertEqual(suite.read_journal(path, test).text, 'A expected "\\r\\n"')

    def test_the_first_error_and_its_place(self):
        said = "x\na/s.c:7:3: error: bad\n    7 | foo\n      | ^\na/s.c:9:1: error: worse\n"
        self.assertEqual(build.first(build.ERROR, said), ("a/s.c:7", "a/s.c:7:3: error: bad\n    7 | foo\n      | ^"))

    def test_links_and_anchors(self):
        with tempfile.TemporaryDirectory() as directory:
            page = Path(directory, "a.md")
            Path(directory, "s.c").write_text("static int on(void)\n{\n\toff();\n}\n")
            page.write_text("# One `two` — three\n## B\n## B\n[x](#b-1) [y](#one-two--three) [z](no.md) `[n](no)`\n"
                            "[w](#c) [on](s.c#on) [off](s.c#off)\n")
            bad = [target for _, target in check_links.links(page) if check_links.problem(page, target)]
            self.assertEqual(bad, ["no.md", "#c", "s.c#off"])


if __name__ == "__main__":
    os.chdir(ROOT)
    unittest.main()
