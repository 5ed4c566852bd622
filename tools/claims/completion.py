"""The claim about completion ports: what they spare is the guess of the pool's size."""

import ports_words
from ledger import Skipped, Verdict, bench, claim, results

FLAT = .85      # of its best throughput that a model keeps with the largest pool: it has not fallen
FALLS = .1      # by how much more of its best the other must lose, so that the difference is one
LOW = .8        # of the plain pool's best: a port that does not reach it pays for its bound


def kept(row):
    return row["largest_rps"] / row["best_rps"]


@claim("C14", "a completion port limits running threads, so pool size matters less",
       "make ports: throughput over the number of workers, a port beside a plain pool", ["ports"])
def size_matters_less():
    rows = [{name: bench.number(value) for name, value in row.items()} for row in results("ports-summary.tsv", "ports")]
    pairs = [(row, next((other for other in rows if other["model"] == "thread-pool" and
                         (other["cpu_us"], other["wait_us"]) == (row["cpu_us"], row["wait_us"])), None))
             for row in rows if row["model"] == "port"]
    if not pairs or None in [pool for _, pool in pairs]:
        raise Skipped("make ports was interrupted before both models were measured")
    got, cores = rows[0]["busy_cores"], rows[0]["cores"]
    if ports_words.is_starved(got, cores):
        raise Skipped(f"the server got {got:.1f} of {cores:.0f} cores: other work on this machine decided, not the pool's size")
    return Verdict(by_size([(kept(port), kept(pool), port["best_rps"] / pool["best_rps"]) for port, pool in pairs]),
                   "; ".join(words(port, pool) for port, pool in pairs))


def words(port, pool):
    return (f"computes {port['cpu_us']:g} µs, waits {port['wait_us']:g}: {port['largest_workers']:g} workers keep {100 * kept(port):.0f} % of "
            f"the port's best, {100 * kept(pool):.0f} % of the pool's; best to best {100 * port['best_rps'] / pool['best_rps']:.0f} %")


def by_size(mixes):
    """[(kept by the port, kept by the pool, the port's best to the pool's)], one for each mix of computing and waiting."""
    flat = [port >= FLAT for port, _, _ in mixes]
    falls = [pool <= port - FALLS for port, pool, _ in mixes]
    high = [best >= LOW for _, _, best in mixes]
    if all(flat) and all(falls) and all(high):
        return "holds"
    return "depends" if all(flat) or any(falls) else "fails"
