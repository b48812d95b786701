"""Every public option of a trainer, of fit and of the callbacks: allowed, refused with its remedy, or accounted for."""

import inspect
from pathlib import Path

import numpy as np
import pytest

import fastbp as fb
from fastbp.callbacks.base import Callback

N = 200
X = np.random.default_rng(0).normal(size=(N, 5))
Y = (X[:, 0] > 0).astype(int)
ALLOWED, REFUSED, ACCOUNTED = "allowed", "refused", "accounted for"


def privacy(**changes):
    return fb.DifferentialPrivacy(
        **{"noise_multiplier": 1.0, "target_delta": 1e-5, "expected_batch_size": 50, **changes}
    )


def make(layers=None, loss="cross_entropy", **arguments):
    model = arguments.pop("model", None) or fb.Model(
        layers or [fb.Dense(8, "tanh"), fb.Dense(2, "softmax")], inputs=arguments.pop("inputs", 5)
    )
    return fb.Trainer(model, loss, **{"privacy": privacy(), **arguments})


def mean_square(outputs, targets):
    return ((outputs - targets) ** 2).mean(axis=1), outputs - targets


def of_one(output):
    return fb.Model([fb.Dense(8, "tanh"), fb.Dense(1, output)], inputs=5)


# Option of fb.Trainer: (verdict, values that are tried, words of the refusal).
TRAINER = {
    "model": (
        REFUSED,
        [fb.Model([layer, fb.Dense(2, "softmax")], inputs=5) for layer in (fb.BatchNorm(), fb.Periodic())],
        r"Use fb\.LayerNorm|norms of single samples'",
    ),
    "loss": (REFUSED, [mean_square], "Use one of fastbp's losses"),
    "optimizer": (REFUSED, ["lbfgs", fb.Rprop(), fb.SGD(fb.Plateau(0.1, monitor="loss"))], r"val_loss|Use fb\.Adam"),
    "batch_size": (REFUSED, [32, 64, None], "expected_batch_size"),
    "n_threads": (ALLOWED, [1, 2], ""),
    "shuffle": (REFUSED, [False], "draws its samples at random"),
    "seed": (REFUSED, [7], "secure=False takes the seed"),
    "metrics": (REFUSED, [["accuracy"], "log_loss", [fb.F1()]], "evaluate the model on public"),
    "clip_value": (REFUSED, [1.0], "max_grad_norm"),
    "clip_norm": (REFUSED, [1.0], "max_grad_norm"),
    "clip_array_norm": (REFUSED, [1.0], "max_grad_norm"),
    "averaging": (ALLOWED, [fb.EMA(0.9), fb.SWA(1)], ""),
    "accumulate": (REFUSED, [2], "Make expected_batch_size larger"),
    "learning_rate_factors": (ALLOWED, [{0: 0.5}], ""),
    "weight_decay_factors": (ALLOWED, [{0: 0.5}], ""),
    "epsilon_factors": (ALLOWED, [{0: 0.5}], ""),
    "decay_biases": (ALLOWED, [True], ""),
    "shards": (ALLOWED, [2, 8], ""),
    "distributed": (REFUSED, ["mpi"], "fb.distributed.MPI"),  # ranks are allowed: tests/ranks
    "precision": (REFUSED, ["bf16-mixed"], "norms of their own|bfloat16"),
    "privacy": (
        ACCOUNTED,
        [privacy(clipping="automatic"), privacy(secure=False), privacy(max_physical_batch_size=7)],
        "",
    ),
}
ALSO_ALLOWED = [
    {"optimizer": fb.AdamW(fb.CosineDecay(0.01, 8))},
    {"optimizer": fb.SGD(fb.Plateau(0.1, monitor="val_loss"), momentum=0.9)},
    {"optimizer": fb.Lion(1e-3)},
    {"metrics": []},
    {"shuffle": True, "seed": 0, "accumulate": 1},
    {"seed": 7, "privacy": privacy(secure=False)},
    {"layers": [fb.Dense(8, "prelu"), fb.Dropout(0.3), fb.LayerNorm(), fb.Dense(2, "softmax", l2=0.01, max_norm=2.0)]},
    {"loss": fb.Focal(), "model": of_one("sigmoid")},
    {"loss": "hinge", "model": of_one("linear")},
]


@pytest.mark.filterwarnings("ignore:precision is")  # on CPUs that gain nothing by bfloat16
@pytest.mark.parametrize("option", TRAINER)
def test_options_of_the_trainer(option):
    verdict, values, words = TRAINER[option]
    needs_decay = {"optimizer": fb.AdamW(0.01)} if "decay" in option else {}
    for value in values:
        if verdict is REFUSED:
            with pytest.raises((TypeError, ValueError), match=words):
                make(**{option: value})
        else:
            trainer = make(**{**needs_decay, option: value})
            assert set(trainer.fit(X, Y)) == {"steps", "epsilon", "seconds"}
            assert trainer.privacy.epsilon() > 0


@pytest.mark.parametrize("arguments", ALSO_ALLOWED, ids=str)
def test_what_else_is_allowed(arguments):
    trainer = make(**arguments)
    history = trainer.fit(X, Y, epochs=2, validation_data=fb.Public(X[:20], Y[:20]))
    assert history["steps"] == [4, 8]
    assert "loss" not in history
    assert "val_loss" in history


def test_no_option_of_the_trainer_is_forgotten():
    assert set(TRAINER) == set(inspect.signature(fb.Trainer).parameters)


def frame():
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame(X, columns=list("abcde"))


# Argument of fit: (verdict, values, words).
FIT = {
    "X": (REFUSED, [[(X, Y)], X[:20], np.full_like(X, np.nan)], "Give arrays|at most as many|is not told"),
    "y": (
        REFUSED,
        [None, Y[:-1], Y + 5, np.where(Y == 1, "yes", "no")],
        "is not told|model.classes|source of chunks|targets",
    ),
    "epochs": (ACCOUNTED, [0, 1, 3], ""),
    "validation_data": (REFUSED, [(X, Y), [X, Y], lambda: iter([(X, Y)])], r"fb\.Public"),
    "callbacks": (
        REFUSED,
        [[fb.EarlyStopping("loss")], [fb.Checkpoint("f", best_only=True, monitor="loss")]],
        "val_loss",
    ),
    "progress": (ALLOWED, [True], ""),
    "sample_weight": (ALLOWED, [np.random.default_rng(1).random(N)], ""),
    "class_weight": (REFUSED, ["balanced"], "Give a dictionary"),
    "on_nan": (REFUSED, ["rollback"], "Lower the learning rate"),
    "validation_fraction": (REFUSED, [0.1], r"fb\.Public"),
    "groups": (REFUSED, [np.arange(N)], r"fb\.Public"),
}


@pytest.mark.parametrize("argument", FIT)
def test_arguments_of_fit(argument, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    verdict, values, words = FIT[argument]
    for value in values:
        trainer = make()
        arguments = {"X": X, "y": Y, argument: value}
        if verdict is REFUSED:
            with pytest.raises((TypeError, ValueError), match=words):
                trainer.fit(**arguments)
            assert trainer.privacy.epsilon() == 0
        else:
            trainer.fit(**arguments)
            assert trainer.privacy.n_steps == 4 * arguments.get("epochs", 1)


def test_no_argument_of_fit_is_forgotten():
    assert set(FIT) == set(inspect.signature(fb.Trainer.fit).parameters) - {"self"}


# Callback: how it is used where it is allowed. Those that watch a figure watch one of public samples.
CALLBACKS = {
    fb.EarlyStopping: lambda path: fb.EarlyStopping("val_loss", patience=1),
    fb.Checkpoint: lambda path: fb.Checkpoint(path / "{epoch}.safetensors", best_only=True),
    fb.CSVLogger: lambda path: fb.CSVLogger(path / "log.csv"),
    fb.TimeLimit: lambda path: fb.TimeLimit(30),
    fb.LambdaCallback: lambda path: fb.LambdaCallback(on_step_end=lambda trainer, figures: figures["step"]),
}


@pytest.mark.parametrize("kind", CALLBACKS)
def test_callbacks(kind, tmp_path):
    seen = []

    class Spy(Callback):
        def on_step_end(self, trainer, figures):
            seen.append(set(figures))

        def on_tick(self, trainer, figures):
            seen.append(set(figures))

        def on_epoch_end(self, trainer, figures):
            seen.append(set(figures))

    trainer = make()
    public = fb.Public(X[:20], Y[:20])
    trainer.fit(X, Y, epochs=2, validation_data=public, callbacks=[CALLBACKS[kind](tmp_path), Spy()])
    told = set().union(*seen)
    assert told <= {"epoch", "step", "samples", "steps", "epsilon", "seconds", "val_loss", "val_accuracy"}


def test_no_callback_is_forgotten():
    public = {value for value in vars(fb).values() if isinstance(value, type) and issubclass(value, Callback)}
    assert set(CALLBACKS) == public - {Callback}


# Method or property of a trainer: (verdict, why).
METHODS = {
    "fit": (ACCOUNTED, "above"),
    "step": (REFUSED, "Call fit"),
    "step_gradient": (REFUSED, "Call fit"),
    "apply_gradients": (REFUSED, "Call fit"),
    "fit_samples": (REFUSED, "Call fit"),
    "evaluate": (ALLOWED, "of what the caller gives: docs/privacy.md"),
    "averaged_model": (ALLOWED, "made of weights that are revealed"),
    "save": (ALLOWED, "docs/privacy.md: the file has the key"),
    "load": (ALLOWED, "the account goes on"),
    "stop": (ALLOWED, "fewer steps reveal less"),
}


def test_methods_of_the_trainer():
    own = {
        name for name, value in vars(fb.Trainer).items() if inspect.isfunction(value) or isinstance(value, classmethod)
    }
    inherited = {name for name in dir(fb.Trainer) if inspect.isfunction(getattr(fb.Trainer, name))}
    assert {name for name in own | inherited if not name.startswith("_")} == set(METHODS)
    with pytest.raises(ValueError, match="expected None for step"):
        make().step(X, Y)
    with pytest.raises(ValueError, match="expected None for step_gradient"):
        make().step_gradient(X, np.zeros((N, 2)))
    with pytest.raises(ValueError, match="expected None for apply_gradients"):
        make().apply_gradients(make().model.get_weights())
    with pytest.raises(ValueError, match="expected None for fit_samples"):
        make().fit_samples(make().parts.intake.samples(X, Y), 1)
    with pytest.raises(ValueError, match=r"Use fb\.Adam|val_loss"):
        make(optimizer=fb.SGD()).optimizer = fb.SGD(fb.Plateau(0.1, monitor="loss"))


def test_the_page_lists_every_option():
    page = (Path(__file__).resolve().parents[2] / "docs" / "privacy.md").read_text(encoding="utf-8")
    missing = {name for name in {*TRAINER, *FIT, *METHODS} - {"y", "privacy"} if f"`{name}" not in page}
    assert not missing


@pytest.mark.parametrize("prepare", [fb.Standardize(), fb.RobustScale(), fb.Impute(), fb.OneHot()])
def test_preparation_is_not_learnt_from_private_rows(prepare):
    model = fb.Model([fb.Dense(2, "softmax")], prepare=prepare)
    data = np.round(X)
    with pytest.raises(ValueError, match=r"Call model\.build\(X, y\) with public rows"):
        make(model=model).fit(data, Y)
    model.build(data[:100], Y[:100])  # public ones
    assert make(model=model).fit(data[100:], Y[100:]).n_epochs == 1


def test_labels_are_not_learnt_from_private_rows():
    words = np.where(Y == 1, "yes", "no")
    model = fb.Model([fb.Dense(2, "softmax")], inputs=5)
    model.classes = ["no", "yes", "perhaps"][:2]
    assert make(model=model).fit(X, words).n_epochs == 1
    with pytest.raises(ValueError, match="is not told") as error:
        make(model=model).fit(X, np.where(Y == 1, "yes", "a name"))
    assert "a name" not in str(error.value)
    assert error.value.__context__ is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"noise_multiplier": None}, "expected at least one of them"),
        ({"noise_multiplier": 0.0}, "noise_multiplier is 0"),
        ({"target_epsilon": -1}, "target_epsilon is -1"),
        ({"target_delta": 0.0}, "target_delta is 0"),
        ({"expected_batch_size": 0}, "expected_batch_size is 0"),
        ({"max_grad_norm": float("inf")}, "max_grad_norm is inf"),
        ({"max_grad_norm": 1e-9}, "max_grad_norm is 1e-09"),
        ({"clipping": "hard"}, "clipping is 'hard'"),
        ({"accountant": "gdp"}, "accountant is 'gdp'"),
        ({"secure": "yes"}, "secure is 'yes'"),
        ({"max_physical_batch_size": 5000}, "max_physical_batch_size is 5000"),
    ],
)
def test_arguments_of_privacy(changes, words):
    with pytest.raises((TypeError, ValueError), match=words):
        privacy(**changes)
    with pytest.raises(TypeError, match="privacy is 3"):
        make(privacy=3)


@pytest.mark.parametrize(("argument", "value"), [("X", np.nan), ("y", -5)])
def test_numbers_that_change_to_bad_ones_are_not_told(argument, value):
    data = {"X": X.copy(), "y": Y.astype(np.float32)}

    def change(trainer, figures):
        data[argument][:100] = value

    words = {"X": "NaN, infinite or too large", "y": "NaN, infinite, too large or not one that the loss takes"}
    with pytest.raises(ValueError, match=f"^{argument} has a number that is {words[argument]}; expected") as error:
        make([fb.Dense(1, "exp")], "poisson").fit(**data, epochs=9, callbacks=change)
    assert "-5" not in str(error.value)


def test_who_hears_ticks_alone_may_stop():
    class Ticks(Callback):
        figures = None

        def on_tick(self, trainer, figures):
            self.figures = set(figures)
            trainer.stop()

    ticks, trainer = Ticks(), make()
    trainer.fit(X, Y, epochs=10**6, callbacks=ticks)
    assert ticks.figures <= {"epoch", "step", "samples", "steps", "epsilon", "seconds"}
    assert trainer.history.n_epochs < 10**6
