"""C17: what a framework built on readiness needs to use completions, and what it then gains. From chapter 9's ledger."""

from ledger import Verdict, claim, number, results


def by_ledger(crossings, operations, low):
    """
    `crossings` of a request that comes alone: epoll's, the adapter's, native completions'; `operations` of the adapter;
    `low` end of the interval of its CPU, to epoll's. The claim holds where the adapter has work of its own and crosses
    more often than native completions do: so it is needed, and it is no way to what they save.
    """
    epoll, adapter, native = crossings
    if operations <= 0 or adapter < native:
        return "fails"
    return "holds" if adapter >= epoll > native or low > 1 else "depends"


@claim("C17", "a readiness framework needs an adapter to use completions",
       "chapter 4's object file on polls of a ring: make ledger", ["ledger"])
def adapter():
    rows = results("ledger.tsv", "ledger")
    crossings = [number(rows, "crossings_1", model=model) for model in ("epoll", "reactor", "io_uring")]
    operations = number(rows, "operations_1", model="reactor")
    ratio, low, high = (number(rows, f"{what}_50", model="reactor") for what in ("ratio", "ratio_low", "ratio_high"))
    return Verdict(by_ledger(crossings, operations, low),
                   f"with it, {crossings[1]:.2f} crossings a request (epoll {crossings[0]:.2f}, native {crossings[2]:.2f}), "
                   f"{operations:.0f} operation more, and {ratio:.2f} ({low:.2f}–{high:.2f}) times epoll's CPU")
