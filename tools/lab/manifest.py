"""A chapter's README read as its manifest. The grammar is told in CONTRIBUTING.md."""
import re
from dataclasses import dataclass, field
from pathlib import Path

from common import USAGE, LabError, read_text

TITLE = re.compile(r"# (\d+) · (\S+) — (.+)")
EXERCISE = re.compile(r"### (\d+\.\d+) (.+)")
POINTS = re.compile(r"(\d+) points?")
HINT = re.compile(r"<details><summary>Hint (\d+)</summary>")
TERM = re.compile(r"(\d+(?:\.\d+)?)(/k)?")
FENCE = re.compile(r"\s*(```|~~~)")
HINTS = 3  # of each exercise


@dataclass
class Exercise:
    id: str
    title: str
    line: int
    points: int = 0
    after: list = field(default_factory=list)
    man: str = ""
    question: str = ""
    unit: str = ""
    hints: list = field(default_factory=list)

    @property
    def macro(self):
        return "NAIVE_" + self.id.replace(".", "_")

    @property
    def anchor(self):
        return slug(f"{self.id} {self.title}")


@dataclass
class Chapter:
    name: str  # "04-epoll"
    number: int = 0
    model: str = ""
    title: str = ""
    refines: int | None = None
    files: list = field(default_factory=list)
    hold: str = ""
    exercises: list = field(default_factory=list)
    budget: dict = field(default_factory=dict)  # call -> expression, "total" last
    problems: list = field(default_factory=list)  # (line, rule)

    @property
    def readme(self):
        return Path("chapters", self.name, "README.md")

    def sources(self, tree):
        return [Path(tree, self.name, file) for file in self.files]

    def exercise(self, wanted):
        for exercise in self.exercises:
            if exercise.id == wanted:
                return exercise
        known = ", ".join(e.id for e in self.exercises) or "none yet"
        raise LabError(f"chapter {self.number} has no exercise {wanted}; there are: {known}", USAGE)

    def before(self, exercise):
        """All that an exercise comes after, whatever the number of steps."""
        found = []
        for wanted in exercise.after:
            for other in self.exercises:
                if other.id == wanted and other not in found:
                    found += [o for o in self.before(other) + [other] if o not in found]
        return found


def slug(heading):
    """The anchor that a forge gives to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def price(expression, k):
    """What a budget's expression allows at batch size k: "2 + 1/k" at 8 is 2.125. None where it is no expression."""
    total = 0.0
    for word in expression.removeprefix("<=").split("+"):
        term = TERM.fullmatch(word.strip())
        if not term:
            return None
        total += float(term[1]) / (k if term[2] else 1)
    return total


class Reader:
    """Walks over the lines of a README once, and fills a Chapter."""

    def __init__(self, name, text):
        self.chapter = Chapter(name)
        self.lines = text.split("\n")
        self.hidden = fenced(self.lines)
        self.current = None

    def problem(self, index, rule):
        self.chapter.problems.append((index + 1, rule))

    def read(self):
        self.head()
        for index, line in enumerate(self.lines):
            if self.hidden[index]:
                continue
            if line.startswith("#"):
                self.heading(index, line)
            elif self.current and line.startswith("Predict: "):
                self.predict(index)
            elif self.current and HINT.match(line):
                self.hint(index, int(HINT.match(line)[1]))
            elif line.replace(" ", "").lower() == "|crossing|budget|":
                self.budget(index)
        return self.chapter

    def head(self):
        title = TITLE.fullmatch(self.lines[0])
        if not title:
            self.problem(0, 'the first line is "# N · model — title"')
            return
        chapter = self.chapter
        chapter.number, chapter.model, chapter.title = int(title[1]), title[2], title[3]
        for part in self.lines[1].split(" · ") if len(self.lines) > 1 else []:
            word, _, value = part.partition(" ")
            if word == "refines" and (value.isdigit() or value == "nothing"):
                chapter.refines = int(value) if value.isdigit() else None
            elif word == "files" and value:
                chapter.files = value.split()
            elif word == "hold" and value == "none":
                chapter.hold = value
            else:
                self.problem(1, f'"{part}" is none of: refines N, refines nothing, files NAMES, hold none')
        if not chapter.files:
            self.problem(1, 'the second line is "refines N · files server.c"')

    def heading(self, index, line):
        self.current = None
        found = EXERCISE.fullmatch(line)
        if not found:
            return
        self.current = Exercise(found[1], found[2], index + 1)
        self.chapter.exercises.append(self.current)
        facts = index + 1
        while facts < len(self.lines) - 1 and not self.lines[facts].strip():
            facts += 1
        for part in self.lines[facts].split(" · "):
            if POINTS.fullmatch(part):
                self.current.points = int(POINTS.fullmatch(part)[1])
            elif part.startswith("after "):
                self.current.after = [word.strip() for word in part[6:].split(",")]
            else:
                self.current.man = part.strip()
        if not self.current.points:
            self.problem(facts, 'an exercise\'s heading is followed by "10 points · after N.M · page(7) …"')

    def predict(self, index):
        text = " ".join(paragraph(self.lines, index)).removeprefix("Predict: ")
        unit = re.search(r"\s*\(([^()]*)\)$", text)
        self.current.unit = unit[1] if unit else ""
        self.current.question = text[: unit.start()] if unit else text

    def hint(self, index, number):
        if number != len(self.current.hints) + 1:
            self.problem(index, f"hint {len(self.current.hints) + 1} of {self.current.id} is expected here")
        for end in range(index, len(self.lines)):
            if "</details>" in self.lines[end]:
                self.current.hints.append("\n".join(self.lines[index + 1 : end]).strip())
                return
        self.problem(index, "this hint has no </details>")

    def budget(self, index):
        for row in range(index + 2, len(self.lines)):
            cells = [cell.strip() for cell in self.lines[row].strip().strip("|").split("|")]
            if len(cells) != 2:
                return
            self.chapter.budget[cells[0].strip("`")] = cells[1]
            if price(cells[1], 1) is None:
                self.problem(row, f'"{cells[1]}" is no budget: a sum of numbers and numbers/k, "<=" before it or not')


def fenced(lines):
    """For each line, whether it stands in a code block."""
    inside, marks = False, []
    for line in lines:
        fence = bool(FENCE.match(line))
        marks.append(inside or fence)
        inside ^= fence
    return marks


def paragraph(lines, index):
    while index < len(lines) and lines[index].strip():
        yield lines[index].strip()
        index += 1


def parse(name, text):
    return Reader(name, text).read()


def load(name):
    """The chapter in chapters/NAME, or an error a person can act on."""
    path = Path("chapters", name, "README.md")
    if not path.exists():
        raise LabError(f"{path} is missing: it is the chapter's manifest. git checkout {path} brings it back.")
    chapter = parse(name, read_text(path).replace("\r\n", "\n"))
    if not chapter.number and not chapter.title:
        raise LabError(f"{path}:1: {chapter.problems[0][1]}")
    return chapter


def names():
    return sorted(path.name for path in Path("solutions").glob("[0-9][0-9]-*"))


def load_all():
    return [load(name) for name in names()]


def find(number):
    """The chapter that a person named: "4", "04"."""
    for name in names():
        if number.isdigit() and int(number) == int(name[:2]):
            return load(name)
    known = ", ".join(str(int(name[:2])) for name in names())
    raise LabError(f"there is no chapter {number}; there are: {known}", USAGE)


def find_exercise(wanted):
    """The chapter and the exercise of "4.2"."""
    if not re.fullmatch(r"\d+\.\d+", wanted):
        raise LabError(f'"{wanted}" names no exercise: write it as 4.2', USAGE)
    chapter = find(wanted.split(".")[0])
    return chapter, chapter.exercise(wanted)
