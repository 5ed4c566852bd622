"""Markdown to PDF: pandoc writes the HTML, WeasyPrint the pages."""
from pathlib import Path

from common import LabError, write_text
from process import run

PAPERS = {"a4": "A4", "letter": "Letter"}
BOUND_S = 90  # of one sheet
CSS = Path(__file__).with_name("paper.css")


def html(name, title, markdown, directory):
    """Writes NAME.md and NAME.html; returns the latter."""
    source, page = Path(directory, f"{name}.md"), Path(directory, f"{name}.html")
    write_text(source, markdown)
    bounded(["pandoc", "--from=markdown-implicit_figures-citations", "--to=html5", "--standalone", "--metadata", f"pagetitle={title}",
             "--metadata", "lang=en", "--css", CSS.resolve(), source, "-o", page])
    return page


def pdf(page, paper, path):
    """Prints a page of HTML; pictures are found from the repository's top."""
    size = Path(page).with_suffix(f".{paper}.css")
    write_text(size, f"@page {{ size: {PAPERS[paper]} }}\n")
    bounded(["weasyprint", "--quiet", "--base-url", f"{Path('.').resolve()}/", "--stylesheet", size, page, path])


def bounded(words):
    done = run(list(map(str, words)), bound=BOUND_S)
    if done.code or done.timed_out:
        raise LabError(f"{words[0]} failed:\n{done.output.strip()[-2000:]}")
    return done
