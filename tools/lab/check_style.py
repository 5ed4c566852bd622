"""Formatting, shell scripts, the length of functions and of servers."""
import re
import shutil
import subprocess
from pathlib import Path

import manifest
import render
from checks import Finding, failed, skipped
from common import read_text, scratch, write_text
from process import run

FORMAT_VERSION = 14
FUNCTION_MAX = 40  # lines, from its first to its closing brace
CODE_MAX = 190  # lines of code of a solution's file, as clean text; blank lines and comments are free
LONGER = {Path("solutions/06-io_uring/server.c"): 240}  # each operation is begun in one place and ends in another
LONGER |= {Path("solutions/08-zero-crossings/server.c"): 350}  # chapter 6's, and four features, each with a switch
LONGER |= {Path("solutions/07-thread-pool/server.c"): 250, Path("solutions/07-thread-pool/pool.c"): 210}  # chapter 5's, and who goes to the pool and comes back
LONGER |= {Path("solutions/09-completion-ports/port.c"): 310}  # a library: what Windows has in its kernel
LONGER |= {Path("solutions/09-completion-ports/win32/server.c"): 230}  # as chapter 6's: each operation begins in one place and ends in another


def tracked(*patterns):
    done = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "--", *patterns], capture_output=True, text=True)
    return [Path(name) for name in done.stdout.split("\n") if name and Path(name).exists()]


def student_files():
    return {path for chapter in manifest.load_all() for path in chapter.sources("chapters")}


def sources():
    """Our C files. Students' are theirs; a mutant is no whole file."""
    theirs = student_files()
    return [p for p in tracked("*.c", "*.h") if p not in theirs and p.parent != Path("tests/mutants")]


def scripts():
    for path in tracked("*"):
        if path.is_file() and (path.suffix == ".sh" or first_line(path).startswith((b"#!/bin/sh", b"#!/usr/bin/env bash", b"#!/bin/bash"))):
            yield path


def first_line(path):
    with open(path, "rb") as file:
        return file.readline()


def check(*_words):
    yield from formatting()
    yield from by_tool("shellcheck", [], list(scripts()))
    yield from lengths()


def formatting():
    """Only by the version that the sources are formatted with: others disagree about comments."""
    version = run(["clang-format", "--version"]).output if shutil.which("clang-format") else ""
    if version and f"version {FORMAT_VERSION}." not in version:
        yield skipped("clang-format", f"the sources are formatted by version {FORMAT_VERSION}; here is {version.strip()}")
    else:
        yield from by_tool("clang-format", ["--dry-run", "-Werror"], sources())


def by_tool(tool, words, files):
    """One finding a file that the tool complains of, one for all the others."""
    if not shutil.which(tool):
        yield skipped(tool, "not installed: tools/setup style")
        return
    bad = 0
    if run([tool, *words, *files]).code:
        for path in files:
            done = run([tool, *words, path])
            if done.code:
                bad += 1
                yield failed(f"{tool} {path}", "\n" + "\n".join(done.output.split("\n")[:6]))
    yield Finding(f"{tool}: {len(files) - bad} files")


def lengths():
    if not shutil.which("ctags"):
        yield skipped("length of functions", "ctags is not installed")
        return
    with scratch() as directory:
        clean = {}
        for path in sources():
            copy = Path(directory, path)
            text = read_text(path)
            clean[copy] = path
            write_text(copy, render.clean(text) if path.parts[0] == "solutions" else text)
        bad = list(long_files(clean)) + list(long_functions(clean))
    yield from bad
    yield Finding(f"length: {len(clean)} files", text="" if not bad else f"{len(bad)} too long")


def code_lines(text):
    """Lines that are neither blank nor only comment."""
    without = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    return sum(1 for line in without.split("\n") if line.strip())


def long_files(clean):
    for copy, path in clean.items():
        if path.parts[0] != "solutions":
            continue
        count = code_lines(read_text(copy))
        limit = LONGER.get(path, CODE_MAX)
        if count > limit:
            yield failed(str(path), f"{count} lines of code; {limit} are the limit: a concept is missing")


def long_functions(clean):
    done = run(["ctags", "-x", "--c-kinds=f", "--_xformat=%F:%n:%e:%N", *clean])
    for line in done.output.split("\n"):
        fields = line.rsplit(":", 3)
        if len(fields) == 4 and fields[2].isdigit():
            count = int(fields[2]) - int(fields[1]) + 1
            if count > FUNCTION_MAX:
                yield failed(f"{clean[Path(fields[0])]}: {fields[3]}", f"{count} lines; {FUNCTION_MAX} are the limit")
