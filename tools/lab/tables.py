"""The tables in the lessons, made of result files: one function for each mark, whose name stands in TABLES."""
import re

from common import LabError
from costs import TSV, finished
from counter import BATCHES, read_costs
from manifest import find, load_all
from process import run


def machine(path, *more):
    """What a result file says of where it was made, in a sentence each; `more` are the first words of further notes."""
    return ". ".join(re.findall(rf"^# ((?:{'|'.join(('kernel', 'cpu', *more))}) .*)", path.read_text(), re.M))


def number(value):
    return f"{value + 1e-9:.2f}" if value is not None else "–"  # a batch had no exact count


def chapter_costs(chapter):
    """A chapter's table, for its own README."""
    rows = read_costs(TSV, chapter.number)
    if not rows:
        raise LabError(f"{TSV} has no rows of chapter {chapter.number}: make costs")
    lines = ["| crossings per request | " + " | ".join(f"k = {k}" for k in BATCHES) + " |", "|---|" + "---|" * len(BATCHES)]
    for call, row in rows.items():
        mark = "**" if call == "total" else ""
        name = call if call in ("total", "operations") else f"`{call}`"
        lines.append(f"| {mark}{name}{mark} | " + " | ".join(f"{mark}{number(row.get(k))}{mark}" for k in BATCHES) + " |")
    return "\n".join(lines)


def summary():
    """All models in one table, for LESSONS.md."""
    lines = ["| chapter | model | minimum | " + " | ".join(f"k = {k}" for k in BATCHES) + " |", "|---|---|---|" + "---|" * len(BATCHES)]
    for c in finished(load_all()):
        rows = read_costs(TSV, c.number)
        if rows:
            cells = " | ".join(number(rows["total"].get(k)) for k in BATCHES)
            lines.append(f"| [{c.number}](chapters/{c.name}/README.md) | {c.model} | {c.budget.get('total', '')} | {cells} |")
    return "\n".join(lines)


def scale():
    """How the CPU per request grows from no idle connection to the most that were held, for LESSONS.md."""
    slopes, ends = (records(TSV.with_name(name)) for name in ("scale-slopes.tsv", "scale.tsv"))
    lines = ["| model | idle connections | 1 active: cost to that without | 64 active | memory of an idle one |", "|---|---|---|---|---|"]
    for model in dict.fromkeys(row["model"] for row in slopes):
        one, many = (next((r for r in slopes if r["model"] == model and r["active"] == a), None) for a in ("1", "64"))
        bytes_each = [r["rss_bytes_per_connection"] for r in ends if r["model"] == model and r["rss_bytes_per_connection"] != "-"]
        if one and many and bytes_each:
            ratios = " | ".join(f"× {float(r['ratio']):.2f}" for r in (one, many))
            lines.append(f"| {model} | {int(one['up_to']):,} | {ratios} | {int(bytes_each[-1]):,} bytes |")
    return "\n".join([*lines, "", f"{machine(TSV.with_name('scale.tsv'))}. Written by `make scale`."])


def waits():
    """What waiting costs: switches and memory, for chapter 1."""
    lines = ["| model | switches a request | resident | address space, for an idle connection |", "|---|---|---|---|"]
    for row in records(TSV.with_name("waits.tsv")):
        sizes = " | ".join(f"{int(row[f'{kind}_bytes_per_connection']):,} bytes" for kind in ("rss", "space"))
        lines.append(f"| {row['model']} | {float(row['switches_per_request']):.2f} | {sizes} |")
    return "\n".join(lines)


def boundary():
    """What one operation costs, for chapter 0, and on what machine that was."""
    path = TSV.with_name("boundary.tsv")
    lines = ["| operation | ns | what it is |", "|---|---:|---|"]
    for row in records(path):
        ns = "–" if row["ns"] == "-" else f"{float(row['ns']):.{1 if float(row['ns']) < 10 else 0}f}"
        lines.append(f"| {row['operation']} | {ns} | {row['note']} |")
    return "\n".join([*lines, "", f"{machine(path)}. Written by `make boundary`."])


def claims():
    """The ledger, for LESSONS.md: what is said, and what this machine says to it."""
    said = [line.split("\t") for line in run(["python3", "tools/claims", "--list"]).output.strip().split("\n")]
    path = TSV.with_name("claims.tsv")
    rows = {row["id"]: row for row in records(path)}
    lines = ["| | claim | here | what was measured |", "|---|---|---|---|"]
    for name, claim, _ in said:
        if name in rows:
            lines.append(f"| {name} | {claim} | **{rows[name]['verdict']}** | {rows[name]['figure']} |")
    return "\n".join([*lines, "", f"{machine(path)}. Written by `make claims`."])


RINGS_LOADS = (("PING", "-", "1"), ("PING", "-", "16"), ("BLOB", "1024", "1"), ("BLOB", "1048576", "1"))


def ring_cell(row):
    """A ratio to the base; strong where its interval leaves out 1."""
    if not row or row["cpu_ns_per_request"] == "refused":
        return row and "refused" or "–"
    certain = "**" if float(row["ratio_high"]) < 1 or float(row["ratio_low"]) > 1 else ""
    return f"{certain}{float(row['ratio']):.2f}{certain}"


def rings():
    """What each feature of io_uring saves or costs, for chapter 8."""
    rows = {(r["features"], r["socket"], r["command"], r["size"], r["pipeline"]): r for r in records(TSV.with_name("rings.tsv"))}
    loads = [(socket, *load) for socket in ("tcp", "unix") for load in RINGS_LOADS]
    lines = ["| features | crossings | TCP: PING | × 16 | 1 KiB | 1 MiB | Unix: PING | × 16 | 1 KiB | 1 MiB |", "|---|---:|" + "---:|" * len(loads)]
    for features in dict.fromkeys(key[0] for key in rows):
        crossings = rows.get((features, *loads[0]), {}).get("crossings_per_request", "-")
        cells = " | ".join(ring_cell(rows.get((features, *load))) for load in loads)
        lines.append(f"| {features.replace('+', ' + ')} | {'–' if crossings == '-' else f'{float(crossings):.3f}'} | {cells} |")
    return "\n".join([*lines, "", "CPU per request as a ratio to that of the base, a ring with none of them; **strong** where the 95 % interval leaves "
                      "out 1. Crossings: of a PING, 16 of which share a wake-up. Written by `make rings`, which says what each is."])


HANDOVER = {"0": "the loop itself", "1": "a pool of one", "4": "a pool of four"}


def handover():
    """What it costs to hand work over and to come back, for chapter 7."""
    cells = {(r["model"], r["k"], r["syscall"]): float(r["per_request"]) for r in records(TSV.with_name("handover.tsv"))}
    calls = ["epoll_wait", "read", "write", "futex", "total"]
    lines = ["| crossings per WORK | k | " + " | ".join(f"`{call}`" for call in calls[:-1]) + " | **total** |", "|---|---:|" + "---:|" * len(calls)]
    for model, words in HANDOVER.items():
        for k in map(str, BATCHES):
            row = [number(cells.get((model, k, call), 0)) for call in calls]
            lines.append(f"| {words} | {k} | {' | '.join(row[:-1])} | **{row[-1]}** |")
    return "\n".join(lines)


def course():
    """Every chapter with its question and its points, for TEACHING.md."""
    chapters = [c for c in load_all() if c.exercises]
    rows = [(f"[{c.number} · {c.model}]({c.name}/README.md)", c.title, len(c.exercises), sum(e.points for e in c.exercises))
            for c in chapters]
    rows += [("all", "", *(sum(row[i] for row in rows) for i in (2, 3)))]
    return "\n".join(["| chapter | its question | exercises | points |", "|---|---|---|---|",
                      *("| " + " | ".join(map(str, row)) + " |" for row in rows)])


def exercises(number):
    """The exercises of a chapter, for TEACHING.md."""
    chapter = find(number)
    lines = ["| exercise | points | after |", "|---|---|---|"]
    for e in chapter.exercises:
        lines.append(f"| [{e.id} {e.title}]({chapter.name}/README.md#{e.anchor}) | {e.points} | {', '.join(e.after)} |")
    return "\n".join(lines)


PORT_MODELS = {"port": "the port, as many run as there are cores", "port-unbound": "the port, all may run", "thread-pool": "chapter 7's pool"}


def ports():
    """What of their best the models keep with too many workers, for chapter 9."""
    rows = records(TSV.with_name("ports-summary.tsv"))
    lines = ["| computes, µs | waits, µs | model | best, requests a second | with workers | within 10 % of it | with 128 | p99 there "
             "| switches a request |", "|---:|---:|---|" + "---:|" * 6]
    for row in rows:
        late = f"{float(row['largest_p99_us']) / 1000:,.1f} ms" if float(row["largest_rps"]) else "–"
        lines.append(f"| {row['cpu_us']} | {row['wait_us']} | {PORT_MODELS[row['model']]} | {float(row['best_rps']):,.0f} | {row['best_workers']} "
                     f"| {row['near_from']} to {row['near_to']} | {float(row['largest_rps']):,.0f} | {late} "
                     f"| {float(row['largest_switches']):.1f} |")
    notes = re.findall(r"^# (the server has .*)", TSV.with_name("ports-summary.tsv").read_text(), re.M)
    return "\n".join([*lines, "", f"256 connections in a closed loop; {''.join(notes)}. Written by `make ports`."])


def sizing():
    """How many threads, for chapter 7: a row for each workload, and on how many cores that was."""
    rows = records(TSV.with_name("sizing-summary.tsv"))
    lines = ["| W/S asked | S, µs | W, µs | N·(1 + W/S) | threads for 90 % of the best | best, requests a second | p99 with half the threads "
             "| with the formula's | with 32 | M/M/c says | switches a request | with 32 |", "|---" + "|---:" * 11 + "|"]
    for row in rows:
        late = [f"{float(row[name]) / 1000:,.1f} ms" for name in
                ("half_p99_us", "formula_p99_us", "largest_p99_us", "predicted_p99_us")]
        switches = [f"{float(row[name]):.1f}" for name in ("formula_switches", "largest_switches")]
        lines.append(f"| {row['asked_ratio']} | {row['cpu_us']} | {row['wait_us']} | {row['formula_pool']} | {row['knee']} "
                     f"| {int(row['best_rps']):,} | {' | '.join([*late, *switches])} |")
    notes = re.findall(r"^# (the server has .*)", TSV.with_name("sizing-summary.tsv").read_text(), re.M)
    return "\n".join([*lines, "", f"p99 where 80 % of what the cores can do arrives; {''.join(notes)}. Written by `make sizing`."])


def ledger():
    """What a reactor costs on a proactor, for chapter 9."""
    path = TSV.with_name("ledger.tsv")
    rows = records(path)
    names = {"crossings_1": "crossings, k = 1", "crossings_8": "k = 8", "crossings_64": "k = 64", "operations_1": "operations, k = 1",
             "ratio_1": "CPU to epoll's, 1 client", "ratio_50": "50 clients", "rss_per_idle": "an idle connection: in the process, bytes",
             "slab_per_idle": "in the kernel, bytes (both ends)"}
    lines = ["| | epoll (4) | its object file on polls of a ring | io_uring (6) |", "|---|---:|---:|---:|"]
    for column, name in names.items():
        cells = [number(float(row[column])) if column[0] in "cor" and column != "rss_per_idle" and row[column] != "-" else row[column] for row in rows]
        if column.startswith("ratio"):
            bounds = [f" ({number(float(r[column.replace('_', '_low_')]))}–{number(float(r[column.replace('_', '_high_')]))})" for r in rows]
            cells = [cell + bound for cell, bound in zip(cells, ["", *bounds[1:]])]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", f"{machine(path, 'the server')}. Written by `make ledger`."])


def zero():
    """Chapter 8's server beside chapter 6's, for chapter 8."""
    path = TSV.with_name("zero.tsv")
    lines = ["| load | model | requests a second | p50, µs | p99, µs | CPU a request, µs | of it `iou-sqp` | calls a request |", "|---|---" + "|---:" * 6 + "|"]
    for row in records(path):
        cpu, sq = (f"{float(row[name]) / 1000:,.1f}" for name in ("cpu_ns_per_request", "cpu_ns_sq_thread_per_request"))
        times = " | ".join(f"{int(row[name]):,}" for name in ("rps", "p50_us", "p99_us"))
        calls = "–" if row["calls_per_request"] == "-" else f"{float(row['calls_per_request']):.2f}"
        lines.append(f"| {row['load']} | {row['model']} | {times} | {cpu} | {sq} | {calls} |")
    return "\n".join([*lines, "", f"{machine(path, '[0-9]+ rounds', 'nothing is')}. Written by `make zero`."])


def asynchronous():
    """Who does an operation's work, for chapter 6."""
    lines = ["| 64 operations of a kind | inline | task work | worker thread |", "|---|---:|---:|---:|"]
    lines += [f"| {row['operation']} | {row['inline']} | {row['task_work']} | {row['worker']} |" for row in records(TSV.with_name("async.tsv"))]
    return "\n".join(lines)


def idle():
    """What an idle connection costs in the process and in the kernel, for chapter 6."""
    lines = ["| an idle connection | resident in the server, bytes | in the kernel's slabs, both ends |", "|---|---:|---:|"]
    for row in records(TSV.with_name("waits.tsv")):
        if row["model"] in ("4-epoll", "5-epoll-et", "6-io_uring"):
            lines.append(f"| {row['model']} | {row['rss_bytes_per_connection']} | {row['slab_bytes_per_connection']} |")
    return "\n".join(lines)


PEERS = ("epoll", "epoll-et", "io_uring", "libuv", "libevent", "redis")


def peers():
    """What the crossings saved are worth, and what others' servers cost, for chapter 6."""
    path = TSV.with_name("peers-ratios.tsv")
    ratios = {(r["server"], r["connections"], r["pipeline"]): r for r in records(path) if r["to"] == "epoll-et" and r["load"] == "own"}
    crossings = {(r["server"], r["requests"]): float(r["crossings_per_request"])
                 for r in records(TSV.with_name("peers.tsv")) if r["pipeline"] == "1" and r["crossings_per_request"] != "-"}
    loads = [(connections, pipeline) for connections in ("50", "500") for pipeline in ("1", "16")]
    lines = ["| server | crossings, k = 1 | k = 64 | " + " | ".join(f"{c} connections × {p}" for c, p in loads) + " |", "|---" + "|---:" * 6 + "|"]
    for server in (name for name in PEERS if (name, *loads[0]) in ratios):
        cells = [number(crossings.get((server, k))) for k in ("1", "64")]
        cells += ["{ratio:.2f} ({low:.2f}–{high:.2f})".format(**{k: float(ratios[server, *load][k]) for k in ("ratio", "low", "high")}) for load in loads]
        lines.append(f"| {server} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", "CPU of the server for a PING, as a ratio to epoll-et's; n connections × m requests in a piece. "
                      f"Medians, and 95 % intervals. {machine(path, '[0-9]+ rounds,', 'the server')}. Written by `make peers`."])


def result(path):
    """A result file's text, or an error that names the command which makes it."""
    if not path.exists():
        raise LabError(f"there is no {path} yet: make {path.stem.split('-')[0]}")
    return path.read_text()


def quoted(name):
    """A writer of a block that shows what a command printed."""
    return lambda: f"```\n{result(TSV.with_name(name)).rstrip()}\n```"


def records(path):
    """The rows of a result file, as dicts."""
    lines = [line.split("\t") for line in result(path).splitlines() if line and not line.startswith("#")]
    return [dict(zip(lines[0], line)) for line in lines[1:]]


TABLES = {
    "summary": summary, "scale": scale, "waits": waits, "claims": claims, "course": course,
    "boundary": boundary, "run": quoted("boundary.txt"),  # chapter 0
    "async": asynchronous, "idle": idle, "peers": peers,  # 6
    "sizing": sizing, "omission": quoted("omission.txt"), "handover": handover, "work": quoted("handover.txt"),  # 7
    "zero": zero, "rings": rings,  # 8
    "ports": ports, "ledger": ledger,  # 9
}
