#!/usr/bin/env python3
"""The handouts, as they come out of the printer: pages, fonts, pictures, and what must not stand on them."""
import re
import subprocess
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tools/lab"), str(ROOT / "tools/paper")]

import manifest  # noqa: E402
import render  # noqa: E402
import sheets  # noqa: E402
from lesson import Lesson  # noqa: E402

OUT = ROOT / "build/handouts"
SIZES = {"A4": "595.2", "Letter": "612"}
MARGIN = 25  # points; pictures reach further out than text
LONG = 30  # characters; shorter lines may stand anywhere
BLOCK = re.compile(r"^```\w*\n(.*?)^```", re.M | re.S)


def bare(text):
    """Without white space and soft hyphens: line breaks and columns are the page's."""
    return re.sub(r"[\s\u00ad]", "", text)


def output(*words):
    return subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout


def pages(path):
    return [bare(page) for page in output("pdftotext", "-layout", str(path), "-").split("\f")]


def sheets_there():
    return [(size, path) for size in SIZES for path in sorted((OUT / size).glob("*.pdf"))]


def solved_lines(chapter, exercise):
    """Long lines of the solution that the lesson itself does not quote."""
    lesson = Lesson(chapter)
    shown = bare("\n".join(lesson.task(e) for e in chapter.exercises))
    for file in chapter.files:
        text = render.solution_text(chapter, file)
        for region in (r for r in render.regions(text) if r.id == exercise.id):
            naive = {bare(line) for line in region.naive(text.split("\n"))}
            yield from (line for line in map(bare, region.solved(text.split("\n")))
                        if len(line) > LONG and line not in naive and line not in shown)


class Handouts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.chapters = [c for c in manifest.load_all() if c.exercises]

    def test_every_chapter_has_both_sheets_in_both_sizes(self):
        wanted = {f"{c.name}-{kind}" for c in self.chapters for kind in ("workshop", "answers")} | {"summary"}
        for size in SIZES:
            self.assertEqual({p.stem for p in (OUT / size).glob("*.pdf")}, wanted)

    def test_page_sizes(self):
        for size, path in sheets_there():
            found = re.search(r"^Page size:\s+(\S+)", output("pdfinfo", str(path)), re.M)[1]
            self.assertTrue(found.startswith(SIZES[size]), f"{path} is {found} pt wide")

    def test_fonts_are_embedded(self):
        for _, path in sheets_there():
            for line in output("pdffonts", str(path)).splitlines()[2:]:
                self.assertEqual(line.split()[-5], "yes", f"{path}: {line}")

    def test_pictures_are_vectors(self):
        for _, path in sheets_there():
            self.assertEqual(output("pdfimages", "-list", str(path)).splitlines()[2:], [], path)

    def test_pictures_are_there(self):
        for chapter in self.chapters:
            words = re.findall(r"<text[^>]*>([^<]{6,})", (ROOT / Lesson(chapter).picture()[0]).read_text())
            first = pages(OUT / "A4" / f"{chapter.name}-workshop.pdf")[0]
            self.assertTrue(any(bare(word) in first for word in words), f"{chapter.name} shows no picture")

    def test_workshop_sheets_hold_no_hint(self):
        for chapter in self.chapters:
            text = "".join(pages(OUT / "A4" / f"{chapter.name}-workshop.pdf"))
            for exercise in chapter.exercises:
                for hint in exercise.hints:
                    words = bare(re.sub(r"[`*]", "", hint.split("\n")[0]))
                    self.assertFalse(len(words) > LONG and words in text, f"{exercise.id}: {hint}")

    def test_workshop_sheets_hold_no_solution(self):
        for chapter in self.chapters:
            text = "".join(pages(OUT / "A4" / f"{chapter.name}-workshop.pdf"))
            for exercise in chapter.exercises:
                for line in solved_lines(chapter, exercise):
                    self.assertNotIn(line, text, exercise.id)

    def test_workshop_sheets_ask_for_every_prediction(self):
        for chapter in self.chapters:
            text = "".join(pages(OUT / "A4" / f"{chapter.name}-workshop.pdf"))
            self.assertEqual(text.count("Ipredict"), len(chapter.exercises), chapter.name)

    def test_code_is_whole_and_on_one_page(self):
        for chapter in self.chapters:
            for size in SIZES:
                found = pages(OUT / size / f"{chapter.name}-workshop.pdf")
                for block in BLOCK.findall(sheets.workshop(chapter)):
                    self.assertTrue(any(bare(block) in page for page in found), f"{chapter.name}, {size}:\n{block}")

    def test_no_word_leaves_the_page(self):
        for _, path in sheets_there():
            text = output("pdftotext", "-bbox", str(path), "-")
            width = float(re.search(r'<page width="([\d.]+)"', text)[1])
            for word in re.findall(r'<word .*xMax="([\d.]+)".*>(.*)</word>', text):
                self.assertLess(float(word[0]), width - MARGIN, f"{path}: {word[1]}")

    def test_summary_has_two_pages(self):
        for size in SIZES:
            pages_line = re.search(r"^Pages:\s+(\d+)", output("pdfinfo", str(OUT / size / "summary.pdf")), re.M)
            self.assertEqual(pages_line[1], "2", size)


if __name__ == "__main__":
    unittest.main()
