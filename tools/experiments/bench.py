"""What the experiments share: a server under load (build/tools/drive), the
statistics of slices, files of results, progress.

A slice is a fixed number of requests; its cost is what the server's own CPU
clock grew by. Slices of what is compared alternate, so that what else this
machine does meanwhile meets all of them; ratios are taken within a round.
"""

import math
import os
import platform
import random
import select
import signal
import subprocess
import sys
import tempfile
import time

DRIVE = "build/tools/drive"
LOAD = "build/tools/load"
RESULTS = "build/results"
ANSWER_S = 120      # an answer that takes longer is a failure; the load's own waits are far shorter
RESAMPLES = 1000    # of the bootstrap
QUICK = os.environ.get("QUICK", "0") not in ("", "0")


class Failed(Exception):
    """The server or the load gave up, with a sentence."""


class Load:
    """One server and the connections to it, in a process of its own: so many descriptors does no single one have."""

    def __init__(self, command, options=()):
        # A session of its own: Ctrl-C is ours, and we still want its answers.
        self.process = subprocess.Popen([DRIVE, *options, "--", *command], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, start_new_session=True)
        self.buffer = b""
        try:
            self.port = int(self.answer("ready").split()[1])
        except BaseException:
            self.close()
            raise

    def line(self):
        while b"\n" not in self.buffer:
            ready, _, _ = select.select([self.process.stdout], [], [], ANSWER_S)
            got = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            if not got:
                raise Failed("the load ended without a word" if ready else f"no answer within {ANSWER_S} s")
            self.buffer += got
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode()

    def answer(self, word):
        """The rest of an answer that begins with `word`."""
        first, _, rest = self.line().partition(" ")
        if first != word:
            raise Failed(rest)
        return rest

    def ask(self, word, *numbers):
        line = " ".join([word, *map(str, numbers)])
        try:
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass    # the answer says why
        return self.answer(word)

    def connections(self, kind, number):
        """Opens until there are `number`: returns how many there are, and why no more."""
        have, _, why = self.ask(kind, number).partition(" ")
        return int(have), why.strip()

    def slice(self, requests, pipeline=1):
        """CPU of the server per request, in ns, and its share of a core meanwhile."""
        cpu_ns, wall_ns, _ = map(int, self.ask("slice", requests, pipeline).split())
        return cpu_ns / requests, cpu_ns / wall_ns

    def slice_of_ring(self, requests, pipeline=1):
        """CPU per request, the share of a core, and of the former the part of io_uring's threads."""
        cpu_ns, wall_ns, ring_ns = map(int, self.ask("slice", requests, pipeline).split())
        return cpu_ns / requests, cpu_ns / wall_ns, ring_ns / requests

    def asks(self, request):
        """What the slices to come ask: "PING", "BLOB 1024"."""
        self.ask("request", request)

    def cpu_ns(self):
        return int(self.ask("cpu"))

    def rss(self):
        return int(self.ask("rss"))

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()    # its server dies with it
            self.process.wait()
        self.process.stdout.close()


def number(text):
    try:
        return float(text)
    except ValueError:
        return text


def run_load(command, **options):
    """One run of build/tools/load: run_load([server], rate=500, mix="WORK 0 2000", server_cores=2). Returns the row of
    all requests as a dict by column; "commands" holds those of each command of a mix, "said" what it printed."""
    words = []
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        words += [flag] if value is True else [flag, str(value)] if value not in (None, False) else []
    with tempfile.NamedTemporaryFile(suffix=".tsv") as file:
        process = subprocess.Popen([LOAD, *words, "--tsv", file.name, "--", *command], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, start_new_session=True)
        try:
            said, complaint = process.communicate(timeout=ANSWER_S)
        except BaseException:
            process.terminate()    # its server ends with it
            process.communicate()
            raise
        lines = [line.split("\t") for line in file.read().decode().splitlines() if not line.startswith("#")]
    if process.returncode:
        raise Failed(complaint.strip() or f"the load ended with status {process.returncode}")
    rows = [dict(zip(lines[0], map(number, line))) for line in lines[1:]]
    return {**rows[0], "commands": {row["command"]: row for row in rows[1:]}, "said": said}


# ---- what is measured ----

# Loops in a microsecond of WORK, as a server's --pace: measured anew at each start it would differ from server to server,
# where cores are hyper-threads, with what the other one did at that moment. What the work takes is measured, not believed.
PACE = ["--pace", "2000"]


def model_of(path):
    """build/plain/solutions/04-epoll/server → 4, epoll"""
    number, _, name = os.path.basename(os.path.dirname(path)).partition("-")
    return int(number), name


def is_event_driven(path):
    """One thread and its events: chapters 2 to 8. A thread for each connection, or a pool on a port, is another matter."""
    return 2 <= model_of(path)[0] <= 8


def rotated(items, by):
    """The same in an order that begins elsewhere each round: nobody always follows the same one."""
    by %= len(items)
    return items[by:] + items[:by]


# ---- statistics ----

def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def interval(values):
    """95 of 100 of what a statistic gave on resampled rounds lie between these two."""
    ordered = sorted(v for v in values if not math.isnan(v))
    if not ordered:
        return math.nan, math.nan
    return ordered[int(0.025 * (len(ordered) - 1))], ordered[int(math.ceil(0.975 * (len(ordered) - 1)))]


def bootstrap(rounds, statistic):
    """statistic(rounds), and its interval: what it gives when rounds are drawn with replacement."""
    draw = random.Random(1)    # the same figures from the same rounds
    drawn = (statistic([draw.choice(rounds) for _ in rounds]) for _ in range(RESAMPLES))
    return (statistic(rounds), *interval(drawn))


def ratio(costs, to):
    """Median of the ratios within a round, and its interval."""
    return bootstrap([a / b for a, b in zip(costs, to)], median)


# ---- files of results ----

def cpu_name():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            return next(line.split(":", 1)[1].strip() for line in f if line.startswith("model name"))
    except (OSError, StopIteration):
        return "unknown"


def version(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return (done.stdout.splitlines() or [""])[0]


def write_tsv(path, notes, columns, rows):
    """Lines “# …”, a line of names, rows."""
    kernel = platform.uname()
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        for note in [f"kernel {kernel.system} {kernel.release} {kernel.machine}",
                     f"cpu {cpu_name()}, {os.cpu_count()} online",
                     time.strftime("date %Y-%m-%dT%H:%M:%SZ", time.gmtime()), *notes]:
            print("# " + note, file=f)
        for row in [columns.split(), *rows]:
            print("\t".join(map(str, row)), file=f)


def cores_note():
    """How far the figures can be trusted: the server and its load should not share a core."""
    if len(os.sched_getaffinity(0)) > 1:
        return "the server has a core of its own, the load another"
    return "one core only: the server and its load share it, so costs include switches between them"


def plot(script, **variables):
    """Pictures beside the results; without gnuplot there are none."""
    settings = "; ".join(f"{name}='{value}'" for name, value in variables.items())
    try:
        subprocess.run(["gnuplot", "-e", settings, script], check=True, stderr=subprocess.PIPE, text=True)
    except FileNotFoundError:
        print("no picture: gnuplot is missing (tools/setup pictures)", file=sys.stderr)
    except subprocess.CalledProcessError as failed:
        print(f"no picture: gnuplot failed at {script}: {failed.stderr.strip()}", file=sys.stderr)


# ---- progress ----

def progress(text):
    """One line that is written over on a terminal; elsewhere a line each."""
    if sys.stderr.isatty():
        print(f"\r\033[K  {text}", end="", file=sys.stderr, flush=True)
    elif text:
        print(f"  {text}", file=sys.stderr, flush=True)


def stop_like_ctrl_c():
    """SIGTERM and SIGHUP, too, end an experiment with what it has; SIGINT even where we inherited that it is ignored."""
    def stop(_signal, _frame):
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)


def to_the_end(measure, *arguments):
    """
    Runs measure(*arguments). Returns notes for the result and an exit code: ([], 0), or why it ended early, when
    it was interrupted or broke; what it has measured until then is kept.
    """
    stop_like_ctrl_c()
    try:
        measure(*arguments)
    except KeyboardInterrupt:
        print("\n  interrupted: what follows is what was measured until then", file=sys.stderr)
        return ["partial: interrupted"], 130
    except (Failed, subprocess.TimeoutExpired) as why:
        print(f"\n  stopped before the end: {why}", file=sys.stderr)
        return [f"partial: {why}"], 1
    return [], 0


# ---- tables ----

def table(rows, columns):
    """Aligned: the first column to the left, the others to the right."""
    cells = [list(map(str, row)) for row in [columns, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    for row in cells:
        print("  " + "  ".join([row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:])]))


def times(figure, low, high):
    return f"{figure:.2f} ({low:.2f}–{high:.2f})"
