"""
site: makes build/site, a static site of this repository and this machine's results.

Reads LESSONS.md, the chapters, diagrams/ and build/results; needs pandoc and
no network. What is missing is said on the page, with the command that makes it.
Exit: 0 done, 1 failed.
"""
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[1:1] = [str(HERE.parent / "lab"), str(HERE.parent / "journey")]

import batches  # noqa: E402
import listings  # noqa: E402
import journey  # noqa: E402
import lessons  # noqa: E402
import page as frames  # noqa: E402
import process  # noqa: E402
import results  # noqa: E402
from common import DONE, ROOT, LabError, write_text  # noqa: E402

OUT = Path("build/site")
FRESH = Path("build/site.part")
AT_ONCE = 2
STYLES = [HERE / "style.css", Path("diagrams/journey.css")]


def captured():
    return batches.read() if batches.TSV.exists() else []


def fill(page, links, paths):
    """The text of a page, by what it is."""
    if page.source:
        lessons.fill(page, links)
    elif page.file == "journey.html":
        alt = lessons.described(lessons.JOURNEY) if lessons.JOURNEY.exists() else ""
        journey.fill(page, captured(), lessons.JOURNEY, alt)
    elif page.file == "results.html":
        results.fill(page, FRESH)
    else:
        listings.index(page, paths)
    return page


def assets():
    write_text(FRESH / "style.css", "\n".join(Path(s).read_text(encoding="utf-8") for s in STYLES))
    shutil.copy2(HERE / "journey.js", FRESH / "journey.js")


def make():
    shutil.rmtree(FRESH, ignore_errors=True)
    FRESH.mkdir(parents=True)
    paths = listings.sources()
    pages = lessons.plan()
    links = lessons.Links(pages, listings.pages_of(paths))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        done = list(pool.map(lambda page: fill(page, links, paths), pages))
        files = list(pool.map(listings.listing, paths))
    for page in done + files:
        write_text(FRESH / page.file, frames.frame(page, pages))
    assets()
    shutil.rmtree(OUT, ignore_errors=True)  # a page in a browser is whole until the new one is
    FRESH.rename(OUT)
    print(f"written: {len(done) + len(files)} pages; open {OUT / 'index.html'}")
    return DONE


if __name__ == "__main__":
    os.chdir(ROOT)
    try:
        sys.exit(make())
    except LabError as error:
        print(error, file=sys.stderr)
        sys.exit(error.code)
    finally:
        process.end_all()
