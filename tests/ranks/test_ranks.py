"""Several ranks on one machine: one result, whatever their number, and an end to every failure.

A job starts in a second and does many cases. Without mpi4py, or an mpiexec, all of this is skipped.
"""

import itertools
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mpi4py", reason="mpi4py is not installed: pip install fastbp[mpi]", exc_type=ImportError)

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER))

from cases import CASES, classifier, data, digest, own_loss  # noqa: E402 - a module beside this one, which jobs import too
from layer_cases import LAYER_CASES  # noqa: E402

import fastbp as fb  # noqa: E402
from fastbp.distributed.agreement import digest_of_rows  # noqa: E402
from fastbp.distributed.exchange import shards_of  # noqa: E402
from fastbp.distributed.gradients import pieces_of, sum_of_tree  # noqa: E402
from fastbp.engine.divided_session import DividedSession  # noqa: E402
from fastbp.engine.sharded_session import subtrees  # noqa: E402
from fastbp.layers import LAYERS  # noqa: E402
from fastbp.optimizers import OPTIMIZERS  # noqa: E402

OWN_MPIEXEC = Path(sys.executable).with_name("mpiexec")
MPIEXEC = str(OWN_MPIEXEC) if OWN_MPIEXEC.exists() else shutil.which("mpiexec")

pytestmark = pytest.mark.skipif(MPIEXEC is None, reason="there is no mpiexec: pip install mpich")

# Open MPI refuses root, and more ranks than cores, unless told.
OPEN_MPI = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}


def run(n_ranks, tmp_path, task, *arguments, wait=60, **environment):
    """Run a job; return its code, what rank 0 wrote, and the errors."""
    output = tmp_path / "result.json"
    output.unlink(missing_ok=True)
    command = [MPIEXEC, "-n", str(n_ranks), sys.executable, str(FOLDER / "job.py"), task, str(output), *arguments]
    done = subprocess.run(
        command, env=os.environ | OPEN_MPI | environment, capture_output=True, text=True, timeout=wait, check=False
    )
    result = json.loads(output.read_text()) if output.exists() else None
    return done.returncode, result, done.stderr


@pytest.fixture(scope="module")
def alone():
    """The digests of each case in one process without MPI, by the number of shards."""
    known = {}

    def digests(n_shards):
        if n_shards not in known:
            known[n_shards] = {name: digest(case(shards=n_shards)) for name, case in (CASES | LAYER_CASES).items()}
        return known[n_shards]

    return digests


# With those below: 1, 2, 3, 4, 5 and 8 ranks, each with 8 and with 16 shards.
OTHERS = [(1, 8), (1, 16), (2, 16), (3, 16), (4, 8), (4, 16), (5, 8), (5, 16), (8, 8), (8, 16)]
SLOW = [pytest.param(n, v, "", marks=pytest.mark.slow) for n, v in OTHERS]


def test_every_optimizer_and_kind_of_layer_is_in_a_case():
    trainers = [case(shards=8) for case in (CASES | LAYER_CASES).values()]
    assert {type(trainer.optimizer) for trainer in trainers} == {*OPTIMIZERS.values()} - {fb.LBFGS}
    kinds = {type(layer) for trainer in trainers for layer in trainer.model.layers}
    assert kinds == set(LAYERS.values())


@pytest.mark.parametrize(
    ("n_ranks", "n_shards", "ahead"),
    [(2, 8, ""), (3, 8, ""), (2, 16, "ahead"), pytest.param(4, 8, "ahead", marks=pytest.mark.slow), *SLOW],
)
def test_any_number_of_ranks_has_the_bits_of_one_process(n_ranks, n_shards, ahead, alone, tmp_path):
    code, digests, errors = run(n_ranks, tmp_path, "same_bits", str(n_shards), ahead)
    assert code == 0, errors
    assert digests == [alone(n_shards)] * n_ranks


def test_each_rank_has_its_part_of_the_optimizers_state(tmp_path):
    code, (sizes, in_all), errors = run(3, tmp_path, "divided_state")
    assert code == 0, errors
    assert in_all <= sum(sizes) <= 2 * in_all  # rows are padded
    assert max(sizes) <= sum(sizes) / 3 + 2 * 32  # cut between rows, in two states


def test_each_rank_validates_its_part_and_all_get_its_error(tmp_path):
    code, seen, errors = run(2, tmp_path, "divided_validation")
    assert code == 0, errors
    numbers, sentences, files = zip(*seen, strict=True)
    in_training, in_validation = 4 * 32, 3 * 300 + 300
    assert in_training + 900 < sum(numbers) <= in_training + in_validation
    assert max(numbers) < 900  # neither has computed all
    assert all("row 111" in sentence for sentence in sentences)
    assert files == ([0, 2, 4], [1, 3])


def test_of_chunks_each_rank_reads_the_rows_of_its_shards_alone(tmp_path):
    code, results, errors = run(3, tmp_path, "own_rows_alone")
    assert code == 0, errors
    X, y = data()
    trainer = fb.Trainer(classifier(fb.Dense(8)), "cross_entropy", batch_size=128, shards=8, shuffle=False)
    trainer.fit([(X, y)])
    digests, unread = zip(*results, strict=True)
    assert digests == (digest(trainer),) * 3
    assert sum(unread) == 2 * len(X)


def test_ranks_that_differ_or_fail_get_a_sentence_each(tmp_path):
    code, sentences, errors = run(2, tmp_path, "errors")
    assert code == 0, errors
    of_first, of_second = sentences
    assert of_first == of_second
    expected = [
        "the fingerprint of X on rank 0",
        "seed on rank 0 is '0' and on rank 1 '1'",
        "the model",
        "row 77",
        "a callback has failed",
        "the fingerprint of X of validation on rank 0",
        "on_nan on rank 0 is",
        "none",
        "row 5, column 1 of X of part 6",
        "the dtype of X of part 0 is 'float32' and of part 7 'float64'",
        "part 7 is not there",
    ]
    assert all(words in sentence for words, sentence in zip(expected, of_first, strict=True)), of_first


@pytest.mark.parametrize("kind", ["9", pytest.param("19", marks=pytest.mark.slow)], ids=["killed", "stopped"])
def test_a_rank_that_dies_or_hangs_ends_the_job_and_fewer_go_on_to_the_same_bits(kind, tmp_path):
    path = tmp_path / "trainer.safetensors"
    code, result, _ = run(3, tmp_path, "checkpoint", str(path), "4", "7", kind, FASTBP_TEST_TIMEOUT="4")
    assert code != 0
    assert result is None
    assert fb.Trainer.load(path).history.n_epochs == 2
    code, result, errors = run(2, tmp_path, "checkpoint", str(path), "4")
    assert code == 0, errors
    X, y = data()
    trainer = fb.Trainer(classifier(fb.Dense(40, "relu"), fb.Dropout(0.1)), "cross_entropy", batch_size=128, shards=8)
    trainer.fit(X, y, epochs=4)
    assert result == digest(trainer)


def test_a_trainer_saved_inside_an_epoch_goes_on_in_one_process(alone, tmp_path):
    path = tmp_path / "trainer.safetensors"
    code, result, errors = run(3, tmp_path, "saved_inside", str(path))
    assert code == 0, errors
    trainer = fb.Trainer.load(path)
    assert (trainer.n_steps, trainer.history.n_epochs, trainer.shards) == (4, 1, 8)
    trainer.fit(*data(), epochs=1)
    assert digest(trainer) == result == alone(8)["sgd with momentum, clip_norm"]


def test_a_trainer_that_all_ranks_save_inside_an_epoch_is_written_by_the_first(tmp_path):
    path = tmp_path / "trainer.safetensors"
    code, of_ranks, errors = run(3, tmp_path, "saved_by_the_loss", str(path))
    assert code == 0, errors
    assert [asked for asked, *_ in of_ranks] == [[0], [1], [2]]
    assert len({(n_steps, bits) for _, n_steps, bits in of_ranks}) == 1
    assert [saved.name for saved in sorted(tmp_path.glob(f"{path.name}.*"))] == [f"{path.name}.0"]
    assert fb.Trainer.load(f"{path}.0", loss=own_loss).n_steps == 1


def test_private_ranks_share_the_key_of_the_first_and_fewer_go_on_with_it(tmp_path):
    path = tmp_path / "trainer.safetensors"
    code, results, errors = run(3, tmp_path, "private_secret", str(path))
    assert code == 0, errors
    first_keys, keys, digests = zip(*results, strict=True)
    assert len(set(first_keys)) == 3
    assert len(set(keys)) == len(set(digests)) == 1
    code, again, errors = run(2, tmp_path, "private_secret", str(path))
    assert code == 0, errors
    assert [result[1:] for result in again] == [result[1:] for result in results[:2]]
    trainer = fb.Trainer.load(path)  # alone
    assert trainer.privacy.n_steps == 5
    trainer.fit(*data())
    assert [trainer.privacy.keys.key.hex(), digest(trainer)] == results[0][1:]


def test_private_ranks_are_told_of_no_row(tmp_path):
    code, of_ranks, errors = run(2, tmp_path, "private_errors")
    assert code == 0, errors
    assert of_ranks[0] == of_ranks[1]
    (bad, differing, few), n_steps = of_ranks[0]
    assert "X has a number that is NaN" in bad
    assert "Which row is not told" in bad
    assert "the fingerprint of X on rank 0 is" in differing
    assert digest_of_rows(data()[0]) not in differing  # whoever guesses the rows could compare
    assert "expected at most as many as there are rows" in few
    assert n_steps == 0


def test_who_has_no_state_is_not_asked_for_it(tmp_path):
    """It might answer when it has one, and rank 0 would take that for the answer to its next question."""
    code, left, errors = run(3, tmp_path, "asked_for_nothing")
    assert code == 0, errors
    assert left == [False] * 3


def test_no_rank_loads_before_the_first_has_saved(tmp_path):
    code, n_epochs, errors = run(2, tmp_path, "loaded_after_saving", str(tmp_path / "trainer.safetensors"))
    assert code == 0, errors
    assert n_epochs == 2


def test_a_rank_that_fails_alone_ends_the_job_and_says_so(tmp_path):
    code, _, errors = run(2, tmp_path, "one_fails", FASTBP_TEST_TIMEOUT="2")
    assert code != 0
    assert "rank 1 of 2 failed alone and ends the job" in errors
    assert "X has" in errors  # the traceback, with its sentence


def test_a_single_step_that_one_rank_cannot_make_is_an_error_on_all_at_once(tmp_path):
    code, of_ranks, errors = run(3, tmp_path, "single_steps_fail")
    assert code == 0, errors
    sentences, _, n_steps, of_weights = of_ranks[0]
    for others, seconds, *rest in of_ranks:
        assert others == sentences
        assert seconds < 10  # nobody has waited for the timeout
        assert rest == [n_steps, of_weights]
    expected = [
        "row 277, column 2 of X",
        "y",
        "300 samples on rank 0 and 40 on rank 2",
        "output_gradient has shape (300, 2)",
        "row 0, column 0 of output_gradient",
        "gradients",
    ]
    assert n_steps == 1
    assert [words in sentence for words, (sentence, *_) in zip(expected, sentences, strict=True)] == [True] * 6, (
        sentences
    )
    assert all(notes == ["This is of rank 2 of 3; all ranks raise it."] for _, *notes in sentences if notes)
    assert sum(len(notes) for _, *notes in sentences) == 5  # the third names both ranks itself


def test_a_single_step_that_is_interrupted_on_its_way_ends_at_once(tmp_path):
    """The rank has come to the exchange already: it does not try to tell the others, who wait for its gradients."""
    run(2, tmp_path, "interrupted_ahead", str(tmp_path), FASTBP_TEST_TIMEOUT="4")
    name, seconds, n_steps = json.loads((tmp_path / "1.json").read_text())
    assert (name, n_steps) == ("KeyboardInterrupt", 1)
    assert seconds < 2


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("stopped", "expected all ranks to come within timeout=4"),
        ("error", "MPI says: "),
        ("private error", "MPI says: "),
    ],
)
def test_where_a_rank_is_lost_each_of_the_others_raises_at_a_completed_step(kind, words, tmp_path):
    """And the job ends with them, though their programs go on after the error."""
    code, _, errors = run(3, tmp_path, "lost", str(tmp_path), kind, FASTBP_TEST_TIMEOUT="4")
    assert code != 0
    told = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1)]
    assert all(words in sentence for sentence, *_ in told)
    assert told[0][1:] == told[1][1:]
    assert told[0][1] == 6
    assert "failed alone and ends the job" in errors


def test_what_callbacks_do_on_one_rank_is_the_same_on_all(tmp_path):
    code, of_ranks, errors = run(2, tmp_path, "what_callbacks_do")
    assert code == 0, errors
    assert of_ranks[0] == of_ranks[1]
    rate, n_steps, _, n_seen, sentence = of_ranks[0]
    assert (rate, n_steps, n_seen) == (fb.SGD().learning_rate, 1, 50 + 2 * 250)
    assert "a callback has changed weights, or running statistics, inside the epoch" in sentence


def test_what_a_callback_raises_inside_an_epoch_all_ranks_raise_at_once(tmp_path):
    code, of_ranks, errors = run(3, tmp_path, "callbacks_fail_inside")
    assert code == 0, errors
    seen, seconds = zip(*of_ranks, strict=True)
    assert seen[0] == seen[1] == seen[2]
    assert [sentence for sentence, *_ in seen[0]] == [
        "after step 2",
        "after step 3",
        "at a tick after step 4",
        "after step 6",
    ]
    assert [n_steps for _, n_steps, _ in seen[0]] == [2, 3, 4, 6]  # those that were complete
    assert max(seconds) < 10  # nobody has waited for the timeout


def test_a_learning_rate_that_is_set_inside_an_epoch_is_an_error_on_all_ranks(tmp_path):
    code, of_ranks, errors = run(2, tmp_path, "rate_set_inside")
    assert code == 0, errors
    for sentence, n_steps, *_ in of_ranks[0]:
        assert "a callback has set the optimizer or the learning rate inside an epoch; expected that at its" in sentence
        assert n_steps == 2
    assert of_ranks[0] == of_ranks[1]  # the same bits after that


def test_no_rank_has_the_losses_of_all_samples(tmp_path):
    code, of_ranks, errors = run(2, tmp_path, "losses_asked_for")
    assert code == 0, errors
    assert of_ranks[0] == of_ranks[1]
    assert "return_losses is True; expected False with several ranks. Each rank knows" in of_ranks[0][0]
    assert of_ranks[0][1] == 1


def test_one_process_is_a_job_of_one_rank(tmp_path):
    code, said, errors = run(1, tmp_path, "arguments")
    assert code == 0, errors
    shards, its_own, *sentences = said
    assert (shards, its_own) == (64, True)
    expected = ["at least 2", "MPI or None", "Intracomm", "beside others", "copied or pickled"]
    assert all(words in sentence for words, sentence in zip(expected, sentences, strict=True)), sentences


# ---- The tree ----


def plus(parts):
    """Return "addition" that shows its order: of lists that hold one string."""

    def add(total, x):
        total[0] = f"({total[0]} + {x[0]})"

    return parts, add


@pytest.mark.parametrize("n_shards", [8, 64, 256])
def test_ranks_have_equal_work_in_few_subtrees(n_shards):
    for n_ranks in range(1, n_shards + 1):
        parts = [shards_of(rank, n_ranks, n_shards) for rank in range(n_ranks)]
        assert [parts[0][0], *(end for _, end in parts)] == [*(first for first, _ in parts), n_shards]
        share = n_shards / n_ranks
        assert min(end - first for first, end in parts) > 0
        assert max(end - first for first, end in parts) <= max(math.ceil(share), 1.125 * share)
        numbers = [len(subtrees(*part)) for part in parts]
        assert sum(numbers) / n_ranks <= (1 if n_ranks & (n_ranks - 1) == 0 else 4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parts_of_the_parameters_begin_where_rows_do(dtype):
    """And so where vectors may: between two arrays there may be numbers of neither."""
    for units in range(1, 40):
        layers = [fb.Dense(units, "relu", max_norm=1.0), fb.Dense(19, max_norm=1.0), fb.Dense(3)]
        model = fb.Model(layers, inputs=11, dtype=dtype)
        for n_ranks in range(2, 9):
            session = DividedSession(model.network, "mse", (), "sgd", 1, 0, None)
            session.cut_into(8, *shards_of(0, n_ranks, 8))
            session.share_with(None, 0, n_ranks)
            parts = zip(session.bounds[:-1], itertools.pairwise(session.row_bounds), strict=True)
            starts = [start for start, (first, end) in parts if first < end]
            assert not any(start * np.dtype(dtype).itemsize % 64 for start in starts), (units, n_ranks)


def test_the_states_of_a_part_in_the_middle_are_those_of_its_rows():
    """A part with as much before it as behind it is not the whole."""
    model = fb.Model([fb.Dense(2)], inputs=16)
    session = DividedSession(model.network, "mse", (), "adagrad", 1, 0, None)
    session.cut_into(4, *shards_of(1, 3, 4))
    session.share_with(None, 1, 3)
    assert list(session.bounds) == [0, 16, 32, 48]  # the units' weights, and the biases
    of_units = np.arange(1.0, 33.0).reshape(16, 2)
    session.set_state([("square_sum.0.W", of_units), ("square_sum.0.b", np.ones(2))])
    np.testing.assert_array_equal(session.own_states()[0][1], of_units[:, 1])
    state = dict(session.get_state())
    np.testing.assert_array_equal(state["square_sum.0.W"], of_units * [0, 1])
    np.testing.assert_array_equal(state["square_sum.0.b"], 0)


@pytest.mark.parametrize("n_ranks", [2, 3, 7])
def test_slices_are_sent_in_pieces_of_few_rows(n_ranks):
    """All numbers of a slice, each once, biases last; the pieces take no more room for a larger network."""
    arrays = [(0, 48_000, 480, False), (48_000, 48_100, 1, True), (48_112, 48_912, 8, False), (48_912, 49_012, 1, True)]
    bounds = [49_012 * rank // n_ranks // 16 * 16 for rank in range(n_ranks)] + [49_012]
    seen = np.zeros(49_012, int)
    for start, end in itertools.pairwise(bounds):
        pieces = pieces_of(arrays, start, end, 1000)
        for a, b in pieces:
            seen[a:b] += 1
            assert start <= a < b <= end
            assert b - a <= 1000
        of_biases = [any(first <= a < last for first, last, _, is_bias in arrays if is_bias) for a, _ in pieces]
        assert of_biases == sorted(of_biases)
    assert (np.delete(seen, np.arange(48_100, 48_112)) == 1).all()


@pytest.mark.parametrize("n_shards", [2, 8, 64])
def test_ranks_add_the_whole_tree_whatever_their_number(n_shards):
    def leaves(empty):
        return {(0, i): [f"s{i}"] for i in range(n_shards) if i not in empty}

    depth = n_shards.bit_length() - 1
    for empty in (set(), {0, n_shards // 2}, set(range(1, n_shards))):
        parts, add = plus(leaves(empty))
        whole = sum_of_tree(parts, depth, 0, add)
        for n_ranks in range(1, min(n_shards, 12) + 1):
            partial = {}
            for rank in range(n_ranks):
                own = shards_of(rank, n_ranks, n_shards)
                parts, _ = plus({node: part for node, part in leaves(empty).items() if own[0] <= node[1] < own[1]})
                for node in subtrees(*own):
                    of_node = sum_of_tree(parts, *node, add)
                    if of_node is not None:
                        partial[node] = of_node
            assert sum_of_tree(partial, depth, 0, add) == whole
