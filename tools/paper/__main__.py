"""
paper [NAME…]: the handouts, as PDFs under build/handouts/A4 and build/handouts/letter.

One sheet a chapter for the workshop (no hints, no solutions), one for whoever
leads it, and a summary of all models. NAME picks some: 04-epoll, summary.
Exit: 0 done, 1 failed, 2 usage.
"""
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lab"))

import answers  # noqa: E402
import manifest  # noqa: E402
import pdf  # noqa: E402
import process  # noqa: E402
import sheets  # noqa: E402
import tables  # noqa: E402
from common import DONE, ROOT, USAGE, LabError, scratch  # noqa: E402
from costs import TSV  # noqa: E402
from counter import read_costs  # noqa: E402

OUT = Path("build/handouts")
AT_ONCE = 2


def plan(words):
    """(name, title, its Markdown) of every sheet that is wanted."""
    chapters = [c for c in manifest.load_all() if c.exercises]
    known = [c.name for c in chapters] + ["summary"]
    for word in words:
        if word not in known:
            raise LabError(f"there is no handout {word}; there are: {', '.join(known)}", USAGE)
    wanted = [c for c in chapters if not words or c.name in words]
    found = answers.known(wanted)
    for chapter in wanted:
        title = f"{chapter.number} · {chapter.model}"
        yield f"{chapter.name}-workshop", title, sheets.workshop(chapter)
        costs = read_costs(TSV, chapter.number) if TSV.exists() else {}
        yield f"{chapter.name}-answers", f"{title}: answers", sheets.answers_sheet(chapter, found, costs)
    if not words or "summary" in words:
        yield "summary", "Crossings: all models", sheets.summary(tables.summary())


def make(job):
    directory, (name, title, markdown) = job
    page = pdf.html(name, title, markdown, directory)
    for paper, size in pdf.PAPERS.items():
        (OUT / size).mkdir(parents=True, exist_ok=True)
        pdf.pdf(page, paper, OUT / size / f"{name}.pdf")
    return name


def main(words):
    with process.progress("answers, from the finished servers"):
        jobs = list(plan(words))
    for old in OUT.glob("*/*.pdf") if not words else ():
        old.unlink()  # of a chapter that has another name by now
    with scratch() as directory, ThreadPoolExecutor(AT_ONCE) as pool:
        for name in pool.map(make, [(directory, job) for job in jobs]):
            print(f"  {OUT}/A4/{name}.pdf, and Letter", flush=True)
    return DONE


if __name__ == "__main__":
    os.chdir(ROOT)
    process.prepare()
    try:
        sys.exit(main(sys.argv[1:]))
    except LabError as error:
        print(error, file=sys.stderr)
        sys.exit(error.code)
    finally:
        process.end_all()
