"""A chapter's README, cut into the parts that a sheet is made of."""
import re

from common import read_text
from manifest import fenced, slug

HINTS = re.compile(r"<details>.*?</details>\n*", re.S)
MARK = re.compile(r"^<!--.*?-->\n?", re.M)
PREDICT = re.compile(r"^Predict: .*?(?:\n\n|\Z)", re.M | re.S)
LINK = re.compile(r"\[([^\]]*)\]\((?!https?://)[^)]*\)")


class Lesson:
    """`question` is what stands before the first heading; `sections` maps a heading's anchor to its text."""

    def __init__(self, chapter):
        self.chapter = chapter
        lines = read_text(chapter.readme).replace("\r\n", "\n").split("\n")
        hidden = fenced(lines)
        self.sections, self.headings = {}, {}
        name, found = "", []
        for index, line in enumerate(lines[2:], 2):
            if line.startswith(("## ", "### ")) and not hidden[index]:
                self.sections[name] = "\n".join(found).strip()
                heading = line.lstrip("#").strip()
                name, found = slug(heading), []
                self.headings[name] = heading
            else:
                found.append(line)
        self.sections[name] = "\n".join(found).strip()

    @property
    def question(self):
        return self.sections[""]

    def section(self, *names):
        """The first of these sections that the chapter has, without links that lead nowhere on paper."""
        return next((on_paper(self.sections[n]) for n in names if n in self.sections), "")

    def picture(self):
        """The model's picture, and the sentence that is set off below it, if any."""
        model = self.sections.get("the-model-in-one-picture", "")
        image = re.search(r"!\[([^\]]*)\]\(([^)]*)\)", model)
        sentence = re.search(r"^> (.*)", model, re.M)
        path = image[2].replace("../../", "") if image else ""
        return path, image[1] if image else "", sentence[1] if sentence else ""

    def task(self, exercise):
        """What an exercise asks: no facts line, no prediction, no hint."""
        text = PREDICT.sub("", HINTS.sub("", self.sections[exercise.anchor]))
        return on_paper(text.split("\n", 1)[1].strip() if "\n" in text else "")


def on_paper(text):
    """Without marks for programs, and with the words of links that lead to another file."""
    return LINK.sub(r"\1", MARK.sub("", text)).strip()
