"""What gcov has found out: of each file of csrc/ or of the engine how many lines and branches ran, and which did not.

    python .ci/uncovered.py *.gcov

A header that is included once for each dtype, or by several modules, is counted once: a line has run if it ran for one
of them, and a branch is one of the machine's, of all of them.
"""

import re
import sys
from pathlib import Path

LINE = re.compile(r"\s*(?P<count>[-#=\d*]+):\s*(?P<number>\d+):(?P<code>.*)")
BRANCH = re.compile(r"branch\s+\d+ (?P<what>never executed|taken (?P<percent>\d+)%)")


OURS = re.compile(r"(^|/)csrc/|\.(pyx|pxd)$")


def is_code(text):
    """Cython counts comments, and what the compiler of C gets nothing of."""
    return bool(text.strip()) and not text.lstrip().startswith("#")


def read(path):
    """Return (name of the source, {line: (whether it ran, code)}, {line: [whether a branch was taken]})."""
    name, lines, branches, number = "", {}, {}, 0
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
        line = LINE.match(text)
        if line is None:
            branch = BRANCH.match(text)
            if branch is not None:
                branches.setdefault(number, []).append(branch["percent"] not in (None, "0"))
            continue
        number = int(line["number"])
        if number == 0 and line["code"].startswith("Source:"):
            name = line["code"].removeprefix("Source:")
        elif number > 0 and line["count"] != "-" and is_code(line["code"]):
            ran = not line["count"].startswith(("#", "="))
            lines[number] = (ran or lines.get(number, (False,))[0], line["code"])
    return name, lines, branches


def read_all(paths):
    """Return {name of a source: what ``read`` returns of it}, of all files of gcov that tell of it."""
    sources = {}
    for path in sorted(map(Path, paths)):
        name, lines, branches = read(path)
        if OURS.search(name) is None:
            continue
        whole, all_branches = sources.setdefault(name, ({}, {}))
        for number, (ran, code) in lines.items():
            whole[number] = (ran or whole.get(number, (False,))[0], code)
        for number, taken in branches.items():
            all_branches.setdefault(number, []).extend(taken)
    return sources


def main(paths):
    n_lines = n_run = n_branches = n_taken = 0
    for name, (lines, branches) in sorted(read_all(paths).items()):
        of_file = [taken for each in branches.values() for taken in each]
        left = [number for number, (ran, _) in sorted(lines.items()) if not ran]
        n_lines, n_run = n_lines + len(lines), n_run + len(lines) - len(left)
        n_branches, n_taken = n_branches + len(of_file), n_taken + sum(of_file)
        print(f"{name}: {len(lines) - len(left)} of {len(lines)} lines, {sum(of_file)} of {len(of_file)} branches")
        for number in left:
            print(f"    {number}: {lines[number][1].strip()}")
        partial = [
            number for number, taken in sorted(branches.items()) if lines.get(number, (0,))[0] and not all(taken)
        ]
        if partial:
            print(f"    branches never taken in lines {', '.join(map(str, partial))}")
    print(f"in all {n_run} of {n_lines} lines, {n_taken} of {n_branches} branches")


if __name__ == "__main__":
    main(sys.argv[1:])
