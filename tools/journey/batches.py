"""One batch of requests at each server, as data: captured by build/tools/trace, kept in build/results/journey.tsv."""
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lab"))

from common import DONE, SKIPPED, scratch  # noqa: E402
from costs import finished  # noqa: E402
from counter import read_costs  # noqa: E402
from manifest import load, names  # noqa: E402
from process import run  # noqa: E402

BATCH = 8
TSV = Path("build/results/journey.tsv")
COSTS = Path("build/results/costs.tsv")
COLUMNS = "chapter model order thread call args result phase clients".split()
BOUND_S = 60
TRACED = "ABCDEFGI"  # trace's names of eight clients: H is its holder
SHOWN = str.maketrans(TRACED, "ABCDEFGH")
NEXT = "next"  # the phase of a call that carries what this batch asked for, and is counted with the next


@dataclass
class Call:
    thread: int  # 1, 2, … in the order in which they appear
    name: str
    args: str
    result: str
    phase: str
    clients: str = ""

    @property
    def counted(self):
        return self.phase != NEXT

    @property
    def number(self):
        """The result without what strace adds in parentheses; 0 for an error."""
        found = re.match(r"-?\d+", self.result)
        return int(found[0]) if found else 0


@dataclass
class Batch:
    chapter: int
    model: str
    calls: list = field(default_factory=list)

    @property
    def crossings(self):
        return sum(call.counted for call in self.calls)

    @property
    def threads(self):
        return len({call.thread for call in self.calls})


def chapters():
    """Those whose finished server can be counted; one that is half there is passed over."""
    return finished([load(name) for name in names() if Path("chapters", name, "README.md").exists()])


def table_lines(path):
    """The rows of a table of results, as dicts; `# …` lines are passed over."""
    lines = [line.split("\t") for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return [dict(zip(lines[0], line)) for line in lines[1:]]


def head_lines(path):
    return [line for line in path.read_text().splitlines() if line.startswith("#")]


def from_trace(chapter, path):
    """The calls of trace's table, without the hold's own."""
    batch, threads = Batch(chapter.number, chapter.model), {}
    for row in table_lines(path):
        if row["phase"] == "hold":
            continue
        thread = threads.setdefault(row["tid"], len(threads) + 1)
        clients = "" if row["client"] == "-" else row["client"].translate(SHOWN)
        batch.calls.append(Call(thread, row["name"], row["args"], row["result"], row["phase"], clients))
    if batch.calls and not batch.calls[-1].counted and batch.calls[-1].number <= 0:
        batch.calls.pop()  # it carries nothing of this batch: the server goes to sleep
    return batch


def capture(chapter, server):
    """(batch, its table's head lines), or (None, why there is none). Unheld where the server can't be held."""
    said = ""
    for hold in [["--hold", "none"]] if chapter.hold == "none" else [[], [], ["--hold", "none"]]:
        with scratch() as directory:
            table = Path(directory, "trace.tsv")
            words = ["build/tools/trace", "--batch", BATCH, *hold, "--tsv", table, "--", server]
            done = run(words, {"PROBE_DIR": directory}, BOUND_S)
            if done.code == DONE:
                return from_trace(chapter, table), head_lines(table)
        said = (done.output.strip().splitlines() or ["it said nothing"])[-1]
        if done.code == SKIPPED:
            break
    return None, said


def write(path, batches, head):
    """A row for each call; a model without any has one row of order 0, so that it is not forgotten."""
    lines = [*head, "\t".join(COLUMNS)]
    for batch in batches:
        for order, c in enumerate(batch.calls, 1):
            cells = (batch.chapter, batch.model, order, c.thread, c.name, c.args, c.result, c.phase, c.clients or "-")
            lines.append("\t".join(map(str, cells)))
        if not batch.calls:
            lines.append("\t".join(map(str, (batch.chapter, batch.model, 0, 0, "-", "-", "-", "none", "-"))))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def read(path=TSV):
    batches = {}
    for row in table_lines(path):
        batch = batches.setdefault(row["chapter"], Batch(int(row["chapter"]), row["model"]))
        if row["order"] != "0":
            clients = "" if row["clients"] == "-" else row["clients"]
            batch.calls.append(Call(int(row["thread"]), row["call"], row["args"], row["result"], row["phase"], clients))
    return list(batches.values())


def counted(chapter):
    """What the counter found for one batch of this size: {call: times}; empty where it was not counted."""
    if not COSTS.exists():
        return {}
    return {call: row[BATCH] * BATCH for call, row in read_costs(COSTS, chapter).items() if BATCH in row}
