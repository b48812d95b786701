"""MLPClassifier and MLPRegressor with privacy: what they learn, what is refused, and that they keep no secret."""

import inspect
import pickle
from pathlib import Path

import numpy as np
import pytest

import fastbp as fb

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
from fastbp.sklearn import MLPClassifier, MLPRegressor

N = 2000
X = np.random.default_rng(0).normal(size=(N, 4)).astype(np.float32)
CLASSES = np.where(X[:, 0] + X[:, 1] > 0, "yes", "no")
NUMBERS = X @ [1.0, -1.0, 0.5, 0.0]
PRIVACY = fb.DifferentialPrivacy(target_epsilon=4, target_delta=1e-5, expected_batch_size=200)


def classifier(**changes):
    arguments = {"privacy": PRIVACY, "classes": ["no", "yes"], "max_iter": 10, "learning_rate_init": 0.02}
    return MLPClassifier((16,), "tanh", **{**arguments, **changes})


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_they_learn_and_say_what_they_promise():
    model = classifier(random_state=0).fit(X, CLASSES)
    assert model.score(X, CLASSES) > 0.9
    assert 3.9 < model.privacy_.epsilon <= 4.0
    assert (model.n_iter_, model.t_, model.privacy_.n_steps) == (10, N * 10, 100)
    for name in ("loss_", "loss_curve_", "best_loss_"):
        assert getattr(model, name, None) is None
    three = classifier(classes=[1, 2, 3, 4]).fit(X, np.digitize(X[:, 0], [-0.5, 0.5]) + 1)
    assert three.predict_proba(X).shape == (N, 4)
    before = classifier(privacy=None, classes=None, max_iter=1, tol=0, n_iter_no_change=99).fit(X, CLASSES)
    assert before.loss_ > 0
    later = before.set_params(**{name: getattr(model, name) for name in ("privacy", "classes", "tol")})
    assert not hasattr(later.set_params(n_iter_no_change=10).fit(X, CLASSES), "loss_")
    regressor = MLPRegressor("squared_error", (16,), "tanh", privacy=PRIVACY, max_iter=10, learning_rate_init=0.02)
    assert regressor.fit(X, NUMBERS).score(X, NUMBERS) > 0.7


def end(trainer, figures):
    raise RuntimeError("the end")


def test_a_fit_that_ends_early_says_what_was_spent():
    with pytest.raises(RuntimeError, match="the end"):
        (model := classifier(callbacks=end)).fit(X, CLASSES)
    assert (model.privacy_.n_steps, model.n_iter_) == (10, 1)
    assert 0 < model.privacy_.epsilon < 4
    assert model.predict(X[:3]).shape == (3,)


def test_class_weights_are_public():
    with pytest.raises(ValueError, match="a key of class_weight is 'maybe'; expected one of"):
        classifier(class_weight={"maybe": 2.0}).fit(X, CLASSES)
    with pytest.raises(ValueError, match=r"class_weight\['yes'\] is -1"):
        classifier(class_weight={"yes": -1}).fit(X, CLASSES)
    one_sided = classifier(class_weight={"no": 0.0}, random_state=0).fit(X, CLASSES)
    assert (one_sided.predict(X) == "yes").mean() > 0.9


def test_the_key_is_not_kept():
    """The trainer, which has it, ends with the fit: what is pickled holds no key of 32 bytes."""
    model = classifier(max_iter=1).fit(X, CLASSES)
    assert not {"_trainer", "_made_trainer_of"} & set(vars(model))
    assert b"KeyChain" not in pickle.dumps(model)
    assert pickle.loads(pickle.dumps(model)).privacy_ == model.privacy_


# Parameter: allowed with privacy, or a value that is refused and words of the refusal.
PARAMETERS = {
    "solver": ("lbfgs", "small batches"), "batch_size": (50, "expected_batch_size"), "shuffle": (False, "at random"),
    "learning_rate": ("adaptive", "schedule of time"), "tol": (1e-3, "max_iter"), "n_iter_no_change": (5, "max_iter"),
    "early_stopping": (True, "max_iter"), "warm_start": (True, "account of its own"), "missing": ("impute", "Medians"),
    "class_weight": ("balanced", "dictionary"), "classes": (None, "are private"),
    "loss": (lambda outputs, targets: (outputs[:, 0], outputs), "loss"),
    "compute_dtype": ("bf16-mixed", "^compute_dtype is .*norms"),
    "callbacks": ([fb.EarlyStopping("loss")], "val_loss"),
    **dict.fromkeys((
        "hidden_layer_sizes", "activation", "alpha", "learning_rate_init", "max_iter", "random_state", "verbose",
        "dropout", "momentum", "nesterovs_momentum", "beta_1", "beta_2", "epsilon", "n_threads", "privacy",
    )),
    "power_t": "of another learning_rate", "max_fun": "of another solver", "validation_fraction": "of early_stopping",
}  # fmt: skip


def test_every_parameter_is_allowed_or_refused():
    assert set(PARAMETERS) == set(inspect.signature(MLPClassifier).parameters)
    for name, refused in PARAMETERS.items():
        if isinstance(refused, tuple):
            with pytest.raises((TypeError, ValueError), match=refused[1]):
                classifier(**{name: refused[0]}).fit(X, CLASSES)
    with pytest.raises(ValueError, match="public samples"):
        classifier().fit(X, CLASSES, validation_set=(X, CLASSES))
    with pytest.raises(ValueError, match="Call fit"):
        classifier().partial_fit(X, CLASSES, classes=["no", "yes"])
    with pytest.raises(ValueError, match="None without privacy"):
        MLPClassifier(classes=["no", "yes"]).fit(X, CLASSES)
    page = (Path(__file__).resolve().parents[2] / "docs" / "privacy.md").read_text(encoding="utf-8")
    told = {name for name, verdict in PARAMETERS.items() if not isinstance(verdict, str)} - {"privacy"}
    assert not {name for name in told if f"`{name}" not in page}
    allowed = {"solver": "sgd", "momentum": 0.5, "dropout": 0.1, "class_weight": {"yes": 2.0}, "alpha": 0.1}
    assert classifier(**allowed, max_iter=1).fit(X, CLASSES, np.ones(N)).privacy_.n_steps == 10


def test_messages_tell_no_sample():
    bad = X.copy()
    bad[5, 1] = np.nan
    odd = np.where(np.arange(N) == 5, "a name", CLASSES)
    for data, labels in ((bad, CLASSES), (X, odd)):
        with pytest.raises(ValueError, match="is not told") as error:
            classifier().fit(data, labels)
        assert "a name" not in str(error.value)
        assert error.value.__context__ is None
