"""Making servers, tests and instruments: by make, whose rules are the only ones."""
import fcntl
import hashlib
import re
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import programs
from common import ROOT, LabError, WorkError, read_text
from process import progress, run

BOUND_S = 120  # a build that takes longer is ended
ERROR = re.compile(r"^(\S.*?):(\d+):(?:\d+:)? (?:fatal )?error: (.*)")
UNDEFINED = re.compile(r"^(\S.*?):(\d+): undefined reference to .*")
WARNING = re.compile(r"^(\S.*?):(\d+):\d+: warning: (.*)")
EXCERPT = re.compile(r" *\d* \|")  # a line of source below a message, or of marks below that
NUMBERED = re.compile(r" *\d+ \|")


@dataclass
class Built:
    output: str
    place: str = ""  # "chapters/04-epoll/server.c:71" of the first error
    excerpt: str = ""  # as the compiler says it
    warning: str = ""

    @property
    def failed(self):
        return bool(self.place)


lock_depth = 0


@contextmanager
def locked():
    """One build at a time: two terminals may want the same files. May be nested."""
    global lock_depth
    with open("build/.make.lock", "w") as file:
        if lock_depth == 0:
            fcntl.flock(file, fcntl.LOCK_EX)
        lock_depth += 1
        try:
            yield
        finally:
            lock_depth -= 1


def make(targets):
    with locked():
        return run(["make", "--no-print-directory", "-j2", *targets], bound=BOUND_S)


def snapshot(paths, directory):
    """Copies of programs ({name: path}), which no later build changes while they run. Call it where `locked`."""
    copies = {}
    for name, path in paths.items():
        if Path(path).exists():
            copies[name] = str(Path(directory, name, Path(path).name))
            Path(directory, name).mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copies[name])
    return copies


def server(variant, tree, chapter):
    """A chapter's server; in a chapter without one, its program: called as its first file is."""
    return programs.of(chapter)[0].path(variant, tree, chapter)


def tests(chapter):
    return f"build/tests/ch{chapter.number:02}"


def instruments(targets):
    """What the lab itself brings: if that does not build, the lab is broken, not the student's work."""
    done = make(targets)
    if done.code != 0:
        raise LabError(f"the lab's own {' '.join(targets)} could not be built:\n{done.output.strip()[-3000:]}")


def check_files(chapter, tree):
    """A file that is missing or has Windows line ends is named before a tool stumbles over it."""
    for path in chapter.sources(tree):
        if not path.exists():
            raise WorkError(f"{path} is missing. make reset{chapter.number} puts the starter there.")
        if "\r\n" in read_text(path):
            raise WorkError(f"{path} has Windows line ends, which these tools can't match. Run:\n"
                            f"  sed -i 's/\\r$//' {path}")


def servers(chapter, tree, variants=("asan", "plain")):
    """Builds a chapter's programs in these variants; an error in its sources is a result, not an exception."""
    check_files(chapter, tree)
    with progress("compiling"):
        done = make(programs.targets(programs.built(chapter, tree, variants).values()))
    built = Built(done.output, warning=first(WARNING, done.output)[1])
    if done.code != 0:
        built.place, built.excerpt = first(ERROR, done.output)
        if not built.place:
            built.place, built.excerpt = first(UNDEFINED, done.output)
        if not built.place:
            raise LabError(f"{chapter.name} could not be built:\n{done.output.strip()[-3000:]}")
    return built


def first(pattern, output):
    """The place ("file:line") of the first message of this kind, and its text with the line it points to."""
    lines = output.replace(f"{ROOT}/", "").replace("/usr/bin/ld: ", "").split("\n")
    for index, line in enumerate(lines):
        found = pattern.match(line)
        if found:
            shown = [line]
            for more in lines[index + 1 : index + 4]:
                if not EXCERPT.match(more) or (len(shown) > 1 and NUMBERED.match(more)):
                    break
                shown.append(more)
            return f"{found[1]}:{found[2]}", "\n".join(shown)
    return "", ""


def sources_hash(chapter, tree):
    """What a result depends on: the chapter's sources and the kit."""
    digest = hashlib.sha256()
    for path in sorted(Path(tree, chapter.name).rglob("*.[ch]")) + sorted(Path("chapters/common").glob("*.[ch]")):
        digest.update(f"{path.name}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def flags(variant, chapter, program="server"):
    """How make would compile one of a chapter's programs: compiler and flags, and what it links."""
    return asked_flags(variant, chapter.name, program)


@cache  # hundreds of variants ask for the same few
def asked_flags(variant, chapter, program):
    words = [f"VARIANT={variant}", f"CHAPTER={chapter}", f"PROGRAM={program}"]
    done = run(["make", "--no-print-directory", "lab-flags", *words])
    if done.code != 0:
        raise LabError(f"make lab-flags: {done.output}")
    compile_words, link_words = done.output.strip().split("\n")[-2:]
    return compile_words.split(), link_words.split()
