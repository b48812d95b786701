"""Mutation testing: a small change of one expression, and the tests that should notice it.

    python tests/mutants/mutate.py --seconds 3600      try mutants that are waiting, for so long
    python tests/mutants/mutate.py --list              what has been found out
    python tests/mutants/mutate.py --show 17           the change of one mutant
    python tests/mutants/mutate.py --again 17 --tests tests/data/test_frames.py

The mutants are drawn once, evenly over all places that can be changed, by a seed, and kept in mutants.json with what
became of each: waiting, killed (a test failed), slow (the tests did not end in time), survived, equivalent (read by
somebody, who says why no test can fail), or choice (read by somebody: a size or a shade of a picture, or a number that
was chosen by measurement, which no test should hold fast). With --coverage each is tried against the tests that run its
line (CONTRIBUTING.md says how to record them); without, or where no test was seen to run it, as in another process,
against the tests of its folder that name its module. A run goes on where the one before ended; --draw draws others in
the place of those whose code has changed.
"""

import argparse
import ast
import collections
import json
import random
import time
from pathlib import Path

from covering import TESTS, Covering
from trials import Trials

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "fastbp"
LIST = Path(__file__).with_name("mutants.json")

N_MUTANTS, SEED = 300, 1

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


class Judge:
    """Tries mutants in a copy of the package."""

    def __init__(self, coverage_file):
        self._covering = Covering(ROOT, coverage_file)
        self._trials = Trials(ROOT)
        self._fail_anyway = {}  # test -> whether it fails without a mutant too, as on a busy machine

    def close(self):
        self._trials.close()

    def verdict(self, mutant):
        """Return what becomes of a mutant, and the test that noticed it or None."""
        made = mutated(mutant)
        if made is None:
            return "moved", None  # the line has changed since: draw anew
        line = place_of(mutant, (PACKAGE / mutant["file"]).read_text(encoding="utf-8")).lineno
        state, failed = "no tests", None
        for tests in self._covering.batches(mutant["file"], line):
            with self._trials.changed(mutant["file"], made[0]):
                state, failed = self._trials.run(tests)
            if state != "survived":
                break
        return ("unclear" if state == "killed" and self._fails_anyway(failed) else state), failed

    def _fails_anyway(self, test):
        if test is None or "::" not in test:
            return False
        if test not in self._fail_anyway:
            self._fail_anyway[test] = self._trials.run([test])[0] == "killed"
        return self._fail_anyway[test]


def note(mutant, state):
    """Write down what became of a mutant; others may have been looked at in the meantime."""
    mutants = load()
    for each in mutants:
        if key_of(each) == key_of(mutant) and "why" not in each:
            each["state"] = state
    save(mutants)


def try_waiting(seconds, only, coverage_file):
    until = time.monotonic() + seconds
    mutants = load()
    waiting = [each for each in mutants if each["state"] == "waiting" and each["file"].startswith(only)]
    random.Random(SEED).shuffle(waiting)  # a run that is cut short has seen something of everything
    judge = Judge(coverage_file)
    for mutant in waiting:
        if time.monotonic() > until:
            break
        began = time.monotonic()
        state, test = judge.verdict(mutant)
        print(f"{state} {mutant['file']}:{mutant['line']} in {time.monotonic() - began:.1f} s, {test}", flush=True)
        note(mutant, state)
    judge.close()


def try_again(numbers, tests):
    """Try mutants against these tests, as those that were written for them."""
    trials = Trials(ROOT)
    for mutant in [load()[i] for i in numbers]:
        with trials.changed(mutant["file"], mutated(mutant)[0]):
            state, test = trials.run([ROOT / each for each in tests])
        print(f"{state} {mutant['file']}:{mutant['line']}, {test}", flush=True)
        note(mutant, state)
    trials.close()


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
    parser.add_argument("--again", type=int, nargs="+", metavar="MUTANT", help="try these against --tests")
    parser.add_argument("--tests", nargs="+", default=["tests"], help="test files, for --again")
    options = parser.parse_args()
    if options.draw:
        draw_anew()
    if options.seconds:
        try_waiting(options.seconds, options.only, options.coverage)
    if options.again:
        try_again(options.again, options.tests)
    if options.show is not None:
        show(options.show)
    if options.list:
        tell()


if __name__ == "__main__":
    main()
