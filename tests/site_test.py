#!/usr/bin/env python3
"""
The site, as it is and in a browser: links and anchors, headings, contrast; then
in headless Chromium, by the WebDriver protocol: no error in the console, no
page wider than a phone, and the journey forward and back, with the counter's
counts at its end.
Exit: 0 passed, 1 failed, 77 skipped (the last line says why).
"""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[1:1] = [str(ROOT / "tools/lab"), str(ROOT / "tools/journey")]

import batches  # noqa: E402
import process  # noqa: E402

SITE = Path("build/site")
ALL_S, ANSWER_S, START_S = 420, 60, 30  # bounds: of everything, of one command, of the browser's start
PHONE, DESK = 375, 1280
AA = 4.5


# ---- pages as they are written ----


class Reader(HTMLParser):
    """What a page's checks need: ids, links, what it loads, headings."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.loads, self.levels, self.tags, self.mute = [], [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        has = dict(attributes)
        self.tags.append(tag)
        if "id" in has:
            self.ids.append(has["id"])
        if tag == "a" and "href" in has:
            self.links.append(has["href"])
        if tag in ("script", "img", "link") and (has.get("src") or has.get("href")):
            self.loads.append(has.get("src") or has.get("href"))
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if tag == "img" and not has.get("alt"):
            self.mute.append(has.get("src"))


def target_problem(directory, name, link, pages):
    path, _, anchor = link.partition("#")
    to = path or name
    if not (directory / to).exists():
        return f"{name}: {link} leads nowhere"
    if anchor and anchor not in pages.get(to, Reader("")).ids:
        return f"{name}: {link}: no such anchor"
    return None


def page_problems(name, page):
    if len(page.ids) != len(set(page.ids)):
        yield f"{name}: twice the same id: {sorted({i for i in page.ids if page.ids.count(i) > 1})}"
    if page.levels.count(1) != 1 or page.tags.count("main") != 1:
        yield f"{name}: one h1 and one main are wanted"
    main = page.levels[: page.levels.index(1) + 1] if 1 in page.levels else []
    for before, after in zip(page.levels[len(main) - 1 :], page.levels[len(main) :]):
        if after > before + 1:
            yield f"{name}: a heading of level {after} follows one of level {before}"
    for file in page.loads:
        if re.match(r"(https?:)?//", file):
            yield f"{name}: loads {file} from the network"
    for image in page.mute:
        yield f"{name}: {image} has no text for those who can't see it"


def site_problems(directory):
    pages = {path.name: Reader(path.read_text(encoding="utf-8")) for path in sorted(directory.glob("*.html"))}
    for name, page in pages.items():
        yield from page_problems(name, page)
        for link in page.links + page.loads:
            if not re.match(r"[a-z][a-z0-9+.-]*:", link):
                problem = target_problem(directory, name, link, pages)
                if problem:
                    yield problem


# ---- contrast ----


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def schemes(css):
    """The colours of :root: of the light scheme, and of the dark one over them."""
    light, dark = (dict(re.findall(r"--(\w+): (#\w{6});", block)) for block in re.findall(r":root \{(.*?)\}", css, re.S)[:2])
    return {"light": light, "dark": {**light, **dark}}


# ---- the browser ----


class Browser:
    """Chromium by its driver. All of it ends with `close`, or with us."""

    def __init__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.profile = tempfile.mkdtemp(prefix="site-test.", dir="build")
        words = ["chromedriver", f"--port={self.port}"]
        self.driver = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        self.session = ""
        self.wait_until_up()
        self.session = "/session/" + self.ask("POST", "/session", {"capabilities": {"alwaysMatch": self.wishes()}})["sessionId"]

    def wishes(self):
        arguments = ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={Path(self.profile).resolve()}"]
        if os.geteuid() == 0:
            arguments.append("--no-sandbox")  # root has none
        return {"browserName": "chrome", "goog:loggingPrefs": {"browser": "ALL"}, "goog:chromeOptions": {"args": arguments}}

    def wait_until_up(self):
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            try:
                if self.ask("GET", "/status")["ready"]:
                    return
            except OSError:
                if self.driver.poll() is not None:
                    break
                time.sleep(0.05)
        raise RuntimeError("chromedriver did not start")

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_S)
        try:
            connection.request(method, self.session + path, json.dumps(body) if body is not None else None)
            value = json.loads(connection.getresponse().read())["value"]
        finally:
            connection.close()
        if isinstance(value, dict) and "error" in value:
            raise RuntimeError(f"{path}: {value['error']}: {value['message'][:300]}")
        return value

    def cdp(self, command, **words):
        return self.ask("POST", "/goog/cdp/execute", {"cmd": command, "params": words})

    def resize(self, width):
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 500)

    def open(self, path):
        self.ask("POST", "/url", {"url": path.resolve().as_uri()})

    def run(self, script, *words):
        return self.ask("POST", "/execute/sync", {"script": script, "args": list(words)})

    def complaints(self):
        return [e["message"] for e in self.ask("POST", "/se/log", {"type": "browser"}) if e["level"] in ("SEVERE", "WARNING")]

    def key(self, name):
        """A key as from a keyboard."""
        for kind in ("rawKeyDown", "keyUp"):
            self.cdp("Input.dispatchKeyEvent", type=kind, key=name, code=name)

    def close(self):
        try:
            if self.session:
                self.ask("DELETE", "")
        except (OSError, RuntimeError):
            pass
        self.driver.terminate()
        try:
            self.driver.wait(10)
        except subprocess.TimeoutExpired:
            self.driver.kill()
            self.driver.wait()
        shutil.rmtree(self.profile, ignore_errors=True)


WIDTH = "return Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)"
WIDE = """const w = document.documentElement.clientWidth; return [...document.querySelectorAll('main *, header *, nav *')]
.filter(e => e.getBoundingClientRect().right > w + 1 && !e.closest('.scroll, pre, svg'))
.slice(0, 3).map(e => e.tagName + ' ' + e.textContent.slice(0, 40))"""


def browser_problems(browser, path):
    """What a person would meet on a page: errors, and text off the screen of a phone."""
    browser.resize(PHONE)
    browser.open(path)
    for complaint in browser.complaints():
        yield f"{path.name}: {complaint}"
    width = browser.run(WIDTH)
    if width > PHONE:
        yield f"{path.name}: {width} px wide at {PHONE} px: {browser.run(WIDE)}"


# ---- the tests ----


class AsWritten(unittest.TestCase):
    def test_links_anchors_headings(self):
        self.assertEqual(list(site_problems(SITE)), [])

    def test_contrast(self):
        for scheme, colours in schemes((SITE / "style.css").read_text()).items():
            for name in ("ink", "muted", "accent", "keyword", "string", "number", "comment"):
                for ground in ("paper", "shade"):
                    ratio = contrast(colours[name], colours[ground])
                    self.assertGreaterEqual(ratio, AA, f"{scheme}: {name} on {ground} has {ratio:.2f}")

    def test_solutions_are_not_shown(self):
        for path in SITE.glob("*.html"):
            self.assertNotIn("NAIVE_", path.read_text() if path.name.startswith("code-") else "", path.name)

    def test_faults_are_found(self):
        with tempfile.TemporaryDirectory() as directory:
            bad = Path(directory, "bad.html")
            bad.write_text('<main><h1 id="a">x</h1><h3 id="a">y</h3><a href="no.html">n</a><a href="#b">m</a><img src="https://x/y"></main>')
            found = "\n".join(site_problems(Path(directory)))
            for words in ("no.html leads nowhere", "#b: no such anchor", "twice the same id", "level 3 follows", "from the network", "no text"):
                self.assertIn(words, found)


class InABrowser(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = Browser()

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()

    def test_every_page(self):
        for path in sorted(SITE.glob("*.html")):
            with self.subTest(path.name):
                self.assertEqual(list(browser_problems(self.browser, path)), [])

    def test_faults_are_found(self):
        with tempfile.TemporaryDirectory() as directory:
            bad = Path(directory, "bad.html")
            bad.write_text('<meta name="viewport" content="width=device-width"><main><p style="width:900px">wide</p></main><script>nothing()</script>')
            found = "\n".join(browser_problems(self.browser, bad))
            self.assertIn("nothing is not defined", found)
            self.assertIn("at 375 px", found)


class Journey(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.found = batches.read() if batches.TSV.exists() else []
        if not cls.found:
            raise unittest.SkipTest(f"no {batches.TSV}: make journey")
        cls.browser = Browser()
        cls.browser.resize(DESK)

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()

    def setUp(self):
        self.browser.open(SITE / "journey.html")

    def choose(self, side, chapter):
        self.browser.run("const s = document.querySelector(`#${arguments[0]}-model`); s.value = arguments[1]; s.dispatchEvent(new Event('change'))", side, str(chapter))

    def press(self, button):
        self.browser.run("document.getElementById(arguments[0]).click()", button)

    def shown(self, side):
        numbers = self.browser.run("return ['.crossings', '.answered'].map(c => document.querySelector(`#${arguments[0]} ${c}`).textContent)", side)
        return float(numbers[0]), int(numbers[1].split()[0])

    def forward(self):
        """Steps until there is no more; the states on the way."""
        states = [(self.shown("left"), self.shown("right"))]
        while not self.browser.run("return document.getElementById('forward').disabled") and len(states) < 200:
            self.press("forward")
            states.append((self.shown("left"), self.shown("right")))
        return states

    def test_forward_and_back(self):
        self.choose("left", self.found[0].chapter)
        self.choose("right", self.found[-1].chapter)
        states = self.forward()
        self.assertGreater(len(states), batches.BATCH)
        for expected in reversed(states[:-1]):
            self.press("back")
            self.assertEqual((self.shown("left"), self.shown("right")), expected)
        self.assertEqual(states[0], ((0, 0), (0, 0)))
        self.assertTrue(self.browser.run("return document.getElementById('back').disabled"))

    def test_ends_with_the_counter_s_counts(self):
        for batch in self.found:
            with self.subTest(batch.model):
                counted = batches.counted(batch.chapter).get("total")
                if counted is None:
                    self.skipTest(f"{batches.COSTS} has no {batch.model}: make costs")
                self.choose("left", batch.chapter)
                self.press("last")
                crossings, answered = self.shown("left")
                self.assertAlmostEqual(crossings, counted, places=2)
                self.assertEqual(answered, batches.BATCH)

    def test_by_keyboard_and_by_ear(self):
        self.browser.run("document.getElementById('forward').focus()")
        self.browser.key("ArrowRight")
        self.browser.key("ArrowRight")
        told = "return document.querySelector('[aria-live]').textContent"
        self.assertRegex(self.browser.run(told), r"^Step 2 of \d+\. .*crossing")
        self.browser.key("ArrowLeft")
        self.assertRegex(self.browser.run(told), r"^Step 1 of ")
        self.browser.key("End")
        self.browser.key("Home")
        self.assertRegex(self.browser.run(told), r"^Step 0 of ")

    def test_plays_to_its_end(self):
        self.press("play")
        end = time.monotonic() + ANSWER_S
        while time.monotonic() < end and not self.browser.run("return document.getElementById('last').disabled"):
            time.sleep(0.1)
        self.assertEqual(self.shown("left")[1], batches.BATCH)
        self.assertEqual(self.browser.run("return document.getElementById('play').textContent"), "Play")


def skip(reason):
    print(reason)
    sys.exit(77)


def main():
    os.chdir(ROOT)
    Path("build").mkdir(exist_ok=True)
    process.prepare()
    signal.signal(signal.SIGALRM, signal.getsignal(signal.SIGTERM))
    signal.alarm(ALL_S)
    for group in ("site", "site-test"):
        if subprocess.run(["tools/setup", group], stdin=subprocess.DEVNULL).returncode:
            skip(f"the packages of group {group} are not here and can't be installed: tools/setup {group}")
    subprocess.run(["make", "-s", "site"], check=True, timeout=ALL_S)
    result = unittest.main(exit=False).result
    for _, reason in result.skipped:
        print(f"skip: {reason}")
    print(f"{result.testsRun - len(result.failures) - len(result.errors)} passed, {len(result.failures) + len(result.errors)} failed")
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    try:
        status = main()
    finally:
        process.end_all()
    sys.exit(status)
