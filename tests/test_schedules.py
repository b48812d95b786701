"""Schedules: each against PyTorch's own, or its formula written out, and what they refuse."""

import dataclasses
import inspect
import math
import pickle

import numpy as np
import pytest

import fastbp as fb
from fastbp.schedules import (
    SCHEDULES,
    CosineDecay,
    CosLog,
    ExponentialDecay,
    FlatCosine,
    FunctionSchedule,
    InverseScaling,
    OneCycle,
    Plateau,
    PolynomialDecay,
    StepDecay,
    as_schedule,
)


def values_of(schedule, n):
    return (
        schedule.of_steps(0, n, 0)
        if schedule.per == "step"
        else np.array([schedule.of_steps(7, 1, t)[0] for t in range(n)])
    )


def torch_values(make, n, start=0.1):
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=start)
    scheduler = make(torch.optim.lr_scheduler, optimizer)
    values = []
    for _ in range(n):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return values


@pytest.mark.parametrize("per", ["step", "epoch"])
@pytest.mark.parametrize(
    ("schedule", "make"),
    [
        (StepDecay(0.1, every=4, factor=0.5), lambda lr, o: lr.StepLR(o, 4, 0.5)),
        (ExponentialDecay(0.1, 0.9), lambda lr, o: lr.ExponentialLR(o, 0.9)),
        (PolynomialDecay(0.1, over=15, power=2.0), lambda lr, o: lr.PolynomialLR(o, 15, 2.0)),
        (CosineDecay(0.1, over=30, end=0.01), lambda lr, o: lr.CosineAnnealingLR(o, 30, 0.01)),
        (CosineDecay(0.1, over=7, restarts=True), lambda lr, o: lr.CosineAnnealingWarmRestarts(o, 7)),
        (CosineDecay(0.1, over=3, restarts=True, stretch=2), lambda lr, o: lr.CosineAnnealingWarmRestarts(o, 3, 2)),
        (OneCycle(0.1, over=31), lambda lr, o: lr.OneCycleLR(o, 0.1, total_steps=31)),
        (
            OneCycle(0.1, over=25, rise=0.5, divide=5.0),
            lambda lr, o: lr.OneCycleLR(o, 0.1, 25, pct_start=0.5, div_factor=5),
        ),
    ],
    ids=lambda value: "pytorch" if inspect.isfunction(value) else repr(value),
)
def test_values_are_pytorchs(schedule, make, per):
    n = 24
    np.testing.assert_allclose(values_of(dataclasses.replace(schedule, per=per), n), torch_values(make, n), rtol=1e-10)


def test_values_by_formula():
    np.testing.assert_allclose(values_of(InverseScaling(2.0, 0.5), 4), 2 / np.sqrt([1, 2, 3, 4]))
    np.testing.assert_allclose(
        values_of(CosineDecay(1.0, over=4, warmup=2, per="step"), 8),
        [0.5, 1, 1, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2, 0, 0],
        atol=1e-6,
    )
    np.testing.assert_array_equal(values_of(FunctionSchedule(lambda t: 1 / (t + 1)), 3), [1, 1 / 2, 1 / 3])
    np.testing.assert_array_equal(ExponentialDecay(1.0, 0.5, per="step").of_steps(2, 3, 99), [0.25, 0.125, 0.0625])
    np.testing.assert_array_equal(ExponentialDecay(1.0, 0.5).of_steps(99, 3, 2), [0.25, 0.25, 0.25])


def test_plateau_is_pytorchs():
    losses = [5, 4, 4, 4, 4, 3.9999, 3, 3, 3, 3, 3, 3, 3, 3, 3, 2]
    schedule = Plateau(0.1, factor=0.5, patience=2, lowest=0.02)
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=2, min_lr=0.02)
    memory = None
    for epoch, loss in enumerate(losses):
        memory = schedule.observe({"loss": loss}, memory)
        scheduler.step(loss)
        expected = optimizer.param_groups[0]["lr"]
        np.testing.assert_allclose(schedule.of_steps(0, 2, epoch, memory), [expected, expected])


def test_plateau_names_the_figures_there_are():
    with pytest.raises(
        ValueError, match="monitor is 'val_loss'; expected one of the history's figures: 'loss', 'accuracy'"
    ):
        Plateau(0.1, monitor="val_loss").observe({"loss": 1.0, "accuracy": 0.5})


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (lambda: StepDecay(0.0, 3), ValueError, "start is 0.0; expected a finite number above 0"),
        (lambda: StepDecay(0.1, 0), ValueError, "every is 0; expected an integer of 1 or more"),
        (lambda: ExponentialDecay(0.1, 0.9, per="batch"), ValueError, "per is 'batch'; expected 'step' or 'epoch'"),
        (lambda: PolynomialDecay(0.1, 10, end=-1.0), ValueError, "end is -1.0; expected a finite number of 0 or more"),
        (lambda: CosineDecay(0.1, 10, stretch=2), ValueError, "stretch is 2 and restarts is False"),
        (lambda: OneCycle(0.1, 3), ValueError, "the peak is before the second value"),
        (lambda: OneCycle(0.1, 30, rise=1.0), ValueError, "rise is 1.0"),
        (lambda: Plateau(0.1, factor=1.0), ValueError, "factor is 1.0; expected a finite number above 0 and below 1"),
        (lambda: Plateau(0.1, monitor=3), TypeError, "monitor is 3; expected the name of a figure"),
        (lambda: FunctionSchedule(3), TypeError, "function is 3; expected a function of one number"),
        (
            lambda: FunctionSchedule(lambda t: "x").of_steps(0, 1, 0),
            TypeError,
            "the schedule's value for step 0 is 'x'",
        ),
        (
            lambda: FunctionSchedule(lambda t: float("nan")).of_steps(4, 1, 0),
            ValueError,
            "the schedule's value for step 4 is nan",
        ),
        (lambda: as_schedule(CosineDecay, "learning_rate"), TypeError, "learning_rate is the class CosineDecay"),
        (lambda: as_schedule("fast", "learning_rate"), TypeError, "learning_rate is 'fast'; expected a finite number"),
    ],
)
def test_misuse(make, error, sentence):
    with pytest.raises(error, match=sentence):
        make()


def test_registry_and_functions():
    assert all(cls.name == name for name, cls in SCHEDULES.items())
    assert as_schedule(0.5, "learning_rate") == 0.5
    assert isinstance(as_schedule(math.exp, "learning_rate"), FunctionSchedule)
    assert as_schedule(ExponentialDecay(0.1, 0.9), "learning_rate") == ExponentialDecay(0.1, 0.9)


# ---- In training


def make_trainer(optimizer, **arguments):
    model = fb.Model([fb.Dense(7, "tanh"), fb.Dense(1)], inputs=3, dtype="float64", seed=4)
    return fb.Trainer(model, "mse", optimizer, **{"batch_size": 5, "shuffle": False} | arguments)


@pytest.fixture
def problem():
    rng = np.random.default_rng(1)
    return rng.normal(size=(23, 3)), rng.normal(size=(23, 1))


@pytest.mark.parametrize("per", ["step", "epoch"])
@pytest.mark.parametrize("which", ["learning_rate", "weight_decay"])
def test_training_goes_by_the_schedule(problem, which, per):
    """Five steps an epoch: the same weights as with a number set by hand before every step."""
    X, y = problem
    schedule = ExponentialDecay(0.2, 0.8, per=per)
    rest = {"learning_rate": 0.1} if which == "weight_decay" else {}
    trainer = make_trainer(fb.SGD(**rest, **{which: schedule}))
    trainer.fit(X, y, epochs=3)
    by_hand = make_trainer(fb.SGD(**rest, **{which: 0.2}))
    for step in range(15):
        t = step if per == "step" else step // 5
        by_hand.optimizer = fb.SGD(**rest, **{which: 0.2 * 0.8**t})
        rows = slice(step % 5 * 5, step % 5 * 5 + 5)
        by_hand.step(X[rows], y[rows])
    for found, expected in zip(trainer.model.get_weights(), by_hand.model.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_ten_steps_are_pytorchs(problem):
    torch = pytest.importorskip("torch")
    X, y = problem
    trainer = make_trainer(fb.Adam(OneCycle(0.1, over=10)), batch_size=None)
    W1, b1, W2, b2 = (torch.tensor(w, requires_grad=True) for w in trainer.model.get_weights())
    optimizer = torch.optim.Adam([W1, b1, W2, b2], lr=0.1)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=10, cycle_momentum=False)
    for step in range(10):
        loss = ((torch.tanh(torch.tensor(X) @ W1 + b1) @ W2 + b2 - torch.tensor(y)) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step < 9:
            scheduler.step()
    trainer.fit(X, y, epochs=10)
    for found, expected in zip(trainer.model.get_weights(), (W1, b1, W2, b2), strict=True):
        np.testing.assert_allclose(found, expected.detach().numpy(), rtol=0, atol=1e-10)


def test_a_function_is_a_schedule_by_steps(problem):
    X, y = problem
    trainer, twin = make_trainer(fb.SGD(lambda t: 0.1 / (1 + t))), make_trainer(fb.SGD(InverseScaling(0.1, 1.0)))
    for each in (trainer, twin):
        each.fit(X, y, epochs=2)
        each.step(X, y)
    for found, expected in zip(trainer.model.get_weights(), twin.model.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_going_on_from_a_pickle_goes_on_in_the_schedule(problem):
    X, y = problem
    optimizer = fb.Adam(Plateau(0.5, factor=0.5, patience=0), weight_decay=CosineDecay(0.1, over=20, per="step"))
    whole, half = make_trainer(optimizer), make_trainer(optimizer)
    whole.fit(X, y, epochs=6)
    half.fit(X, y, epochs=3)
    again = pickle.loads(pickle.dumps(half))
    again.fit(X, y, epochs=3)
    assert whole.parts.state.numbers.schedule_memory["learning_rate"].factor < 1
    for found, expected in zip(again.model.get_weights(), whole.model.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_plateau_of_the_validation_needs_validation_data(problem):
    X, y = problem
    trainer = make_trainer(fb.SGD(Plateau(0.1, monitor="val_loss")))
    trainer.fit(X, y, validation_data=(X, y))
    with pytest.raises(ValueError, match="monitor is 'val_loss'; expected one of the history's figures"):
        trainer.fit(X, y)


def test_divergence_names_the_rate_in_effect(problem):
    X, y = problem
    with pytest.raises(FloatingPointError, match=r"the learning rate, 1e\+60, is too large"):
        make_trainer(fb.SGD(StepDecay(1e60, 5, per="step"))).fit(X, y, epochs=10)


def test_cos_log_is_zero_between_cycles_of_twice_the_length():
    """Zeros at 0, 1/15, 1/5, 7/15 and 1 of the time (RealMLP's paper), and the peak in the middle of each in log2."""
    schedule = CosLog(0.04, over=1500)
    np.testing.assert_allclose(schedule.at(np.array([0, 100, 300, 700, 1500, 9999.0])), 0, atol=1e-15)
    middle = (2 ** np.array([0.5, 1.5, 2.5, 3.5]) - 1) / 15 * 1500
    np.testing.assert_allclose(schedule.at(middle), 0.04)
    assert CosLog(1.0, over=10, cycles=1).at(np.array([10 * (2**0.25 - 1)])) == pytest.approx(0.5)


def test_flat_cosine():
    schedule = FlatCosine(0.15, over=100, end=0.05)
    np.testing.assert_array_equal(schedule.at(np.array([0.0, 25, 50])), 0.15)
    assert schedule.at(np.array([75.0]))[0] == pytest.approx(0.1)
    np.testing.assert_allclose(schedule.at(np.array([100.0, 500])), 0.05)
    half = CosineDecay(0.15, over=50, end=0.05, per="step").at(np.arange(50.0))
    np.testing.assert_allclose(schedule.at(np.arange(50.0, 100)), half)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CosLog(0.1, over=0), "over is 0"),
        (lambda: CosLog(0.1, over=10, cycles=33), "cycles is 33"),
        (lambda: CosLog(-0.1, over=10), "peak is -0.1"),
        (lambda: FlatCosine(0.1, over=10, flat=1.0), "flat is 1.0"),
        (lambda: FlatCosine(0.1, over=10, end=-1.0), "end is -1.0"),
    ],
)
def test_what_the_new_ones_refuse(make, message):
    with pytest.raises(ValueError, match=message):
        make()
