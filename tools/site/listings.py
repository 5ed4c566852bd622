"""The code that a student begins with: each file a page, each line an anchor."""
import re
from html import escape
from pathlib import Path

import text
from page import Page


def sources():
    """The starters and the kit. Solutions are not shown."""
    found = sorted(Path("chapters").glob("[0-9][0-9]-*/**/*.[ch]")) + sorted(Path("chapters/common").glob("*.[ch]"))
    return [path for path in found if path.is_file()]


def name(path):
    return "code-" + "-".join(path.parts[1:]) + ".html"


def pages_of(paths):
    """{source: page's file}"""
    return {str(path): name(path) for path in paths}


def anchor(path, wanted):
    """#L-12 for the anchors L12 and on_event: a line, or where a function or a type begins."""
    number = re.fullmatch(r"L(\d+)", wanted)
    if number:
        return f"#L-{number[1]}"
    begins = re.compile(rf"^(?!\s).*\b{re.escape(wanted)}\b\s*[({{]|^(struct|enum) {re.escape(wanted)}\b")
    lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    return next((f"#L-{i}" for i, line in enumerate(lines, 1) if begins.search(line)), "")


def listing(path):
    lines = path.read_text(encoding="utf-8", errors="replace")
    fence = "`" * 8
    block = f"{fence} {{.c .numberLines .lineAnchors #L}}\n{lines}\n{fence}\n"
    made = text.pandoc(["--from=markdown", "--to=html5"], block)
    made = made.replace('<a href="#L-', '<a tabindex="-1" aria-hidden="true" href="#L-')  # hundreds of stops for the keyboard otherwise
    page = Page(name(path), str(path), "Code", title=str(path), source="")
    page.body = (
        f'<h1><code>{escape(str(path))}</code></h1><p class="facts"><a href="code.html">All files</a> · '
        f'{len(lines.splitlines())} lines; a line’s number is its address</p>{text.scrollable(made)}'
    )
    return page


def index(page, paths):
    """The list of all files."""
    page.title = "The code to begin with"
    groups = {}
    for path in paths:
        groups.setdefault(path.parts[1], []).append(path)
    made = [f"<h1>{page.title}</h1><p>Starters, as they are in <code>chapters/</code> now, and the kit that every server shares.</p>"]
    for group, files in groups.items():
        heading = "The kit" if group == "common" else group
        made.append(f'<h2 id="{escape(group)}">{escape(heading)}</h2><ul>')
        made += [f'<li><a href="{name(f)}"><code>{escape("/".join(f.parts[2:]))}</code></a></li>' for f in files]
        made.append("</ul>")
        page.sections.append((2, group, heading))
    page.body = "".join(made)
