"""`lab check NAME`: runs one of the checks of `make test` and counts what it found."""
import re
from dataclasses import dataclass

import manifest
from common import DONE, FAILED, SKIPPED, USAGE, LabError, paint

CHECKS = {
    "manifest": ("check_manifest", "check"),
    "starters": ("check_starters", "check"),
    "links": ("check_links", "check"),
    "style": ("check_style", "check"),
    "figures": ("refresh", "check"),
    "chapters": ("check_variants", "chapters"),
    "matrix": ("check_variants", "matrix"),
    "mutants": ("check_variants", "mutants"),
}


@dataclass
class Finding:
    """What a check says of one item: passed (no text needed), failed (why), skipped (the reason)."""

    item: str
    state: str = "passed"
    text: str = ""


def failed(item, text):
    return Finding(item, "failed", text)


def skipped(item, text):
    return Finding(item, "skipped", text)


MARKS = {"passed": ("✓", "green"), "failed": ("✗", "red"), "skipped": ("–", "yellow")}


def tell(finding):
    sign, colour = MARKS[finding.state]
    text = f": {finding.text}" if finding.text else ""
    print(f"  {paint(colour, sign)} {finding.item}{text}", flush=True)


def check(name, *words):
    """Runs a check; words narrow it where it allows that (`check mutants 4.2`)."""
    if name not in CHECKS:
        raise LabError(f"there is no check {name}; there are: {', '.join(CHECKS)}", USAGE)
    module, function = CHECKS[name]
    counts = dict.fromkeys(MARKS, 0)
    for finding in getattr(__import__(module), function)(*words):
        tell(finding)
        counts[finding.state] += 1
    print(", ".join(f"{count} {state}" for state, count in counts.items()))
    if counts["failed"]:
        return FAILED
    return SKIPPED if counts["skipped"] and not counts["passed"] else DONE


def unknown(target):
    """What make has no rule for: most often a chapter or an exercise that does not exist."""
    number = re.fullmatch(r"[a-z]+(\d+(?:\.\d+)?)", target)
    if number and "." in number[1]:
        manifest.find_exercise(number[1])
    elif number:
        manifest.find(number[1])
    raise LabError(f"make has no target {target}: make help lists them", USAGE)
