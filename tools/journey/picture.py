"""The journey as a picture: a lane for each model, program above and kernel below, each crossing an arrow with its result."""
from html import escape
from pathlib import Path

from batches import BATCH, NEXT

STYLE = Path("diagrams/journey.css")
LEFT, SLOT, MARGIN = 256, 50, 16  # widths, in the picture's units
TOP, LANE, GAP, BOTTOM = 80, 76, 10, 60
BOUNDARY = 41  # below a lane's upper edge
KINDS = {
    "wait": "wait",
    "enter ring": "enter",
    NEXT: "enter",
    "read request": "read",
    "find drained": "read",
    "write reply": "write",
}
MARKS = {  # a shape for each kind, around (0, 0): told apart without colour
    "wait": '<circle r="4.5"/>',
    "enter": '<path d="M0-6 6 0 0 6-6 0z"/>',
    "read": '<path d="M0-6 5.5 4h-11z"/>',
    "write": '<path d="M0 6 5.5-4h-11z"/>',
    "other": '<path d="M-4-4h8v8h-8z"/>',
}
LEGEND = [
    ("wait", "waits for events"),
    ("read", "reads a request"),
    ("write", "writes a reply"),
    ("enter", "enters the ring: submits, waits"),
    ("other", "other"),
]


def text(x, y, words, style="", anchor="middle"):
    return f'<text x="{x}" y="{y}" class="{style}" text-anchor="{anchor}">{escape(words)}</text>'


def mark(kind, x, y):
    return f'<g class="mark {kind}" transform="translate({x} {y})">{MARKS[kind]}</g>'


def name_lines(x, y, name):
    """A long name breaks at its last underscore; a short one stands on the lower line."""
    head, sep, tail = name.rpartition("_")
    if len(name) <= 8:
        return text(x, y + 24, name, "call")
    return text(x, y + 12, head + sep, "call long") + text(x, y + 24, tail, "call")


def crossing(call, x, y):
    """Down into the kernel, and back with a result."""
    kind = KINDS.get(call.phase, "other")
    style = f"crossing {kind}" if call.counted else f"uncounted {kind}"
    line = y + BOUNDARY
    path = f"M{x - 11} {line - 10}V{line + 9}q0 6 6 6h10q6 0 6-6V{line - 5}"
    tip = f"M{x + 11} {line - 12}l-4 8h8z"
    parts = [
        name_lines(x, y, call.name),
        f'<path class="path" d="{path}"/><path class="tip" d="{tip}"/>',
        mark(kind, x, line + 15),
        text(x, line + 31, f"= {call.result.split(' ')[0]}", "result"),
    ]
    if 0 < len(call.clients) < 3:
        parts.append(text(x, line - 3, call.clients, "client"))
    told = f"{call.name} = {call.result.split(' ')[0]}" + (f" ({call.clients})" if call.clients else "")
    return f'<g class="{style}"><title>{escape(told)}</title>{"".join(parts)}</g>'


def aside(batch, x, y):
    """What short lanes leave room to say."""
    after = [call for call in batch.calls if not call.counted]
    if after:
        return text(x, y + BOUNDARY + 20, f"carries the {after[0].number} replies; counted with the next batch", "aside", "start")
    if not batch.calls:
        return text(LEFT + 8, y + BOUNDARY - 10, "no call: requests and replies pass through shared memory, which the server and a thread of the kernel keep looking at", "aside", "start")
    return ""


def lane(batch, y, width):
    slots = [LEFT + SLOT * i + SLOT // 2 for i in range(len(batch.calls))]
    threads = f"on {batch.threads} threads" if batch.threads > 1 else "on one thread"
    each = f"{batch.crossings / BATCH + 1e-9:.2f} a request"
    parts = [
        f'<rect class="program" x="{LEFT}" y="{y}" width="{width}" height="{BOUNDARY}"/>',
        f'<rect class="kernel" x="{LEFT}" y="{y + BOUNDARY}" width="{width}" height="{LANE - BOUNDARY}"/>',
        f'<path class="boundary" d="M{LEFT} {y + BOUNDARY}h{width}"/>',
        text(MARGIN, y + 34, f"{batch.chapter} · {batch.model}", "model", "start"),
        text(MARGIN, y + 52, threads, "aside", "start"),
        text(LEFT - 12, y + 36, str(batch.crossings), "count", "end"),
        text(LEFT - 12, y + 52, each, "aside", "end"),
        *(crossing(call, x, y) for call, x in zip(batch.calls, slots)),
        aside(batch, LEFT + SLOT * len(batch.calls) + 4, y),
    ]
    opening = f'<g class="lane" data-chapter="{batch.chapter}" data-crossings="{batch.crossings}">'
    return opening + "\n".join(parts) + "</g><!-- lane -->"


def legend(kinds, y):
    x, parts = LEFT + 8, []
    for kind, meaning in LEGEND:
        if kind in kinds:
            parts.append(mark(kind, x, y) + text(x + 12, y + 4, meaning, "aside", "start"))
            x += 36 + 6 * len(meaning)
    parts.append(text(LEFT + 2, y + 24, "Above each line is the program, below it the kernel. = 8 is what the call returned. Letters are clients.", "aside", "start"))
    return "".join(parts)


def description(batches):
    counts = "; ".join(f"{b.model} {b.crossings}" for b in batches)
    return f"The same {BATCH} requests, ready together, at each server. Crossings of the boundary between program and kernel: {counts}."


def svg(batches):
    width = SLOT * max((len(b.calls) for b in batches), default=1)
    full = LEFT + width + MARGIN
    height = TOP + (LANE + GAP) * len(batches) + BOTTOM
    kinds = {KINDS.get(call.phase, "other") for b in batches for call in b.calls}
    lanes = [lane(b, TOP + (LANE + GAP) * i, width) for i, b in enumerate(batches)]
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {full} {height}" class="journey" role="img" aria-labelledby="journey-title journey-text">',
        f'<title id="journey-title">{BATCH} requests, and how often each server crosses into the kernel for them</title>',
        f'<desc id="journey-text">{escape(description(batches))}</desc>',
        f"<style>\n{STYLE.read_text()}</style>",
        f'<rect class="paper" width="{full}" height="{height}"/>',
        text(MARGIN, 28, f"The same {BATCH} requests at each server", "heading", "start"),
        text(MARGIN, 48, "Each arrow is a system call: down into the kernel, and back with a result. Captured with strace.", "aside", "start"),
        text(LEFT - 12, TOP - 8, "crossings", "aside", "end"),
        *lanes,
        legend(kinds, height - BOTTOM + 22),
        "</svg>\n",
    ])
