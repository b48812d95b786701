"""The expressions of the package's Python that a mutant may change, and what each becomes."""

import ast
from pathlib import Path

from covering import TESTS

ROOT = Path(__file__).resolve().parents[2]
BASE = ROOT / "src" / "fastbp"  # a mutant's file is relative to it
LIST = Path(__file__).with_name("mutants.json")
N_MUTANTS, SEED = 300, 1

OTHER_OPERATOR = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Div, ast.Mod: ast.Mult,
    ast.Pow: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


def files():
    """Return the files that mutants are drawn from, in their order."""
    paths = [path for path in BASE.rglob("*.py") if path.relative_to(BASE).parts[0] in TESTS]
    return sorted(path for path in paths if path.name != "__init__.py")


def places(source):
    """Yield (line, column, what is there) of every expression of a source that can be changed."""
    tree = ast.parse(source)
    left_out = _annotations_of(tree)
    for node in ast.walk(tree):
        if node not in left_out and isinstance(node, ast.expr):
            text = ast.unparse(node)
            if _changed_node(node) is not None:
                yield node.lineno, node.col_offset, text


def line_of(mutant, source):
    """Return the line that the mutant's expression has in a source, also where it has moved, or None."""
    node = _node_of(mutant, source)
    return None if node is None else node.lineno


def mutated(mutant, source):
    """Return (the changed source, the expression before and after); None where the source no longer has it."""
    node = _node_of(mutant, source)
    if node is None:
        return None
    segment = ast.get_source_segment(source, node)
    after = ast.unparse(_changed_node(node))
    lines = source.splitlines(keepends=True)
    offset = sum(len(each.encode()) for each in lines[: node.lineno - 1]) + node.col_offset
    raw = source.encode()
    new = raw[:offset] + b"(" + after.encode() + b")" + raw[offset + len(segment.encode()) :]
    return new.decode(), mutant["text"], after


def _changed_node(node):
    """Return the change of an expression, or None if it has none."""
    if isinstance(node, (ast.BinOp, ast.BoolOp)) and type(node.op) in OTHER_OPERATOR:
        node.op = OTHER_OPERATOR[type(node.op)]()
        return node
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        node.ops = [OTHER_OPERATOR[type(node.ops[0])]()]
        return node
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
        return node.operand
    if isinstance(node, ast.Constant) and type(node.value) in (int, float, bool):
        node.value = not node.value if isinstance(node.value, bool) else node.value + 1
        return node
    return None


def _annotations_of(tree):
    """Return the nodes that nothing computes with: annotations, and what stands in a type's brackets."""
    left_out = set()
    for node in ast.walk(tree):
        for name in ("annotation", "returns"):
            part = getattr(node, name, None)
            if isinstance(part, ast.AST):
                left_out.update(ast.walk(part))
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            left_out.update(ast.walk(node))
    return left_out


def _node_of(mutant, source):
    lines = source.splitlines()
    found = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.expr) and node.col_offset == mutant["column"] and ast.unparse(node) == mutant["text"]
    ]
    found = [node for node in found if lines[node.lineno - 1].strip() == mutant["source"]]
    return min(found, key=lambda node: abs(node.lineno - mutant["line"]), default=None)
