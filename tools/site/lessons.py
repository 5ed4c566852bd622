"""Pages made of Markdown files: the front, the chapters, and what else is to be read."""
import re
from html import escape
from pathlib import Path

import listings
import text
from common import LabError
from manifest import load
from page import Page

FRONT = "LESSONS.md"
JOURNEY = Path("diagrams/journey.svg")
OTHERS = [  # (source, label); those that exist
    ("README.md", "About the lab"),
    ("chapters/TEACHING.md", "Teaching with it"),
    ("CONTRIBUTING.md", "Contributing"),
]


def chapter_files():
    """The chapters that have a lesson, finished or not."""
    return sorted(Path("chapters").glob("[0-9][0-9]-*/README.md"))


def plan():
    """The pages, in reading order, without their text yet."""
    pages = [Page("index.html", "The whole course", "Begin", source=FRONT)]
    pages.append(Page("journey.html", "The journey of eight requests", "Begin"))
    for path in chapter_files():
        try:
            chapter = load(path.parent.name)
        except LabError as error:
            print(f"left out: {error}")
            continue
        pages.append(Page(f"{chapter.name}.html", f"{chapter.number} · {chapter.model}", "Chapters", source=str(path)))
    pages.append(Page("results.html", "Results of this machine", "Look up"))
    pages.append(Page("code.html", "The code to begin with", "Look up"))
    for source, label in OTHERS:
        if Path(source).exists():
            pages.append(Page(Path(source).stem.lower() + ".html", label, "Look up", source=source))
    return pages


class Links:
    """Where a link of the repository leads on the site."""

    def __init__(self, pages, code):
        self.pages = {page.source: page.file for page in pages if page.source}
        self.code = code  # source file -> page

    def target(self, source, link):
        """The site's own, or None where the site does not have it."""
        path, anchor = text.resolved(source, link)
        if path in self.pages:
            return self.pages[path] + (f"#{anchor}" if anchor else "")
        for name in (path, f"{path}/README.md"):
            if name in self.pages:
                return self.pages[name]
        if path in self.code:
            return self.code[path] + (listings.anchor(path, anchor) if anchor else "")
        return None

    def lead(self, source):
        """A change for text.rewrite: links go to pages, pictures stand in the page, what the site hides is plain text."""

        def change(node):
            if node["t"] == "Link" and not text.leads_outside(node["c"][2][0]):
                target = self.target(source, node["c"][2][0])
                if target is None:
                    return node["c"][1]
                node["c"][2][0] = target
            if node["t"] == "Image" and not text.leads_outside(node["c"][2][0]):
                path, _ = text.resolved(source, node["c"][2][0])
                alt = text.plain(node["c"][1])
                return text.raw_inline(text.inline_svg(path, alt)) if Path(path).exists() else {"t": "Str", "c": alt}
            return node

        return change


def unwrap_pictures(blocks):
    """A picture that is a paragraph of its own is none: a figure may not stand in <p>."""
    for block in blocks:
        inner = block["c"] if block["t"] == "Para" else []
        if len(inner) == 1 and inner[0]["t"] == "RawInline" and "<figure" in inner[0]["c"][1]:
            yield text.raw(inner[0]["c"][1])
        else:
            yield block


def chapter_head(chapter, links):
    """In place of the manifest's second line: what the chapter refines, where its code is, what there is to do."""
    parts = []
    if chapter.refines is not None:
        before = next((s for s in links.pages if s.startswith(f"chapters/{chapter.refines:02}-")), None)
        number = f"chapter {chapter.refines}"
        parts.append(f'refines <a href="{links.pages[before]}">{number}</a>' if before else f"refines {number}")
    for name in chapter.files:
        target = links.code.get(f"chapters/{chapter.name}/{name}")
        parts.append(f'<a href="{target}">{escape(name)}</a>' if target else escape(name))
    if chapter.exercises:
        points = sum(e.points for e in chapter.exercises)
        parts.append(f"{len(chapter.exercises)} exercises, {points} points")
        parts.append(f"<code>make chapter{chapter.number}</code>")
    return text.raw(f'<p class="facts">{" · ".join(parts)}</p>')


def front(blocks):
    """The picture of crossings at the top, where the text does not bring it itself."""
    invitation = '<p class="invitation"><a class="button" href="journey.html">Step through it, crossing by crossing</a></p>'
    has_picture = any("journey" in str(b) and "<svg" in str(b) for b in blocks)
    at = next((i for i, b in enumerate(blocks) if "<svg" in str(b)), 0) + 1 if has_picture else 1
    new = [text.raw(invitation)]
    if not has_picture and JOURNEY.exists():
        new.insert(0, text.raw(text.inline_svg(JOURNEY, described(JOURNEY))))
    return [*blocks[:at], *new, *blocks[at:]]


def described(svg):
    found = re.search(r"<desc[^>]*>(.*?)</desc>", svg.read_text(encoding="utf-8"), re.S)
    return found[1] if found else "The same requests at each server"


def fill(page, links):
    """Makes a page of its Markdown."""
    tree = text.rewrite(text.read(page.source), links.lead(page.source))
    page.title, page.sections = text.title(tree), text.headings(tree)
    blocks = text.dressed(list(unwrap_pictures(tree["blocks"])))
    if page.source.startswith("chapters/") and page.source.endswith("README.md"):
        blocks = [blocks[0], chapter_head(load(Path(page.source).parent.name), links), *blocks[2:]]
    if page.source == FRONT:
        blocks = front(blocks)
    page.body = text.scrollable(text.html({**tree, "blocks": blocks}))
