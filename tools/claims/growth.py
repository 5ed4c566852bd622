"""Claims about what grows with connections: CPU per request, from `make scale`."""

from ledger import Skipped, Verdict, claim, number, results

FLAT = 1.15         # a cost that stays within 15 % has not grown: the goal of `make scale`
ALIKE = 1.25        # models within a quarter of the cheapest look alike
LOOPS = ("select", "poll", "epoll", "epoll-et", "io_uring")     # one thread each: what differs is how they wait
LINEAR = (0.7, 1.5)     # log–log exponents taken for O(n); caches bend a straight line


def line(model, active):
    return next((row for row in results("scale-slopes.tsv", "scale")
                 if row["model"] == model and row["active"] == str(active)), None) or skip(model)


def skip(model):
    raise Skipped(f"make scale has no line for {model}")


@claim("C2", "select and poll cost O(n) a call", "log–log slope of what idle connections add to the CPU of a request")
def linear():
    found, words = [], []
    for model in ("select", "poll"):
        row = line(model, 1)
        if row["growth"] == "-":
            return Verdict("fails", f"{model}: {int(row['up_to']):,} idle connections add nothing that can be measured")
        found.append(float(row["growth"]))
        words.append(f"{model} × {float(row['ratio']):.1f} at {int(row['up_to']):,} idle (n^{found[-1]:.2f})")
    holds = all(LINEAR[0] <= slope <= LINEAR[1] for slope in found)
    return Verdict("holds" if holds else "depends", "; ".join(words))


@claim("C3", "epoll costs O(ready), not O(registered)", "the same slope: near 0")
def flat():
    rows = [(model, line(model, 1)) for model in ("epoll", "epoll-et")]
    ratios = [float(row["ratio"]) for _, row in rows]
    words = [f"{model} × {float(row['ratio']):.2f} at {int(row['up_to']):,} idle" for model, row in rows]
    return Verdict("holds" if max(ratios) <= FLAT else "fails", "; ".join(words))


def spread(rows, idle, active):
    """(cheapest, dearest, ratio) among the models that hold so many connections; None where fewer than two do."""
    costs = {row["model"]: float(row["cpu_ns_per_request"]) for row in rows
             if row["idle"] == str(idle) and row["active"] == str(active)}
    if len(costs) < 2:
        return None
    best, worst = min(costs, key=costs.get), max(costs, key=costs.get)
    return best, worst, costs[worst] / costs[best]


def parting(rows, active):
    """The first number of idle connections at which the models part, and how."""
    for idle in sorted({int(row["idle"]) for row in rows}):
        found = spread(rows, idle, active)
        if found and found[2] > ALIKE:
            return idle, found
    return None


@claim("C15", "below ten thousand connections the models look alike",
       "CPU per request of all event loops: where the lines part, for mostly idle and for mostly active connections")
def alike():
    rows = [row for row in results("scale.tsv", "scale") if row["model"] in LOOPS]
    words, parted = [], []
    for active in (1, 64):
        found = parting(rows, active)
        name = f"{active} active"
        if found:
            idle, (best, worst, times) = found
            parted.append(idle)
            words.append(f"{name}: they part at {idle:,} idle, {worst} × {times:.1f} of {best}")
        else:
            words.append(f"{name}: alike up to {max(int(row['idle']) for row in rows):,} idle")
    early = [idle for idle in parted if idle < 10000]
    return Verdict("fails" if len(early) == 2 else "depends" if early else "holds", "; ".join(words))
