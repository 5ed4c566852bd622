"""The interactive journey: two models, the same eight requests, crossing by crossing, from the captured traces."""
import json
import re
from html import escape
from pathlib import Path

import text

CLIENTS = "ABCDEFGH"
NEXT = "next"
SHOWN = 84  # characters of a call
VERBS = {
    "wait": "asks which connections are ready",
    "enter ring": "submits what is queued, and waits for completions",
    "read request": "reads the request of {who}",
    "find drained": "finds that {who} has sent no more",
    "write reply": "writes the reply to {who}",
    "wake-up": "wakes a thread, or is woken",
    "register": "changes what is watched",
    "lock": "waits for, or wakes, another thread",
    NEXT: "carries the replies out; it is counted with the next batch",
}


def written(call):
    """The call as strace writes it, its middle left out where it is long."""
    result = call.result.split(" (")[0]
    args = re.sub(r"data=\{[^}]*\}", "…", call.args)  # addresses
    room = SHOWN - len(call.name) - len(result) - 6
    if len(args) > room:
        args = args[: room - 1] + "…"
    return f"{call.name}({args}) = {result}"


def is_ring(batch):
    return any(call.phase in ("enter ring", NEXT) for call in batch.calls)


def ring_effects(batch):
    """What strace can't see inside a ring: requests come with the first completions, replies leave as operations are submitted."""
    operations = sum(call.number for call in batch.calls if call.phase in ("enter ring", NEXT)) or 1
    submitted, answered, taken = 0, 0, False
    for call in batch.calls:
        effect = {}
        if call.phase in ("enter ring", NEXT):
            if not taken:
                effect["taken"], taken = CLIENTS, True
            submitted += max(call.number, 0)
            now = len(CLIENTS) * submitted // operations
            effect["answered"], answered = CLIENTS[answered:now], now
        yield effect


def effects(batch):
    """For each call, which requests become known as ready, are taken by the program, are answered."""
    if is_ring(batch):
        yield from ring_effects(batch)
        return
    names = {"wait": "ready", "read request": "taken", "write reply": "answered"}
    for call in batch.calls:
        yield {names[call.phase]: call.clients} if call.phase in names else {}


def step(call, effect):
    who = ", ".join(call.clients) or "a client"
    says = VERBS.get(call.phase, "does something else").format(who=who)
    if call.phase == "wait":
        says = f"asks which connections are ready: {len(call.clients)} are"
    return {
        "call": written(call), "name": call.name, "phase": call.phase, "clients": call.clients, "thread": call.thread,
        "counted": call.counted, "says": says, **{k: list(v) for k, v in effect.items()},
    }


def model(batch):
    steps = [step(call, effect) for call, effect in zip(batch.calls, effects(batch))]
    if not steps:
        steps = [{
            "call": "(no call)", "name": "", "phase": "none", "clients": CLIENTS, "thread": 1, "counted": False,
            "says": "finds the requests in memory that it shares with the kernel, and leaves the replies there; a thread of the kernel looks for them",
            "taken": list(CLIENTS), "answered": list(CLIENTS),
        }]
    return {"chapter": batch.chapter, "model": batch.model, "threads": batch.threads, "crossings": batch.crossings, "steps": steps}


def data(found):
    """As JSON that may stand inside a page."""
    return re.sub("</", "<\\/", json.dumps([model(b) for b in found], ensure_ascii=False))


def options(found, chosen):
    return "".join(
        f'<option value="{b.chapter}"{" selected" if b is chosen else ""}>{b.chapter} · {escape(b.model)}</option>' for b in found
    )


def panel(side, label, found, chosen):
    return f"""<section class="panel" id="{side}" aria-labelledby="{side}-name">
<h2 id="{side}-name" class="visually-hidden">{label} model</h2>
<p class="choice"><label for="{side}-model">{label} model</label> <select id="{side}-model">{options(found, chosen)}</select></p>
<p class="numbers"><b class="crossings">0</b> <span class="crossings-word">crossings</span> <span class="answered">0 of {len(CLIENTS)} answered</span></p>
<svg class="stage" viewBox="0 0 480 190" role="img" aria-label="The boundary between program and kernel; the text below says what crosses it"></svg>
<p class="call"><code></code><span></span></p>
<details class="all"><summary>All its calls</summary><ol class="log"></ol></details>
</section>"""


CONTROLS = """<div class="controls" role="group" aria-label="Move through the batch">
<button type="button" id="first">Start</button>
<button type="button" id="back">Back</button>
<button type="button" id="play">Play</button>
<button type="button" id="forward">Step</button>
<button type="button" id="last">End</button>
<span id="position" class="position"></span>
</div>
<p class="keys">Keys, once one of these has the focus: <kbd>→</kbd> step, <kbd>←</kbd> back, <kbd>Home</kbd> start, <kbd>End</kbd> end.</p>
<div id="told" class="visually-hidden" aria-live="polite"></div>"""

INTRO = """<h1>The journey of eight requests</h1>
<p>Eight clients have sent a PING each, and all eight wait in the kernel. Choose two servers, and step. Every step is one system call that
each server really made, as <code>strace</code> saw it on this machine. A request is <em>waiting</em> in the kernel, then <em>known</em> to be
ready, then <em>taken</em> into the program, and <em>answered</em> when its reply is the kernel’s. The server that is done first stands
still while the other one goes on crossing.</p>"""

AFTER = """<h2 id="what-to-look-for">What to look for</h2>
<ul>
<li>With a thread for each connection nobody asks who is ready: each thread waits inside its own <code>read</code>. Two crossings a request, at any load.</li>
<li>An event loop pays one wait for all eight, and then a read and a write for each.</li>
<li><code>select</code>, <code>poll</code> and <code>epoll</code> take the same number of steps here. What differs is inside the wait, and grows with idle connections: see <a href="results.html#scale">what grows</a>.</li>
<li>A ring does not ask who is ready. Reads are done when its one call returns, and the replies travel with the next call. What happens inside the ring strace can’t see, so all eight move at once.</li>
</ul>"""


def fill(page, found, svg, alt):
    """`found`: the captured batches; none where `make journey` has not run here."""
    page.title = "The journey of eight requests"
    picture = text.inline_svg(svg, alt) if Path(svg).exists() else ""
    all_of_them = f'<h2 id="all-models">All models</h2>{picture}' if picture else ""
    page.sections = [(2, "what-to-look-for", "What to look for")] + ([(2, "all-models", "All models")] if picture else [])
    if not found:
        page.body = f'{INTRO}<p class="missing">There is no trace on this machine yet. <code>make journey</code> captures it.</p>{AFTER}{all_of_them}'
        return
    left = next((b for b in found if b.model == "epoll"), found[0])
    right = next((b for b in found if b.model == "io_uring"), found[-1])
    page.script = "journey.js"
    page.body = (
        f'{INTRO}<noscript><p class="missing">This page needs JavaScript; the picture below does not.</p></noscript>'
        f'<div id="journey" tabindex="-1">{CONTROLS}<div class="panels">{panel("left", "First", found, left)}{panel("right", "Second", found, right)}</div></div>'
        f'<script type="application/json" id="data">{data(found)}</script>{AFTER}{all_of_them}'
    )
