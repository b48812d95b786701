"""Mutation testing: a small change of one expression, and the tests that should notice it.

    python tests/mutants/mutate.py --seconds 3600      try mutants that are waiting, for so long
    python tests/mutants/mutate.py --list              what has been found out
    python tests/mutants/mutate.py --show 17           the change of one mutant

The mutants are drawn once, evenly over all places that can be changed, by a seed, and kept in mutants.json with what
became of each: waiting, killed (a test failed), slow (the tests did not end in time), survived, or equivalent (read by
somebody, who says why no test can fail). Each is tried in a copy of the package. With --coverage that is against the
tests that run its line (CONTRIBUTING.md says how to record them); without, or where no test was seen to run it, as in
another process, against the tests of its folder that name its module. A run goes on where the one before ended; --draw
draws others in the place of those whose code has changed.
"""

import argparse
import ast
import collections
import functools
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
SLOWEST = 600  # seconds of all tests of a mutant
MOST_TESTS = 40  # functions that run its line; those of test files that name its module first
NO_TESTS = (4, 5)  # what pytest returns where it finds none of them

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


def place_of(mutant, source):
    """Return the mutant's expression in a file, also where that has moved to other lines, or None."""
    lines = source.splitlines()
    found = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.expr) and node.col_offset == mutant["column"] and ast.unparse(node) == mutant["text"]
    ]
    found = [node for node in found if lines[node.lineno - 1].strip() == mutant["source"]]
    return min(found, key=lambda node: abs(node.lineno - mutant["line"]), default=None)


def mutated(mutant):
    """Return (source of the changed file, the expression before and after); None where the file no longer has it."""
    source = (PACKAGE / mutant["file"]).read_text(encoding="utf-8")
    node = place_of(mutant, source)
    if node is None:
        return None
    segment = ast.get_source_segment(source, node)
    after = ast.unparse(changed_node(node))
    lines = source.splitlines(keepends=True)
    offset = sum(len(each.encode()) for each in lines[: node.lineno - 1]) + node.col_offset
    raw = source.encode()
    new = raw[:offset] + b"(" + after.encode() + b")" + raw[offset + len(segment.encode()) :]
    return new.decode(), mutant["text"], after


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
    """Draw mutants in the place of those whose code is no longer there; keep the others with what is known of them."""
    kept = [each for each in load() if mutated(each) is not None]
    known = {key_of(each) for each in kept}
    drawn = []
    for each in draw(N_MUTANTS, SEED):
        lines = (PACKAGE / each["file"]).read_text(encoding="utf-8").splitlines()
        each["source"], each["state"] = lines[each["line"] - 1].strip(), "waiting"
        if key_of(each) not in known:
            drawn.append(each)
    wanted = max(N_MUTANTS - len(kept), 0)
    kept += [drawn[k * len(drawn) // wanted] for k in range(wanted)]
    save(sorted(kept, key=lambda each: (each["file"], each["line"], each["column"])))


def tests_of(file):
    """Return the test files of a module's folder that name the module or what it is called after; else all of them."""
    tests = []
    for place in TESTS[Path(file).parts[0]]:
        tests += sorted((ROOT / place).rglob("test_*.py")) if (ROOT / place).is_dir() else [ROOT / place]
    names = {Path(file).stem, *Path(file).stem.split("_")} - {"base", "of", "and"}
    score = {path: sum(name in path.read_text(encoding="utf-8") for name in names) for path in tests}
    naming = [path for path in tests if score[path]]
    return sorted(naming or tests, key=lambda path: -score[path])


def tests_that_run(mutant, coverage_data):
    """Return the test functions that were seen to run the statement of a mutant: the likeliest first, MOST_TESTS."""
    path = PACKAGE / mutant["file"]
    source = path.read_text(encoding="utf-8")
    line = place_of(mutant, source).lineno
    statements = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt)]
    start = max((node.lineno for node in statements if node.lineno <= line <= node.end_lineno), default=line)
    contexts = coverage_data.contexts_by_lineno(measured_name(path, coverage_data)).get(start, [])
    order = {test.stem: i for i, test in enumerate(tests_of(mutant["file"]))}
    found = sorted((order.get(name.split(".")[0], len(order)), name) for name in contexts if ".test_" in name)
    files = {test.stem: test for test in (ROOT / "tests").rglob("test_*.py")}
    wanted = [(files.get(name.split(".")[0]), name.split(".", 1)[1].replace(".", "::")) for _, name in found]
    return [f"{test}::{function}" for test, function in wanted if test is not None][:MOST_TESTS]


def measured_name(path, coverage_data):
    """Return what a module's file is called there: it may have been measured in another folder."""
    tail = os.path.join("fastbp", path.relative_to(PACKAGE))
    return next((name for name in coverage_data.measured_files() if name.endswith(os.sep + tail)), str(path))


def copy_package(folder):
    """A copy in which the compiled modules are links."""

    def link(source, target):
        (os.symlink if source.endswith((".so", ".pyd")) else shutil.copy2)(source, target)

    shutil.copytree(PACKAGE, folder / "fastbp", copy_function=link, ignore=shutil.ignore_patterns("__pycache__"))


def run_tests(folder, tests):
    """Return (what becomes of the mutant in a folder, the test that failed)."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-m", "not slow and not campaign"]
    command += [str(test) for test in tests]
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=SLOWEST)
    except subprocess.TimeoutExpired:
        return "slow", None
    if done.returncode in NO_TESTS:
        return "no tests", None
    failed = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("FAILED ")]
    return ("killed" if done.returncode else "survived"), failed[0].split("[")[0] if failed else None


@functools.cache
def fails_anyway(test):
    """Whether a test fails without a mutant too, as one that measures time may on a busy machine."""
    return test is not None and run_tests(PACKAGE.parent, [test])[0] == "killed"


def try_mutant(mutant, coverage_data):
    """Return what becomes of it."""
    made = mutated(mutant)
    if made is None:
        return "moved"  # the line has changed since: draw anew
    with tempfile.TemporaryDirectory() as name:
        copy_package(Path(name))
        (Path(name) / "fastbp" / mutant["file"]).write_text(made[0], encoding="utf-8")
        tests = (tests_that_run(mutant, coverage_data) if coverage_data else []) or tests_of(mutant["file"])
        state, failed = run_tests(Path(name), tests)
    return "unclear" if state == "killed" and fails_anyway(failed) else state


def recorded(file):
    """Return what a file of coverage has, None without one."""
    if file is None:
        return None
    import coverage

    data = coverage.CoverageData(basename=file)
    data.read()
    return data


def try_waiting(seconds, only, coverage_data):
    until = time.monotonic() + seconds
    mutants = load()
    waiting = [each for each in mutants if each["state"] == "waiting" and each["file"].startswith(only)]
    random.Random(SEED).shuffle(waiting)  # a run that is cut short has seen something of everything
    for mutant in waiting:
        if time.monotonic() > until:
            break
        mutant["state"] = try_mutant(mutant, coverage_data)
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
    _, before, after = mutated(mutant)
    print(f"{mutant['file']}:{mutant['line']}: {mutant['source']}\n    {before}\n    {after}\n{mutant['state']}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draw", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--show", type=int)
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--only", default="", help="files that begin so, such as data/")
    parser.add_argument("--coverage", help="a file of coverage with the tests that run each line")
    options = parser.parse_args()
    if options.draw:
        draw_anew()
    if options.seconds:
        try_waiting(options.seconds, options.only, recorded(options.coverage))
    if options.show is not None:
        show(options.show)
    if options.list:
        tell()


if __name__ == "__main__":
    main()
