"""
lab COMMAND [WORDS…]: the machinery behind `make chapterN` and its kin.

Runs from anywhere; everything it names is relative to the repository.
Exit: 0 done, 1 failed, 2 usage, 77 skipped.
"""
import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)  # until process.prepare(): Ctrl-C during the imports ends us in silence

import os
import sys

import process
from common import ROOT, USAGE, LabError


def commands():
    """Name -> (module, function). A module is imported only when it is needed."""
    return {
        "chapter": ("chapter", "chapter"),
        "solution": ("chapter", "solution"),
        "try": ("chapter", "try_exercise"),
        "hint": ("student", "hint"),
        "give": ("give", "give"),
        "diff": ("student", "diff"),
        "reset": ("student", "reset"),
        "run": ("student", "run"),
        "watch": ("student", "watch"),
        "predict": ("student", "predict"),
        "progress": ("student", "progress"),
        "report": ("grading", "report"),
        "starters": ("check_starters", "write"),
        "check": ("checks", "check"),
        "costs": ("costs", "costs"),
        "budget": ("costs", "budget"),
        "trace": ("costs", "trace"),
        "refresh": ("refresh", "refresh"),
        "unknown": ("checks", "unknown"),
    }


def main(words):
    known = commands()
    if not words or words[0] not in known:
        raise LabError(f"usage: tools/lab COMMAND …; commands: {', '.join(known)}", USAGE)
    module, function = known[words[0]]
    call = getattr(__import__(module), function)
    try:
        return call(*words[1:])
    except TypeError as error:
        if error.__traceback__.tb_next:  # raised inside the command
            raise
        raise LabError(f"tools/lab {words[0]}: wrong number of words", USAGE) from None


def guarded(words):
    try:
        os.chdir(ROOT)
        os.makedirs("build", exist_ok=True)
        process.prepare()
        return main(words)
    except LabError as error:
        print(error, file=sys.stderr)
        return error.code
    except KeyboardInterrupt as interrupt:
        print("\nstopped", file=sys.stderr)
        return 128 + (interrupt.args[0] if interrupt.args else 2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    finally:
        process.end_all()


if __name__ == "__main__":
    sys.exit(guarded(sys.argv[1:]))
