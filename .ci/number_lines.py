"""Give every line of Cython's C the number of the line of Cython that it is of: python .ci/number_lines.py FILE.c

Cython says it of a statement's first line of C alone. The next ones would count as the next lines of Cython, and of a
line on which blocks of several functions end gcov counts only some.
"""

import re
import sys
from pathlib import Path

NUMBER = re.compile(r'#line \d+ ".*\.(pyx|pxd)"')
NOBODYS = '#line 1 "cython.c"'  # a function's end, and what Cython puts between functions


def numbered(text):
    lines, number, before = [], NOBODYS, ""
    for line in text.splitlines():
        if NUMBER.match(line):
            number = line
        elif line.strip() == "/* function exit code */" or line.startswith(("static ", "/* Python wrapper */")):
            number = NOBODYS
        if not before.endswith("\\") and not line.startswith("#"):
            lines.append(number)
        lines.append(line)
        before = line
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(numbered(path.read_text(encoding="utf-8")), encoding="utf-8")
