"""Running statistics: of the rows seen so far, beside NumPy's over all of them at once."""

import numpy as np
import pytest

import fastbp as fb


def make_model(n_inputs=3, seed=0, **options):
    layers = [fb.Dense(8, "tanh"), fb.Dense(2)]
    return fb.Model(layers, inputs=n_inputs, prepare=fb.RunningStandardize(**options), dtype="float64", seed=seed)


def make_batches(n_batches=6, n_inputs=3):
    rng = np.random.default_rng(0)
    scales = 10.0 ** np.arange(n_inputs)
    return [rng.normal(5, 2, (int(rng.integers(1, 40)), n_inputs)) * scales for _ in range(n_batches)]


def plain_twin(model):
    """The same network without preparation."""
    twin = fb.Model(model.layers, inputs=model.n_inputs, dtype="float64")
    twin.set_weights(model.get_weights())
    return twin


def standardized(X, seen, clip=None):
    Z = (X - seen.mean(axis=0)) / seen.std(axis=0)
    return Z if clip is None else Z / np.sqrt(1 + np.square(Z / clip))


@pytest.mark.parametrize("clip", [None, 2.0])
def test_observed_rows_are_standardized_by_all_rows_seen(clip):
    model, batches = make_model(clip=clip), make_batches()
    for batch in batches:
        model.observe(batch)
    X, seen = batches[0], np.concatenate(batches)
    expected = plain_twin(model).predict(standardized(X, seen, clip))
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-10)


def test_steps_take_their_batch_before_they_use_it():
    """As VecNormalize does: the first batch is standardized by itself."""
    model, (X, *_) = make_model(clip=None), make_batches()
    y = np.zeros((len(X), 2))
    twin = plain_twin(model)
    trainers = [fb.Trainer(each, "mse", fb.SGD(0.1)) for each in (model, twin)]
    losses = [trainer.step(rows, y) for trainer, rows in zip(trainers, (X, standardized(X, X)), strict=True)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-10)
    for one, other in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-12)


def test_step_gradient_takes_its_batch_too():
    one, other = make_model(), make_model()
    batch = make_batches()[0]
    fb.Trainer(one, "mse").step_gradient(batch, np.zeros((len(batch), 2)))
    other.observe(batch)
    np.testing.assert_array_equal(one.predict(batch), other.predict(batch))


def test_rows_that_are_observed_only():
    model, (first, second, *_) = make_model(in_step=False), make_batches()
    model.observe(first)
    moments = model.feed.preparation.moments
    fb.Trainer(model, "mse").step(second, np.zeros((len(second), 2)))
    assert model.feed.preparation.moments is moments


@pytest.mark.parametrize("n_threads", [1, 2])
def test_the_same_bits_on_any_number_of_threads(n_threads):
    results = []
    for threads in (1, n_threads):
        model = fb.Model([fb.Dense(64, "relu"), fb.Dense(2)], inputs=3, prepare=fb.RunningStandardize())
        trainer = fb.Trainer(model, "mse", n_threads=threads)
        for batch in make_batches():
            trainer.step(np.tile(batch, (20, 1)), np.zeros((20 * len(batch), 2)))
        results.append(model.predict(make_batches()[0]))
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("in_step", [True, False])
def test_statistics_of_no_rows_are_refused(in_step, tmp_path):
    """Whatever uses them; only steps that take their own rows do not need any."""
    model, batch = make_model(in_step=in_step), make_batches()[0]
    y = np.zeros((len(batch), 2))
    model.save(tmp_path / "m.safetensors")
    trainer = fb.Trainer(model, "mse")
    uses = [each.predict for each in (model, model.copy(), fb.Model.load(tmp_path / "m.safetensors"))]
    uses += [
        model.jacobian,
        lambda _: model.to_c(tmp_path / "m.c"),
        lambda X: trainer.evaluate(X, y),
        lambda X: fb.explain(model, X, baseline=0),
    ]
    uses += [] if in_step else [lambda X: trainer.step(X, y), lambda X: trainer.step_gradient(X, y)]
    for use in uses:
        with pytest.raises(ValueError, match=r"RunningStandardize\(.* has seen no rows yet; expected that steps, or"):
            use(batch)
    model.observe(batch)
    for use in [model.predict, *uses[3:]]:
        use(batch)


def test_a_column_that_is_constant_is_only_centred():
    model = make_model(2, clip=None)
    model.observe([[0.1, 1.0]] * 7)
    model.observe([[0.1, 2.0]])
    twin = plain_twin(model)
    np.testing.assert_allclose(model.predict([[1.1, 1.125]]), twin.predict([[1.0, 0.0]]), rtol=1e-12)


def test_files_keep_what_was_seen_and_go_on(tmp_path):
    model, (first, second, *_) = make_model(), make_batches()
    trainer = fb.Trainer(model, "mse")
    trainer.step(first, np.zeros((len(first), 2)))
    trainer.save(tmp_path / "t.safetensors")
    model.save(tmp_path / "m.safetensors")
    again, read = fb.Trainer.load(tmp_path / "t.safetensors"), fb.Model.load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(read.predict(second), model.predict(second))
    for each in (trainer, again):
        each.step(second, np.zeros((len(second), 2)))
    np.testing.assert_array_equal(again.model.predict(first), model.predict(first))


def test_copies_are_apart_and_a_target_network_follows():
    model, (first, second, *_) = make_model(), make_batches()
    model.observe(first)
    target = model.copy()
    model.observe(second)
    before = target.predict(first)
    assert not np.array_equal(before, model.predict(first))
    target.blend(model, 0.5)  # the weights are the same
    np.testing.assert_array_equal(target.predict(first), model.predict(first))
    target.blend(make_model(), 0.0)  # which has seen nothing
    np.testing.assert_array_equal(target.predict(first), model.predict(first))


def test_a_target_network_keeps_its_own_bend():
    model, target, batch = make_model(clip=0.5), make_model(clip=None), make_batches()[0]
    model.observe(batch)
    target.blend(model, 0.5)
    expected = plain_twin(target).predict(standardized(batch, batch))
    np.testing.assert_allclose(target.predict(batch), expected, rtol=1e-10)


def test_a_build_sees_its_rows():
    layers = [fb.Dense(8, "tanh"), fb.Dense(2)]
    built, observed = fb.Model(layers, prepare=fb.RunningStandardize()), make_model()
    batch = make_batches()[0]
    built.build(batch)
    observed.observe(batch)
    np.testing.assert_array_equal(built.feed.preparation.moments.mean, observed.feed.preparation.moments.mean)
    bad = batch.copy()
    bad[1, 2] = np.nan
    with pytest.raises(ValueError, match=r"row 1, column 2 of X .* is nan"):
        fb.Model(layers, prepare=fb.RunningStandardize()).build(bad)


def test_a_build_for_the_targets_sees_rows_where_none_were_seen():
    (first, second, *_), y = make_batches(), np.arange(80.0)
    options = {"prepare": fb.RunningStandardize(clip=None), "prepare_targets": fb.Standardize(), "dtype": "float64"}
    model = fb.Model([fb.Dense(1)], inputs=3, **options)
    model.build(first, y[: len(first)])
    np.testing.assert_allclose(model.feed.preparation.moments.mean, first.mean(axis=0), rtol=1e-12)
    seen = model.feed.preparation.moments
    fb.Trainer(model, "mse").fit(second, y[: len(second)], epochs=1)
    assert model.feed.preparation.moments is seen


def test_private_training_uses_what_was_seen():
    model, batch = make_model(), make_batches()[0]
    privacy = fb.DifferentialPrivacy(target_epsilon=3, target_delta=1e-3, expected_batch_size=4)
    trainer, y = fb.Trainer(model, "mse", "sgd", privacy=privacy), np.zeros((len(batch), 2))
    with pytest.raises(ValueError, match="has seen no rows yet"):
        trainer.fit(batch, y, epochs=1)
    model.observe(batch)
    trainer.fit(batch, y, epochs=1)


def test_a_flag_of_numpy_is_kept_in_files(tmp_path):
    model = make_model(in_step=np.False_)
    model.save(tmp_path / "m.safetensors")
    assert fb.Model.load(tmp_path / "m.safetensors").feed.preparation.running.in_step is False
    with pytest.raises(TypeError, match="in_step is 'no'; expected True or False"):
        fb.RunningStandardize(in_step="no")


def test_derivatives_are_by_the_columns():
    model, batch = make_model(), make_batches()[0]
    model.observe(batch)
    X, step = batch[:2], 1e-4
    jacobian = model.jacobian(X)
    for j in range(3):
        ahead, behind = X.copy(), X.copy()
        ahead[:, j] += step
        behind[:, j] -= step
        slope = (model.predict(ahead) - model.predict(behind)) / (2 * step)
        np.testing.assert_allclose(jacobian[:, :, j], slope, rtol=1e-5, atol=1e-9)


def test_fit_uses_what_was_seen_and_refuses_to_begin_without():
    model, batch = make_model(), make_batches()[0]
    y = np.zeros((len(batch), 2))
    with pytest.raises(ValueError, match="has seen no rows yet; expected that steps"):
        fb.Trainer(model, "mse").fit(batch, y, epochs=1, progress=False)
    model.observe(batch)
    seen = model.feed.preparation.moments
    fb.Trainer(model, "mse").fit(batch, y, epochs=1, progress=False)
    assert model.feed.preparation.moments is seen


def test_a_gap_is_refused_and_changes_nothing():
    model, batch = make_model(), make_batches()[0]
    model.observe(batch)
    before = model.predict(batch)
    bad = batch.copy()
    bad[0, 1] = np.nan
    with pytest.raises(ValueError, match=r"row 0, column 1 of X .* is nan"):
        model.observe(bad)
    with pytest.raises(ValueError, match=r"row 0, column 1 of X .* is nan"):
        fb.Trainer(model, "mse").step(bad, np.zeros((len(bad), 2)))
    with pytest.raises(ValueError, match="y"):
        fb.Trainer(model, "mse").step(batch, np.zeros((len(batch), 5)))
    np.testing.assert_array_equal(model.predict(batch), before)
    model.observe(batch[:0])
    np.testing.assert_array_equal(model.predict(batch), before)


def test_it_stands_alone():
    with pytest.raises(ValueError, match="expected RunningStandardize"):
        fb.Model([fb.Dense(1)], inputs=2, prepare=[fb.RunningStandardize(), fb.Standardize()])
    with pytest.raises(ValueError, match="alone, as prepare="):
        fb.Columns(numeric=fb.RunningStandardize())
    with pytest.raises(ValueError, match="alone, as prepare="):
        fb.Model([fb.Dense(1)], inputs=2, prepare_targets=fb.RunningStandardize())
    with pytest.raises(ValueError, match=r"expected fb.RunningStandardize\(\)"):
        fb.Model([fb.Dense(1)], inputs=2).observe([[1.0, 2.0]])


def test_numbers_whose_squares_overflow_change_nothing():
    model = fb.Model([fb.Dense(1)], inputs=2, dtype="float64", prepare=fb.RunningStandardize())
    model.observe([[1.0, 2.0], [3.0, 5.0]])
    before = model.predict([[1.0, 2.0]])
    for rows in ([[0.0, 1e308], [0.0, 1e308]], [[0.0, 1e200]]):
        with pytest.raises(ValueError, match=r"column 1 of X .* squares are above the largest float64"):
            model.observe(rows)
    assert model.predict([[1.0, 2.0]]) == before
