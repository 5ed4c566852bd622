"""The figures in the lessons: put there from result files by `make refresh`, compared with them by the check `figures`."""
import re
from pathlib import Path

import build
from checks import Finding, failed
from common import DONE, FAILED, LabError, read_text, write_text
from costs import TSV, finished, table, traced
from manifest import load_all
from tables import TABLES, chapter_costs, exercises

SENTENCE = re.compile(r"^\d+ requests took .*", re.M)


def pages():
    """(path, chapter or None) of every text that may carry figures."""
    chapters = load_all()
    top = [(Path(name), None) for name in ("README.md", "LESSONS.md", "chapters/TEACHING.md") if Path(name).exists()]
    return top + [(c.readme, c) for c in chapters]


EXACT = ("costs", "summary", "trace", "course", "exercises")  # the same on every machine; all others are times and sizes
BLOCK = re.compile(rf"(<!-- ({'|'.join([*EXACT, *TABLES])})(?: (\d+))?: begin -->\n)(.*?)(<!-- \2(?: \d+)?: end -->)", re.S)
MARK = re.compile(r"<!-- (\w+)(?: \d+)?: begin -->")


def content(kind, which, chapter):
    """What stands between a pair of marks."""
    if kind == "trace":
        wanted = chapter or next(c for c in load_all() if str(c.number) == which)
        return f"```\n{traced(wanted)}\n```\n"
    if kind == "exercises":
        return exercises(which) + "\n"
    if kind in TABLES:
        return TABLES[kind]() + "\n"
    return chapter_costs(chapter) + "\n" if chapter else f"```\n{table()}\n```\n"


def build_traced():
    """What the traces in the texts are made with."""
    build.instruments(["build/tools/trace", *(build.server("plain", "solutions", c) for c in finished(load_all()))])


def refresh():
    """Writes every block anew from results of this machine."""
    build_traced()
    missing = []
    for path, chapter in pages():
        old = read_text(path)
        new = BLOCK.sub(lambda found: renewed(found, chapter, missing), old)
        if new != old:
            write_text(path, new)
            print(f"refreshed: {path}")
    for reason in dict.fromkeys(missing):
        print(f"left as it was: {reason}")
    return FAILED if missing else DONE


def renewed(found, chapter, missing):
    """A block with figures of this machine; as it was where there are none yet."""
    try:
        return found[1] + content(found[2], found[3], chapter) + found[5]
    except LabError as why:
        missing.append(str(why))
        return found[0]


def check():
    """A finding for each block: are its counts those of this machine? Times, addresses and descriptors are not compared."""
    if not TSV.exists():
        yield Finding("figures", "skipped", f"no {TSV}: make costs")
        return
    build_traced()
    for path, chapter in pages():
        text = read_text(path)
        for mark in MARK.finditer(text):
            if mark[1] not in [*EXACT, *TABLES]:
                yield failed(f"{path} {mark[0]}", "make refresh knows no such mark")
        for found in BLOCK.finditer(text):
            if found[2] not in EXACT:
                continue
            item = f"{path}:{text.count(chr(10), 0, found.start()) + 1} {found[2]}"
            fresh, old = content(found[2], found[3], chapter), found[4]
            if found[2] == "trace":
                fresh, old = SENTENCE.findall(fresh), SENTENCE.findall(old)
            yield Finding(item) if fresh == old else failed(item, f"other figures than {TSV}: make refresh")
