"""A chapter's programs: its server, one of each subdirectory of its files, and one that sees its files from inside."""
import shutil
from dataclasses import dataclass
from pathlib import Path

WINDOWS = "win32"  # the subdirectory whose program is for Windows
WINDOWS_TOOLS = ("x86_64-w64-mingw32-gcc", "wineserver")
WINDOWS_RUN = "tools/windows/run"
WINDOWS_HOME = "build/wine/system.reg"


@dataclass
class Program:
    name: str  # "server"; "win32", a subdirectory; "inside"
    files: list  # of the chapter's, those it is made of
    source: str = ""  # beside these

    def path(self, variant, tree, chapter):
        home = f"build/{variant}/{tree}/{chapter.name}"
        if self.name == "server":
            return f"{home}/{Path(chapter.files[0]).stem}"
        if self.name == "inside":
            return f"{home}/inside"
        return f"{home}/{self.name}/server{'.exe' if self.name == WINDOWS else ''}"

    def key(self, variant):
        """How it is called in {name: path}: the server by its variant alone."""
        return variant if self.name == "server" else f"{self.name}-{variant}"


def of(chapter):
    """Those that can be built here; the server first."""
    top = [file for file in chapter.files if "/" not in file]
    found = [Program("server", top)]
    for name in sorted({file.partition("/")[0] for file in chapter.files if "/" in file}):
        if name != WINDOWS or all(shutil.which(tool) for tool in WINDOWS_TOOLS):
            found.append(Program(name, [file for file in chapter.files if file.startswith(f"{name}/")]))
    inside = f"tests/inside_ch{chapter.number:02}.c"
    if Path(inside).exists():
        found.append(Program("inside", [file for file in top if file != "server.c"], inside))
    return found


def built(chapter, tree, variants):
    """{key: path} of all of them. There is no sanitizer for Windows: that program is a plain one only."""
    return {
        program.key(variant): program.path(variant, tree, chapter)
        for program in of(chapter)
        for variant in variants
        if program.name != WINDOWS or variant == "plain"
    }


def targets(paths):
    """What make is asked for: Wine's C: drive, too, where a program needs it."""
    return [*paths, *([WINDOWS_HOME] if any(str(path).endswith(".exe") for path in paths) else [])]


def environment(programs, variant):
    """SERVER, and for the others SERVER_WIN32 and so on: the command of each, of this variant where there is one."""
    env = {"SERVER": f'"{programs[variant]}"'}
    for key, path in programs.items():
        name, dash, of_variant = key.partition("-")
        if dash and (of_variant == variant or f"{name}-{variant}" not in programs):
            env[f"SERVER_{name.upper()}"] = f'{WINDOWS_RUN} "{path}"' if name == WINDOWS else f'"{path}"'
    return env
