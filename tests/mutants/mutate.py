"""Mutation testing: a small change of one expression, and the tests that should notice it.

    python tests/mutants/mutate.py --seconds 3600      try mutants that are waiting, for so long
    python tests/mutants/mutate.py --list              what has been found out
    python tests/mutants/mutate.py --show 17           the change of one mutant

The mutants are drawn once, evenly over all places that can be changed, by a seed, and kept in mutants.json with what
became of each: waiting, killed (a test failed), slow (the tests did not end in time), survived, or equivalent (read by
somebody, who says why no test can fail). Each is tried in a copy of the package, against the tests of its folder
that name its module. A run goes on where the one before ended; --draw draws anew, and keeps what is known of
mutants that are drawn again.
"""

import argparse
import ast
import collections
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "fastbp"
LIST = Path(__file__).with_name("mutants.json")

N_MUTANTS, SEED = 300, 1
SLOWEST = 900  # seconds of all tests of a folder

# Folders of the package, or modules, to the tests that cover them.
TESTS = {
    "preparation": ["tests/preparation"],
    "data": ["tests/data"],
    "metrics": ["tests/metrics"],
    "schedules": ["tests/test_schedules.py"],
    "callbacks": ["tests/callbacks"],
    "support": ["tests/support"],
    "losses": ["tests/losses"],
    "optimizers": ["tests/optimizers"],
    "layers": ["tests/layers"],
    "tabular": ["tests/tabular", "tests/scikit_learn/test_tabular_estimators.py"],
    "training": ["tests/training"],
    "inspection": ["tests/inspection"],
    "ensembles": ["tests/ensembles"],
    "commands": ["tests/commands"],
}

OTHER_OPERATOR = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Div, ast.Mod: ast.Mult,
    ast.Pow: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


def changed_node(node):
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


def is_annotation_of(tree):
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


def places(path):
    """Yield (line, column, what is there) of every expression of a file that can be changed."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    left_out = is_annotation_of(tree)
    for node in ast.walk(tree):
        if node not in left_out and isinstance(node, ast.expr):
            text = ast.unparse(node)
            if changed_node(node) is not None:
                yield node.lineno, node.col_offset, text


def mutated(path, line, column, text):
    """Return (source, lines of the file, the expression before and after) of a file with one change."""
    source = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        at = getattr(node, "lineno", None), getattr(node, "col_offset", None)
        if at == (line, column) and isinstance(node, ast.expr) and ast.unparse(node) == text:
            segment = ast.get_source_segment(source, node)
            after = ast.unparse(changed_node(node))
            lines = source.splitlines(keepends=True)
            offset = sum(len(each.encode()) for each in lines[: line - 1]) + column
            raw = source.encode()
            new = raw[:offset] + b"(" + after.encode() + b")" + raw[offset + len(segment.encode()) :]
            return new.decode(), text, after
    return None


def folder_of(path):
    return path.relative_to(PACKAGE).parts[0]


def draw(n, seed):
    """Return mutants, evenly over all places in the order of the files."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if folder_of(path) in TESTS and path.name != "__init__.py":
            for line, column, text in sorted(places(path)):
                found.append({"file": str(path.relative_to(PACKAGE)), "line": line, "column": column, "text": text})
    shift = random.Random(seed).random()
    return [found[int((k + shift) * len(found) / n)] for k in range(n)]


def key_of(mutant):
    return mutant["file"], mutant["text"], mutant["source"]


def load():
    return json.loads(LIST.read_text(encoding="utf-8")) if LIST.exists() else []


def save(mutants):
    LIST.write_text("\n".join(["[", ",\n".join(json.dumps(each) for each in mutants), "]", ""]), encoding="utf-8")


def draw_anew():
    known = {key_of(each): each for each in load()}
    mutants = []
    for each in draw(N_MUTANTS, SEED):
        lines = (PACKAGE / each["file"]).read_text(encoding="utf-8").splitlines()
        each["source"] = lines[each["line"] - 1].strip()
        each["state"] = "waiting"
        former = known.get(key_of(each), {})
        mutants.append({**each, **{name: former[name] for name in ("state", "why") if name in former}})
    save(mutants)


def tests_of(file):
    """Return the test files of a module's folder that name the module or what it is called after; else all of them."""
    tests = []
    for place in TESTS[Path(file).parts[0]]:
        tests += sorted((ROOT / place).rglob("test_*.py")) if (ROOT / place).is_dir() else [ROOT / place]
    names = {Path(file).stem, *Path(file).stem.split("_")} - {"base", "of", "and"}
    score = {path: sum(name in path.read_text(encoding="utf-8") for name in names) for path in tests}
    naming = [path for path in tests if score[path]]
    return sorted(naming or tests, key=lambda path: -score[path])


def copy_package(folder):
    """A copy in which the compiled modules are links."""

    def link(source, target):
        (os.symlink if source.endswith((".so", ".pyd")) else shutil.copy2)(source, target)

    shutil.copytree(PACKAGE, folder / "fastbp", copy_function=link, ignore=shutil.ignore_patterns("__pycache__"))


def run_tests(folder, tests):
    """Return what becomes of the mutant in a folder."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-m", "not slow and not campaign"]
    try:
        done = subprocess.run([*command, *tests], cwd=ROOT, env=environment, capture_output=True, timeout=SLOWEST)
    except subprocess.TimeoutExpired:
        return "slow"
    return "killed" if done.returncode else "survived"


def try_mutant(mutant):
    """Return what becomes of it."""
    made = mutated(PACKAGE / mutant["file"], mutant["line"], mutant["column"], mutant["text"])
    if made is None:
        return "moved"  # the file has changed since: draw anew
    with tempfile.TemporaryDirectory() as name:
        copy_package(Path(name))
        (Path(name) / "fastbp" / mutant["file"]).write_text(made[0], encoding="utf-8")
        return run_tests(Path(name), tests_of(mutant["file"]))


def try_waiting(seconds, only):
    until = time.monotonic() + seconds
    mutants = load()
    waiting = [each for each in mutants if each["state"] == "waiting" and each["file"].startswith(only)]
    random.Random(SEED).shuffle(waiting)  # a run that is cut short has seen something of everything
    for mutant in waiting:
        if time.monotonic() > until:
            break
        mutant["state"] = try_mutant(mutant)
        print(mutant["state"], mutants.index(mutant), mutant["file"], mutant["line"], mutant["source"], flush=True)
        save(mutants)


def tell():
    mutants = load()
    for i, each in enumerate(mutants):
        if each["state"] == "survived":
            print(f"{i}: {each['file']}:{each['line']}: {each['source']}")
    counts = collections.Counter(each["state"] for each in mutants)
    print(", ".join(f"{count} {state}" for state, count in counts.most_common()))


def show(i):
    mutant = load()[i]
    _, before, after = mutated(PACKAGE / mutant["file"], mutant["line"], mutant["column"], mutant["text"])
    print(f"{mutant['file']}:{mutant['line']}: {mutant['source']}\n    {before}\n    {after}\n{mutant['state']}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draw", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--show", type=int)
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--only", default="", help="files that begin so, such as data/")
    options = parser.parse_args()
    if options.draw:
        draw_anew()
    if options.seconds:
        try_waiting(options.seconds, options.only)
    if options.show is not None:
        show(options.show)
    if options.list:
        tell()


if __name__ == "__main__":
    main()
