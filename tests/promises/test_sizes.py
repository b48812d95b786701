"""Files, classes and functions stay small enough to be read at one go."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

MOST_LINES_OF_FILE = 500
MOST_LINES_OF_CLASS = 400  # without docstrings
MOST_LINES_OF_FUNCTION = 50  # of code: neither docstring nor comment nor empty

THE_ORACLE = "tests/reference.py"  # one file on purpose: whoever doubts a number reads it from top to bottom

SOURCES = sorted(
    path
    for folder in ("src", "csrc", "tests", "bench", "examples", "docs", ".ci")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in {".py", ".pyx", ".pxd", ".c", ".h"} and "cython" not in path.parts
)
PYTHON = [path for path in SOURCES if path.suffix == ".py" and "src" in path.parts]


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def docstring_lines(node):
    first = node.body[0] if node.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return set(range(first.lineno, first.end_lineno + 1))
    return set()


def lines_without_docstrings(node):
    inside = [each for each in ast.walk(node) if isinstance(each, (ast.ClassDef, ast.FunctionDef))]
    return node.end_lineno - node.lineno + 1 - len(set().union(*map(docstring_lines, inside)))


def lines_of_code(node, lines):
    own = set(range(node.body[0].lineno, node.end_lineno + 1)) - docstring_lines(node)
    return sum(bool(text) and not text.startswith("#") for text in (lines[number - 1].strip() for number in own))


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_no_file_is_too_long(path):
    n_lines = len(path.read_text(encoding="utf-8").splitlines())
    assert n_lines <= MOST_LINES_OF_FILE or name_of(path) == THE_ORACLE


@pytest.mark.parametrize("path", PYTHON, ids=name_of)
def test_no_class_or_function_is_too_long(path):
    text = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef):
            assert lines_without_docstrings(node) <= MOST_LINES_OF_CLASS, node.name
        elif isinstance(node, ast.FunctionDef):
            assert lines_of_code(node, text.splitlines()) <= MOST_LINES_OF_FUNCTION, node.name
