"""Markdown by pandoc: a text becomes pandoc's tree (JSON), links and pictures in it are led to the site's own, and it becomes HTML."""
import json
import os
import re
from html import escape
from pathlib import Path

from common import LabError, scratch
from process import run

BOUND_S = 60
OUTSIDE = re.compile(r"[a-z][a-z0-9+.-]*:|//")
EXERCISE = re.compile(r"\d+\.\d+ ")


def pandoc(words, text):
    """What pandoc makes of a text."""
    with scratch() as directory:
        source, made = Path(directory, "in"), Path(directory, "out")
        source.write_text(text, encoding="utf-8")
        done = run(["pandoc", *words, "--output", made, source], bound=BOUND_S)
        if done.code:
            raise LabError(f"pandoc {' '.join(words)}: {done.output.strip()}")
        return made.read_text(encoding="utf-8")


def read(path):
    """A Markdown file as pandoc's tree."""
    return json.loads(pandoc(["--from=gfm", "--to=json"], Path(path).read_text(encoding="utf-8")))


def html(tree):
    return pandoc(["--from=json", "--to=html5", "--wrap=preserve"], json.dumps(tree))


def plain(inlines):
    """The words of a list of inline elements."""
    words = []
    for item in inlines:
        kind, content = item["t"], item.get("c")
        if kind in ("Str",):
            words.append(content)
        elif kind in ("Space", "SoftBreak", "LineBreak"):
            words.append(" ")
        elif kind in ("Code", "Math"):
            words.append(content[1])
        elif kind in ("Link", "Image", "Span", "Quoted"):
            words.append(plain(content[1]))
        elif isinstance(content, list):
            words.append(plain(content))
    return "".join(words)


def rewrite(node, change):
    """Replaces each element of a tree, deepest first, by what `change` makes of it: an element or a list of them."""
    if isinstance(node, list):
        made = []
        for item in node:
            new = rewrite(item, change)
            made.extend(new) if isinstance(new, list) and isinstance(item, dict) else made.append(new)
        return made
    if isinstance(node, dict):
        node = {key: rewrite(value, change) for key, value in node.items()}
        return change(node) if "t" in node else node
    return node


def raw(text):
    return {"t": "RawBlock", "c": ["html", text]}


def raw_inline(text):
    return {"t": "RawInline", "c": ["html", text]}


def div(name, *blocks):
    return {"t": "Div", "c": [["", [name], []], list(blocks)]}


def headings(tree):
    """(level, anchor, words) of each heading below the title."""
    return [(b["c"][0], b["c"][1][0], plain(b["c"][2])) for b in tree["blocks"] if b["t"] == "Header" and b["c"][0] > 1]


def title(tree):
    return next((plain(b["c"][2]) for b in tree["blocks"] if b["t"] == "Header" and b["c"][0] == 1), "")


def resolved(source, target):
    """(path from the repository's top, anchor) of a relative link in a file."""
    path, _, anchor = target.partition("#")
    return (os.path.normpath(Path(source).parent / path) if path else str(source)), anchor


def leads_outside(target):
    return bool(OUTSIDE.match(target))


# ---- pictures, inline: they take the page's colours ----


def inline_svg(path, alt):
    """A rendered diagram as a part of the page. Its ids get a prefix, so that two on a page don't meet."""
    svg, stem = Path(path).read_text(encoding="utf-8"), Path(path).stem
    svg = svg[svg.index("<svg") :]
    if "journey" not in stem:
        svg = re.sub(r"<title>.*?</title>\n?", "", svg, flags=re.S)  # names of nodes: no words for people
    svg = re.sub(r"<!--.*?-->\n?", "", svg, flags=re.S)
    svg = re.sub(r'\bid="', f'id="{stem}-', svg)
    svg = re.sub(r'\saria-labelledby="[^"]*"|\srole="img"', "", svg)
    width = float(re.search(r'viewBox="[\d.]+ [\d.]+ ([\d.]+)', svg)[1]) * (1 if "journey" in stem else 4 / 3)
    head = re.match(r"<svg[^>]*>", svg)[0]
    kept = re.sub(r'\s(width|height)="[^"]*"', "", head)[:-1]
    style = f"--width:{width:.0f}px"
    svg = f'{kept} role="img" aria-label="{escape(alt, quote=True)}" style="{style}">' + svg[len(head) :]
    return f'<figure class="picture scroll" tabindex="0" role="region" aria-label="Picture: {escape(stem)}">{svg}</figure>'


# ---- what makes a lesson read well on a screen ----


def is_para(block, start=""):
    return block["t"] == "Para" and plain(block["c"]).startswith(start)


def dressed(blocks):
    """Facts below an exercise's heading and its question get a look of their own; code and tables may scroll."""
    made, after = [], None
    for block in blocks:
        if after and EXERCISE.match(after) and block["t"] == "Para":
            block = div("facts", block)
        elif is_para(block, "Predict: "):
            block = div("predict", block)
        elif block["t"] == "Table":
            block = div("scroll", block)
        after = plain(block["c"][2]) if block["t"] == "Header" and block["c"][0] == 3 else None
        if block["t"] != "RawBlock" or not block["c"][1].startswith("<!--"):
            made.append(block)
    return made


def scrollable(page):
    """Whatever scrolls can be reached and scrolled by keyboard, and says what it is."""
    page = page.replace('<div class="scroll">', '<div class="scroll" tabindex="0" role="region" aria-label="Table">')
    page = re.sub(r"<pre(?![^>]*tabindex)", '<pre tabindex="0"', page)
    return re.sub(r'<th(?=[ >])(?![^>]*scope)', '<th scope="col"', page)
