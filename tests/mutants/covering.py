"""Which tests may notice a change: those that were seen to run its line, or else those that name its module."""

import ast
import collections
import os
from pathlib import Path

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

FIRST_TESTS, MOST_TESTS = 12, 40  # test functions of a line: those that most likely tell, and all that are tried


class Covering:
    """What a file of coverage, if there is one, has recorded of the tests' lines."""

    def __init__(self, root, file=None):
        self._root = root
        self._package = root / "src" / "fastbp"
        self._lines = {}  # module -> line -> test functions
        self._n_lines = collections.Counter()  # of the package, that a test function runs
        if file is not None:
            self._read(file)

    def _read(self, file):
        import coverage

        data = coverage.CoverageData(basename=file)
        data.read()
        for measured in data.measured_files():
            lines = data.contexts_by_lineno(measured)
            module = measured.rpartition(os.sep + "fastbp" + os.sep)[2]
            self._lines[module] = {line: [each for each in lines[line] if ".test_" in each] for line in lines}
            for contexts in self._lines[module].values():
                self._n_lines.update(contexts)
        data.close()

    def tests_that_run(self, file, line):
        """Return the test functions that ran the statement at a line, in the order in which they are best tried.

        Those of the module's own test files come first, and of these the ones that run the least besides: a test of one
        thing is short, and looks at it closely. Files whose tests start processes come last: they are slow.
        """
        tree = ast.parse((self._package / file).read_text(encoding="utf-8"))
        statements = [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]
        start = max((node.lineno for node in statements if node.lineno <= line <= node.end_lineno), default=line)
        contexts = self._lines.get(file, {}).get(start, [])
        own = {test.stem for test in self.tests_that_name(file)}
        files = {test.stem: test for test in (self._root / "tests").rglob("test_*.py")}
        slow = {stem for stem in files if "sys.executable" in files[stem].read_text(encoding="utf-8")}
        found = []
        for name in contexts:
            stem, _, function = name.partition(".")
            if stem in files:
                found.append(
                    (
                        stem in slow,
                        stem not in own,
                        self._n_lines[name],
                        f"{files[stem]}::{function.replace('.', '::')}",
                    )
                )
        return [test for *_, test in sorted(found)][:MOST_TESTS]

    def tests_that_name(self, file):
        """Return the test files of a module's folder that name the module or its parts; else all of them."""
        tests = []
        for place in TESTS[Path(file).parts[0]]:
            tests += (
                sorted((self._root / place).rglob("test_*.py"))
                if (self._root / place).is_dir()
                else [self._root / place]
            )
        names = {Path(file).stem, *Path(file).stem.split("_")} - {"base", "of", "and"}
        score = {path: sum(name in path.read_text(encoding="utf-8") for name in names) for path in tests}
        naming = [path for path in tests if score[path]]
        return sorted(naming or tests, key=lambda path: -score[path])

    def batches(self, file, line):
        """Return lists of tests to try one after the other."""
        tests = self.tests_that_run(file, line)
        if not tests:
            return [self.tests_that_name(file)]
        # What hypothesis calls has hypothesis' name: which of its tests that was is not recorded.
        drawn = [test for test in self.tests_that_name(file) if "from hypothesis" in test.read_text(encoding="utf-8")]
        return [batch for batch in (tests[:FIRST_TESTS], tests[FIRST_TESTS:], drawn) if batch]
