"""The operators and whole numbers of the engine's Cython and of the kernels' C that a mutant may change."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BASE = ROOT  # a mutant's file is relative to it
LIST = Path(__file__).with_name("mutants_engine.json")
N_MUTANTS, SEED = 168, 1

# Those of other machines than this one, which has no AMX and is no Arm.
ELSEWHERE = ("csrc/kernels/amx/", "csrc/isa/neon", "csrc/isa/avx512_amx")

OTHER_OPERATOR = {
    "+": "-", "-": "+", "*": "+", "/": "*", "//": "%", "%": "+", "<<": ">>", ">>": "<<", "&": "|", "|": "&", "^": "|",
    "+=": "-=", "-=": "+=", "*=": "+=", "/=": "*=", "//=": "*=", "|=": "&=", "&=": "|=", "^=": "|=",
    "<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==",
    "and": "or", "or": "and", "&&": "||", "||": "&&",
}  # fmt: skip

# Operators between blanks, as both languages are written here: `*`, `&` and `<` of types and addresses touch a name.
_OPERATOR = "|".join(re.escape(each) for each in sorted(OTHER_OPERATOR, key=len, reverse=True))
_TOKEN = re.compile(rf"(?<!\S)(?:{_OPERATOR})(?!\S)|(?<![\w.:])(?<!e-)\d+(?![\w.])")

# What is no code, line by line blotted out: comments, texts, and lines that only name or declare.
_NO_CYTHON = re.compile(
    r'""".*?"""|"[^"\n]*"|#[^\n]*|^(?:from|import) [^(\n]*(?:\([^)]*\))?|^cdef extern[^\n]*|except\??[^:\n]*:',
    re.S | re.M,
)
_NO_C = re.compile(r'/\*.*?\*/|//[^\n]*|"[^"\n]*"|^\s*#\s*(?!define)[^\n]*', re.S | re.M)


def files():
    """Return the files that mutants are drawn from, in their order."""
    paths = [*ROOT.glob("csrc/**/*.h"), *ROOT.glob("csrc/**/*.c"), *ROOT.glob("src/fastbp/engine/*.pyx")]
    return sorted(path for path in paths if not path.relative_to(ROOT).as_posix().startswith(ELSEWHERE))


def places(source):
    """Yield (line, column, what is there) of every token of a source that can be changed."""
    no_code = _NO_CYTHON if "cimport " in source or "cdef " in source else _NO_C
    code = no_code.sub(lambda found: re.sub(r"[^\n]", " ", found.group()), source)
    for number, line in enumerate(code.splitlines(), 1):
        for found in _TOKEN.finditer(line):
            yield number, found.start(), found.group()


def line_of(mutant, source):
    """Return the line that the mutant's token has in a source, also where it has moved, or None."""
    lines = source.splitlines()
    found = [
        line
        for line, column, text in places(source)
        if (column, text) == (mutant["column"], mutant["text"]) and lines[line - 1].strip() == mutant["source"]
    ]
    return min(found, key=lambda line: abs(line - mutant["line"]), default=None)


def mutated(mutant, source):
    """Return (the changed source, the line before and after); None where the source no longer has it."""
    line = line_of(mutant, source)
    if line is None:
        return None
    lines = source.splitlines(keepends=True)
    before, column, text = lines[line - 1], mutant["column"], mutant["text"]
    after = before[:column] + (OTHER_OPERATOR.get(text) or str(int(text) + 1)) + before[column + len(text) :]
    return "".join([*lines[: line - 1], after, *lines[line:]]), before.strip(), after.strip()
