"""The results of this machine's runs, from build/results, as tables and pictures."""
import re
import shutil
from html import escape
from pathlib import Path

from process import run

BOUND_S = 60
RESULTS = Path("build/results")
HIDDEN = {"answers"}  # results that give a student's answers away
LONG = 24  # rows; a longer table is folded
KNOWN = [  # (name, heading, what it is, the command that makes it)
    ("costs", "Crossings per request", "Counted with strace, in batches that are held until exactly k requests are ready.", "make costs"),
    ("boundary", "What one operation costs", "Chapter 0’s measurements.", "make boundary"),
    ("waits", "Switches and memory", "Context switches of a request, and the memory of an idle connection.", "make waits"),
    ("scale", "What grows with idle connections", "CPU time of the server for a request, beside a crowd that says nothing.", "make scale"),
    ("sizing", "How many threads", "An open-loop load on pools of every size, beside what the formula and the queueing model predict.", "make sizing"),
    ("rings", "What a ring saves", "Variants of the ring, side by side.", "make rings"),
    ("async", "Who does the work", "An io_uring operation is done in the caller’s own call, by task work, or by a worker thread.", "make async"),
    ("handover", "What handing work over costs", "Crossings of a WORK that a thread pool does.", "make handover"),
    ("ports", "Completion ports", "A port beside a plain pool, over the number of workers.", "make ports"),
    ("ledger", "A reactor on a proactor", "Readiness emulated on a ring, against epoll and against completions.", "make ledger"),
    ("omission", "Coordinated omission", "One run, two latencies: from the send, and from when a request was due.", "make omission"),
    ("peers", "Beside other servers", "redis-server, libuv and libevent under the same load.", "make peers"),
    ("claims", "Claims, tried", "What is commonly said about these models, and what this machine says.", "make claims"),
    ("journey", "The journey", "Each crossing of one batch of eight requests, at each server.", "make journey"),
]


def read(path):
    """(lines of the head, columns, rows) of a result file."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line]
    head = [line[2:] for line in lines if line.startswith("# ")]
    table = [line.split("\t") for line in lines if not line.startswith("#")]
    return (head, table[0], table[1:]) if table else (head, [], [])


def is_number(cell):
    return bool(re.fullmatch(r"-?[\d.,]+(e[+-]?\d+)?|-|–|", cell))


def shown(cell):
    """A number as people read it: thousands apart, no more digits than it has."""
    if re.fullmatch(r"\d{4,}", cell):
        return f"{int(cell):,}"
    return escape(cell)


def table(caption, columns, rows):
    numeric = [bool(rows) and all(is_number(row[i]) for row in rows if i < len(row)) for i in range(len(columns))]
    wordy = [any(len(row[i]) > 24 for row in rows if i < len(row)) for i in range(len(columns))]
    side = [' class="number"' if n else ' class="words"' if w else "" for n, w in zip(numeric, wordy)]
    head = "".join(f'<th scope="col"{s}>{escape(c.replace("_", " "))}</th>' for c, s in zip(columns, side))
    body = "".join("<tr>" + "".join(f"<td{s}>{shown(c)}</td>" for c, s in zip(row, side)) + "</tr>" for row in rows)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}"><table><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def costs_table(columns, rows):
    """All models, their totals first: a row for each call, a column for each k."""
    records = [dict(zip(columns, row)) for row in rows]
    batches = list(dict.fromkeys(r["k"] for r in records))
    totals, calls = [], []
    for key in dict.fromkeys((r["chapter"], r["model"], r["syscall"]) for r in records):
        cells = {r["k"]: f"{float(r['per_request']) + 1e-9:.2f}" for r in records if (r["chapter"], r["model"], r["syscall"]) == key}
        model = f"{key[0]} · {key[1]}"
        values = [cells.get(k, "–") for k in batches]
        (totals if key[2] == "total" else calls).append([model, *values] if key[2] == "total" else [model, key[2], *values])
    heads = [f"k = {k}" for k in batches]
    folded = table("Call by call", ["model", "call", *heads], calls)
    return table("Crossings per request", ["model", *heads], totals) + f"<details><summary>Call by call</summary>{folded}</details>"


def claims_table(columns, rows):
    """With the words of each claim, which the result file does not repeat."""
    listed = run(["python3", "tools/claims", "--list"], bound=BOUND_S).output.splitlines()
    says = {line.split("\t")[0]: line.split("\t")[1] for line in listed if line.count("\t") > 1}
    wider = [[row[0], says.get(row[0], "–"), *row[1:]] for row in rows]
    return table("Claims", [columns[0], "claim", *columns[1:]], wider)


def one_file(path):
    """A result file: its table, and in small print where it comes from."""
    head, columns, rows = read(path)
    if path.name == "costs.tsv":
        made = costs_table(columns, rows)
    elif path.name == "claims.tsv":
        made = claims_table(columns, rows)
    else:
        made = table(path.name, columns, rows) if rows else f"<p>{escape(path.name)} has no rows.</p>"
        if len(rows) > LONG:
            made = f"<details><summary>{escape(path.name)}, {len(rows)} rows</summary>{made}</details>"
    if "-" in path.stem:  # beside a table that has said it
        return made
    return made + f'<p class="origin">{escape(path.name)}: {escape("; ".join(head))}</p>'


def pictures(name, heading, out):
    """Copies the SVGs of a result beside the page."""
    made = []
    for path in sorted(RESULTS.glob(f"{name}*.svg")):
        (out / "results").mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, out / "results" / path.name)
        alt = f"{heading}: the picture of the table below" if path.stem == name else f"{heading}: {path.stem.replace('-', ' ')}"
        made.append(f'<figure class="sheet scroll" tabindex="0" role="region" aria-label="Picture: {escape(path.stem)}"><img src="results/{path.name}" alt="{escape(alt)}"></figure>')
    return "".join(made)


def section(name, heading, about, command, out):
    made = f'<h2 id="{name}">{escape(heading)}</h2><p>{escape(about)}</p>'
    files = sorted(path for path in RESULTS.glob(f"{name}*.tsv") if re.fullmatch(rf"{name}(-.*)?", path.stem))
    files.sort(key=lambda path: path.stem != name)
    if not files:
        return made + f'<p class="missing">There is none on this machine yet. <code>{command}</code> makes it.</p>'
    if name == "journey":
        made += '<p><a href="journey.html">Step through it</a>, or read it line by line:</p>'
    return made + pictures(name, heading, out) + "".join(one_file(path) for path in files)


def others():
    """Result files that no section above is for."""
    named = {name for name, *_ in KNOWN} | HIDDEN
    return sorted(path for path in RESULTS.glob("*.tsv") if path.stem not in named and path.stem.split("-")[0] not in named)


def fill(page, out):
    page.title = "Results of this machine"
    made = [f"<h1>{page.title}</h1><p>Counts are exact, and the same on any machine with this kernel. Times and sizes are this machine’s.</p>"]
    for name, heading, about, command in KNOWN:
        made.append(section(name, heading, about, command, out))
        page.sections.append((2, name, heading))
    if others():
        made.append('<h2 id="others">Other results</h2>' + "".join(one_file(path) for path in others()))
        page.sections.append((2, "others", "Other results"))
    page.body = "".join(made)
