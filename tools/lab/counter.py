"""The price of a request, by build/tools/syscount, beside the budget that the README gives it."""
from dataclasses import dataclass, field
from pathlib import Path

from common import DONE, SKIPPED, scratch
from manifest import price
from process import run

BATCHES = (1, 8, 64)
BOUND_S = 120
SLACK = 0.005  # what rounding to two decimals may hide


@dataclass
class Costs:
    rows: dict = field(default_factory=dict)  # call -> {k: per request}
    skipped: str = ""
    failed: str = ""  # why there are no rows

    def over(self, chapter, call):
        """True where a call costs more than its budget; a call without one is allowed none."""
        if call == "operations" and call not in chapter.budget:
            return False
        budget = chapter.budget.get(call, "0" if "total" in chapter.budget else None)
        return budget is not None and any(cost > price(budget, k) + SLACK for k, cost in self.rows[call].items())

    def whole(self, batches):
        """False where some batch had no exact count: its column is empty."""
        return set(batches) <= set(self.rows.get("total", {}))

    def within(self, chapter):
        return bool(self.rows) and not any(self.over(chapter, call) for call in self.rows)


def budget_words(chapter):
    words = ",".join(f"{call}={expression}" for call, expression in chapter.budget.items())
    return ["--budget", words] if words else []


def read_costs(path, chapter=None):
    """The rows of a costs.tsv, those of one chapter where it is given, as {call: {k: per request}}."""
    rows, columns = {}, None
    for line in Path(path).read_text().splitlines():
        if line.startswith("#") or not line:
            continue
        if columns is None:
            columns = line.split("\t")
            continue
        row = dict(zip(columns, line.split("\t")))
        if chapter is not None and row["chapter"] != str(chapter):
            continue
        rows.setdefault(row["syscall"], {})[int(row["k"])] = float(row["per_request"])
    return rows


def count(chapter, server, tsv, append=False):
    """Counts one server; `tsv` takes the rows."""
    words = ["build/tools/syscount", "--batch", ",".join(map(str, BATCHES)), *budget_words(chapter)]
    words += ["--hold", "none"] if chapter.hold == "none" else []
    words += ["--tsv", tsv, *(["--append"] if append else []), "--chapter", chapter.number, "--model", chapter.model]
    with scratch() as directory:
        done = run([*words, "--", server], {"PROBE_DIR": directory}, BOUND_S)
    last = (done.output.strip().splitlines() or ["it said nothing"])[-1]
    if done.timed_out:
        return Costs(failed=f"the counter found no end in {BOUND_S} s")
    if done.code == SKIPPED:
        return Costs(skipped=last)
    rows = read_costs(tsv) if Path(tsv).exists() and not append else {}
    return Costs(rows) if rows or done.code == DONE else Costs(failed=last)
