"""Which tests may notice a change: those that were seen to run its line, or else those that name its module.

Nothing records the lines of Cython and C that a test runs: for these a table of files and tests is kept by hand.
"""

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

# Files of the engine and of the kernels, by their stems, to the tests that use them, those that take least first.
ENGINE_TESTS = {
    "activation": [
        "layers/test_activations", "layers/test_layer_kinds::test_gradients_in_training_are_the_oracles",
        "models/test_input_derivatives",
    ],
    "array_reader": ["data/test_arrays", "data/test_sample_weight", "data/test_writings", "training/test_labels"],
    "chacha noise secret_numbers": ["privacy/test_secret_numbers", "privacy/test_private_steps"],
    "cpu": ["engine/test_same_bits", "engine/test_isa", "engine/test_engine"],
    "curvature hessians tangents": ["models/test_second_derivatives"],
    "derivative_pass derivatives ways pointwise": [
        "engine/test_derivative_pass", "models/test_input_derivatives", "models/test_second_derivatives",
        "explanations/test_gradient_methods",
    ],
    "divided_session divided_update": ["training/test_shards", "training/test_parts", "ranks/test_ranks"],
    "dropout": ["layers/test_dropout", "layers/test_dropout_masks"],
    "embed tables": ["layers/test_tabular", "privacy/test_private_steps", "training/test_shards"],
    "errors features": [
        "engine/test_prepare_kernel", "data/test_first_bad_row", "data/test_sparse", "data/test_arrays",
        "preparation/test_model_preparation",
    ],
    "fastbp": ["losses/test_losses", "optimizers/test_optimizers", "layers/test_activations", "engine/test_engine"],
    "few_rows rows": ["engine/test_few_rows", "data/test_sparse", "engine/test_same_bits"],
    "gate python_calls": [
        "promises/test_many_threads", "engine/test_interruption", "losses/test_custom_loss", "support/test_threads",
    ],
    "given_gradients": ["training/test_given_gradients"],
    "groups": ["layers/test_numeric_embeddings", "models/test_second_derivatives", "layers/test_layer_kinds"],
    "half_panels": ["engine/test_same_bits", "engine/test_layout"],
    "bfloat16 narrow narrow_panels narrow_weights": ["engine/test_narrow", "training/test_precision"],
    "lanes": ["privacy/test_private_steps"],
    "metrics": ["metrics/test_metrics", "metrics/test_metrics_in_training"],
    "normalize": [
        "layers/test_normalisation", "layers/test_layer_kinds::test_gradients_in_training_are_the_oracles",
        "layers/test_layer_kinds::test_the_same_bits_on_any_team_and_any_cut",
    ],
    "number_columns": ["tabular/test_encoding", "scikit_learn/test_tabular_estimators"],
    "numpy_shuffle": ["engine/test_numpy_shuffle"],
    "clip optimizer update_rules weight_update": [
        "optimizers/test_optimizers", "optimizers/test_averaging", "training/test_array_factors",
        "engine/test_same_bits", "training/test_accumulate", "engine/test_engine",
    ],
    "pace": ["engine/test_team"],
    "prediction sweep": [
        "engine/test_few_rows", "engine/test_engine", "models/test_model", "training/test_validation",
        "data/test_sparse", "models/test_rows_by_name",
    ],
    "prepare": ["engine/test_prepare_kernel", "preparation/test_model_preparation"],
    "private_session private_step": ["privacy/test_private_steps", "privacy/test_private_training"],
    "random": ["engine/test_random", "layers/test_initializers", "layers/test_dropout_masks"],
    "all_losses base classification deviances loss policy regression softmax": [
        "losses/test_losses", "losses/test_custom_loss", "losses/test_policy_gradient", "losses/test_penalised_loss",
        "engine/test_engine", "data/test_class_weights",
    ],
    "regularize": ["layers/test_layer_kinds", "losses/test_penalised_loss", "training/test_shards"],
    "session session_memory": [
        "engine/test_engine", "training/test_trainer", "training/test_accumulate", "engine/test_interruption",
        "training/test_edges", "layers/test_layers_in_training",
    ],
    "sharded_gradient sharded_session sharded_step": [
        "training/test_shards", "training/test_parts", "ranks/test_ranks",
    ],
    "team": ["engine/test_team", "engine/test_engine", "engine/test_thread_limits", "engine/test_interruption"],
    "vmath": ["engine/test_vmath", "layers/test_activations"],
}  # fmt: skip
ENGINE_DEFAULT = [
    "engine/test_engine", "layers/test_layer_kinds::test_gradients_in_training_are_the_oracles",
    "layers/test_layer_kinds::test_the_same_bits_on_any_team_and_any_cut", "engine/test_few_rows",
    "engine/test_layout::test_weights_packed_and_cut_into_blocks", "engine/test_layout::test_samples_around_the_panel",
    "engine/test_layout::test_losses", "engine/test_same_bits",
]  # fmt: skip

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


def tests_of_engine(root, file):
    """Return lists of tests, to try one after the other, for a file of the engine or of the kernels."""
    stem = Path(file).stem
    names = next((tests for stems, tests in ENGINE_TESTS.items() if stem in stems.split()), ENGINE_DEFAULT)
    found = []
    for name in names:
        path, colons, function = name.partition("::")
        found.append([f"{root / 'tests' / path}.py{colons}{function}"])
    return found


def other_instruction_sets(isa):
    """Return the -k of pytest that leaves out what tests do on other instruction sets than one."""
    return " and ".join(f"not {name}" for name in ("baseline", "avx2", "avx512") if name != isa)
