"""Any table, through any network, as ONNX: every model of the layer tests behind a preparation of numbers and text."""

import numpy as np
import pytest

from exchange_helpers import TOLERANCES, assert_close, frame_inputs, onnx, onnxruntime, write

pd = pytest.importorskip("pandas")

from hypothesis import example, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402

import fastbp as fb  # noqa: E402
from layer_models import DTYPES, MODELS, N_INPUTS  # noqa: E402

NUMBERS = list("pqrstu")  # and five columns of the text: four kinds and the gap
KINDS = ["a", "b", "c", "d"]
assert len(NUMBERS) + len(KINDS) + 1 == N_INPUTS

texts = st.one_of(st.none(), st.sampled_from([*KINDS, "é", " a", "A", "never seen"]))
numbers = st.one_of(st.just(np.nan), st.floats(-1e6, 1e6))
tables = st.lists(st.tuples(*[numbers] * len(NUMBERS), texts), max_size=6)


def make_model(name, dtype):
    """The layers of that name behind a preparation that makes N_INPUTS numbers of a row, all arrays moved."""
    rng = np.random.default_rng(4)
    learned = pd.DataFrame(rng.normal([0, 5, 1e3, 0, -2, 1], [1, 3, 50, 1e3, 0.1, 1], (40, 6)), columns=NUMBERS)
    learned.loc[::7, "q"] = np.nan
    learned["kind"] = [*KINDS, None] * 8
    prepare = fb.Columns([fb.Impute("median"), fb.Standardize(), fb.RobustScale()], fb.OneHot())
    model = fb.Model(MODELS[name][0], prepare=prepare, dtype=dtype, seed=4)
    model.build(learned)
    model.set_weights([array + rng.normal(0, 0.1, array.shape) for array in model.get_weights()])
    return model


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", MODELS)
def test_any_table_through_any_network(name, dtype, tmp_path):
    """Gaps, texts that training did not see, no row, one and some: both programs say what predict says."""
    model = make_model(name, dtype)
    file = write(model, tmp_path / "m.onnx")
    programs = [
        onnxruntime.InferenceSession(file.SerializeToString(), providers=["CPUExecutionProvider"]),
        ReferenceEvaluator(file),
    ]
    first = file.graph.output[0].name

    @settings(deadline=None, max_examples=6, database=None)
    @given(tables)
    @example([])
    @example([(np.nan,) * 6 + (None,)])
    @example([(1e6, -1e6, 0.0, 1.0, -0.0, 1e-9, "never seen"), (0.0,) * 6 + ("a",)])
    def check(rows):
        frame = pd.DataFrame(rows, columns=[*NUMBERS, "kind"]).astype(dict.fromkeys(NUMBERS, float) | {"kind": object})
        expected = model.predict(frame)
        for program in programs:
            (outputs,) = program.run([first], frame_inputs(file, frame))
            assert_close(outputs, expected, TOLERANCES[dtype])

    check()
    onnx.checker.check_model(file, full_check=True)
