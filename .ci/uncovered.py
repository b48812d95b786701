"""What the tests run of the engine's Cython and of csrc/: how many lines and branches, and which they do not.

    python .ci/uncovered.py engine *.gcov        lines of Cython, as GCC's gcov writes them
    python .ci/uncovered.py kernels x.json       lines and branches of csrc/, as `llvm-cov export` writes them

What is compiled several times, for another dtype or instruction set or in several modules, is counted once: a line has
run if one of them ran, and of a condition both branches are taken if each was in one of them. So a table's constants
open no branch: they are what another table, or the other dtype, has otherwise. A condition that is constant in all of
them is none.

A line that says `no cover - ` and why, or `no branch - ` and why, is left out; and a file that says so at its top.
"""

import json
import re
import sys
from collections import defaultdict
from pathlib import Path

CODE, SKIPPED = 0, 2  # kinds of llvm-cov's regions: what is counted, and what the preprocessor leaves out
GCOV_LINE = re.compile(r"\s*(?P<count>[-#=\d*]+):\s*(?P<number>\d+):(?P<code>.*)")
CYTHON = re.compile(r"\.(pyx|pxd)$")
NAMES = re.compile(r"import \($")
NO_CODE = re.compile(r"\s*(//.*|/?\*.*|#.*|[{}\s;]*|cdef (readonly|public) .*)$")  # braces, comments, declarations


class Source:
    """What has run of one file: of its lines by number, and of conditions by place as [was true, was false]."""

    def __init__(self, text):
        self.text = text  # of each line, by number
        self.is_elsewhere = any("In .ci/coverage: no cover - " in line for line in text.values())
        self.lines = {}
        self.branches = defaultdict(lambda: [False, False])

    def note_line(self, number, ran):
        if not NO_CODE.match(self.text[number]):
            self.lines[number] = self.lines.get(number, False) or ran

    def note_branch(self, place, true, false):
        sides = self.branches[place]
        sides[:] = sides[0] or true > 0, sides[1] or false > 0

    def add(self, other):
        for number, ran in other.lines.items():
            self.note_line(number, ran)
        for place, sides in other.branches.items():
            self.note_branch(place, *sides)

    def conditions(self):
        """Return the branches of all conditions but constant ones, which neither were true nor false where they ran."""
        return {
            place: sides for place, sides in sorted(self.branches.items()) if any(sides) or not self.lines.get(place[0])
        }

    def is_excused(self, number, what="no cover"):
        return self.is_elsewhere or f"{what} - " in self.text[number]

    def open_lines(self):
        return [number for number, ran in sorted(self.lines.items()) if not (ran or self.is_excused(number))]

    def open_branches(self):
        """Return [(line, words)] of the branches that no test takes in lines that run."""
        return [
            (place[0], f"{self._at(place)!r} is {'never' if not sides[0] else 'always'} true")
            for place, sides in self.conditions().items()
            if self.lines.get(place[0]) and not all(sides) and not self.is_excused(place[0], "no branch")
            # Of a switch it would be that no case fits: compilers warn of a member of an enumeration that has none.
            if f"switch ({self._at(place)})" not in self.text[place[0]]
        ]

    def _at(self, place):
        number, first, last_number, end = place
        return self.text[number][first - 1 : end - 1 if number == last_number else None]


def read_gcov(paths):
    """Return {name: Source} of Cython's files."""
    sources = {}
    for path in sorted(map(Path, paths)):
        source = None
        for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
            line = GCOV_LINE.match(text)
            if line is None:
                continue
            number, code = int(line["number"]), line["code"]
            if number == 0 and code.startswith("Source:"):
                name, end = code.removeprefix("Source:"), ""
                source = sources.setdefault(name, Source({})) if CYTHON.search(name) else None
            elif number > 0 and source is not None:
                source.text[number] = code
                is_code, end = _follow(code, end)
                if is_code and line["count"] != "-":
                    source.note_line(number, not line["count"].startswith(("#", "=")))
    return sources


def _follow(code, end):
    """Return whether a line of Cython is code, and what ends the docstring or list of names that the next is in."""
    if end:
        return False, "" if end in code else end
    if code.lstrip().startswith('"""'):
        return False, '"""' if code.count('"""') == 1 else ""
    return True, ")" if NAMES.search(code) else ""


def read_llvm(path):
    """Return {name: Source} of each object's part of csrc/, by the object's name."""
    texts = {}
    objects = defaultdict(dict)
    for function in json.loads(Path(path).read_text())["data"][0]["functions"]:
        names = function["filenames"]  # of the file, and of those that its macros and includes come from
        static, _, _ = function["name"].rpartition(":")
        if static and not function["count"] and len(function["regions"]) == 1:
            continue  # an inline function that this object has no use for: of its lines nothing is known
        sources = objects[static or Path(names[0]).name]
        for name in names:
            if name not in texts:
                texts[name] = dict(enumerate(Path(name).read_text().splitlines(), 1))
            sources.setdefault(name[name.index("csrc/") :], Source(texts[name]))
        names = [name[name.index("csrc/") :] for name in names]
        for file, lines in _lines_of(function["regions"]).items():
            for number, ran in lines.items():
                sources[names[file]].note_line(number, ran)
        for *place, true, false, file, _, _ in function["branches"]:
            sources[names[file]].note_branch(tuple(place), true, false)
    return objects


def _lines_of(regions):
    """Return {index of a file: {number: whether that line ran}} of one function."""
    files = defaultdict(dict)
    outer_first = sorted(regions, key=lambda each: (each[:2], [-place for place in each[2:4]]))
    for first, _, last, _, count, file, _, kind in outer_first:
        if kind == CODE:
            lines = files[file]
            lines[first] = lines.get(first, False) or count > 0
            lines.update(dict.fromkeys(range(first + 1, last + 1), count > 0))
    for first, _, last, _, _, file, _, kind in regions:
        if kind == SKIPPED:
            files[file] = {number: ran for number, ran in files[file].items() if not first <= number <= last}
    return files


def figures(sources):
    """Return how many lines and branches there are, and how many of them no test runs and no words excuse."""
    n_lines = sum(len(source.lines) for source in sources)
    n_branches = sum(2 * len(source.conditions()) for source in sources)
    n_open = sum(len(source.open_lines()) for source in sources)
    sides = sum(len(source.open_branches()) for source in sources)
    return f"{n_lines:,} lines, {n_open} open" + (f"; {n_branches:,} branches, {sides} open" if n_branches else "")


def show(sources):
    for name, source in sorted(sources.items()):
        places = [(number, source.text[number].strip()) for number in source.open_lines()] + source.open_branches()
        if places:
            print(f"{name}: {figures([source])}")
        for number, words in sorted(places):
            print(f"    {number}: {words}")


def main(what, *paths):
    if what == "engine":
        sources = read_gcov(paths)
    else:
        sources = {}
        for name, of_object in sorted(read_llvm(*paths).items()):
            print(f"{name}: {figures(of_object.values())}")
            for file, source in of_object.items():
                sources.setdefault(file, Source(source.text)).add(source)
    show(sources)
    print(f"in all {figures(sources.values())}")


if __name__ == "__main__":
    main(*sys.argv[1:])
