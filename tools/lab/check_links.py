"""Every relative link and anchor in every Markdown file leads somewhere; server.c#on_sent leads to a function."""
import re
import subprocess
from pathlib import Path
from urllib.parse import unquote

from checks import Finding, failed
from common import read_text
from manifest import fenced, slug

LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)>\s]+)>?(?:\s+\"[^\"]*\")?\s*\)")
REFERENCE = re.compile(r"^\[[^\]]+\]:\s*(\S+)")
SOURCE = re.compile(r"<(?:img|a)\b[^>]*?\b(?:src|href)=\"([^\"]+)\"")
NAMED = re.compile(r"<a\s+(?:id|name)=\"([^\"]+)\"")
CODE = re.compile(r"`[^`]*`")
OUTSIDE = re.compile(r"[a-z][a-z0-9+.-]*:|//")


def markdown_files():
    done = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.md"], capture_output=True, text=True)
    names = done.stdout.split("\n") if done.returncode == 0 else map(str, Path(".").rglob("*.md"))
    return sorted(Path(n) for n in names if n and not n.startswith("build/") and Path(n).exists())


def visible(path):
    """(number, line) of the lines that are no code."""
    lines = read_text(path).split("\n")
    return [(i, line) for i, (line, hidden) in enumerate(zip(lines, fenced(lines)), 1) if not hidden]


def anchors(path):
    """As a forge makes them: the second heading of a name gets -1."""
    found, seen = set(), {}
    for _, line in visible(path):
        found.update(NAMED.findall(line))
        if re.match(r"#{1,6} ", line):
            name = slug(re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", line.lstrip("#")).replace("`", ""))
            found.add(f"{name}-{seen[name]}" if name in seen else name)
            seen[name] = seen.get(name, 0) + 1
    return found


def links(path):
    for number, line in visible(path):
        line = CODE.sub("``", line)
        for pattern in (LINK, REFERENCE, SOURCE):
            for target in pattern.findall(line):
                if not OUTSIDE.match(target):
                    yield number, target


def problem(path, target):
    file, _, anchor = unquote(target).partition("#")
    there = path.parent / file if file else path
    if not there.exists():
        return f"{target}: there is no such file"
    if anchor and there.suffix == ".md" and anchor not in anchors(there):
        return f"{target}: {there} has no such heading"
    if anchor and there.suffix in (".c", ".h") and not defines(there, anchor):
        return f"{target}: {there} has no {anchor}"
    return None


def defines(source, name):
    """A link to a source names a function of it, server.c#on_sent: a number of a line would drift."""
    return bool(re.search(rf"^(?:[a-z].*\b)?{re.escape(name)}\(", read_text(source), re.M))


def check(*_words):
    for path in markdown_files():
        targets = list(links(path))
        problems = [(number, problem(path, target)) for number, target in targets]
        bad = [(number, text) for number, text in problems if text]
        for number, text in bad:
            yield failed(f"{path}:{number}", text)
        if not bad:
            yield Finding(f"{path}: {len(targets)} links")
