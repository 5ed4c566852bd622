"""The frame of every page: head, header, text, contents, previous and next."""
from dataclasses import dataclass, field
from html import escape

ICON = "data:image/svg+xml," + (
    "%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath d='M0 8h16v8H0z' fill='%23999'/%3E"
    "%3Cpath d='M4 3v7q0 3 4 3t4-3V5' fill='none' stroke='%230b5a8f' stroke-width='2'/%3E%3C/svg%3E"
)


@dataclass
class Page:
    file: str  # "04-epoll.html"
    label: str  # in the contents
    group: str
    title: str = ""
    body: str = ""  # HTML
    sections: list = field(default_factory=list)  # (level, anchor, words)
    source: str = ""  # the Markdown file it is made of
    script: str = ""


def contents(pages, here):
    """All pages, by group; below the present one its sections."""
    made, group = [], None
    for page in pages:
        if page.group != group:
            made.append(f"{'</ul>' if group is not None else ''}<h2>{escape(page.group)}</h2><ul>")
            group = page.group
        current = ' aria-current="page"' if page is here else ""
        made.append(f'<li><a href="{page.file}"{current}>{escape(page.label)}</a>{sections(page) if page is here else ""}</li>')
    return "".join(made) + "</ul>"


def sections(page):
    shown = [(level, anchor, words) for level, anchor, words in page.sections if level <= 3]
    if not shown:
        return ""
    items = "".join(f'<li class="level{level}"><a href="#{escape(anchor)}">{escape(words)}</a></li>' for level, anchor, words in shown)
    return f'<ul class="sections">{items}</ul>'


def neighbours(pages, here):
    """Previous and next, in the order in which one reads."""
    if here not in pages:
        return ""
    at = pages.index(here)
    made = []
    if at > 0:
        made.append(f'<a rel="prev" href="{pages[at - 1].file}"><span>Previous</span> {escape(pages[at - 1].label)}</a>')
    if at < len(pages) - 1:
        made.append(f'<a rel="next" href="{pages[at + 1].file}"><span>Next</span> {escape(pages[at + 1].label)}</a>')
    return f'<nav class="neighbours" aria-label="Previous and next">{"".join(made)}</nav>'


def frame(page, listed):
    """The whole page. Contents come after the text, where a phone finds them; a wide screen shows them at its side."""
    script = f'<script src="{page.script}"></script>' if page.script else ""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(page.title)} · Crossings</title>
<link rel="icon" href="{ICON}">
<link rel="stylesheet" href="style.css">
</head>
<body>
<a class="skip" href="#text">Skip to the text</a>
<header class="top"><a class="home" href="index.html">Crossings</a>
<nav aria-label="Main"><a href="journey.html">Journey</a> <a href="results.html">Results</a> <a class="to-contents" href="#contents">Contents</a></nav></header>
<div class="columns">
<main id="text" tabindex="-1">
{page.body}
{neighbours(listed, page)}
</main>
<nav id="contents" class="contents" aria-label="Contents" tabindex="-1">
{contents(listed, page)}
</nav>
</div>
<footer><p>Made by <code>make site</code> from this repository and this machine’s results. MIT licence.</p></footer>
{script}
</body>
</html>
"""
