"""An unknown argument: which one was meant, or where it belongs; and a call that is right is as it was."""

import inspect
import pickle

import numpy as np
import pytest

import fastbp as fb
from fastbp.support.arguments import explain_arguments

sklearn = pytest.importorskip("fastbp.sklearn", exc_type=ImportError)

X, y = np.zeros((4, 2)), np.zeros(4)


def trainer():
    return fb.Trainer(fb.Model([fb.Dense(1)], inputs=2), "mse")


@pytest.mark.parametrize(
    ("call", "meant"),
    [
        (lambda: fb.Adam(lr=1), "Adam has no argument 'lr'. Did you mean 'learning_rate'?"),
        (lambda: fb.RAdam(lr=1), "RAdam has no argument 'lr'. Did you mean 'learning_rate'?"),
        (lambda: fb.AdamW(1e-3, wd=0.1), "AdamW has no argument 'wd'. Did you mean 'weight_decay'?"),
        (lambda: fb.Adam(betas=(0.9, 0.99)), "Adam has no argument 'betas'. Did you mean 'beta_1' and 'beta_2'?"),
        (lambda: fb.Adam(eps=1e-7), "Did you mean 'epsilon'?"),
        (lambda: fb.RMSprop(alpha=0.9), "Did you mean 'rho'?"),
        (lambda: fb.CosineDecay(0.1, T_max=10), "Did you mean 'over'?"),
        (lambda: fb.StepDecay(0.1, step_size=10), "Did you mean 'every'?"),
        (lambda: fb.LeakyReLU(negative_slope=0.2), "Did you mean 'slope'?"),
        (lambda: fb.ReLU(inplace=True), "ReLU has no argument 'inplace'; expected none."),
        (lambda: fb.SquaredHinge(margin=1), "SquaredHinge has no argument 'margin'; expected none."),
        (lambda: fb.Dropout(p=0.5), "Did you mean 'rate'?"),
        (lambda: fb.Dense(8, bias=False), "Did you mean 'use_bias'?"),
        (lambda: fb.Dense(8, input_dim=3), "Did you mean 'inputs'? It is an argument of fb.Model."),
        (lambda: fb.Dense(8, dropout=0.5), "It is a layer: fb.Dropout(0.1)."),
        (lambda: fb.Model([fb.Dense(1)], n_features=2), "Did you mean 'inputs'?"),
        (lambda: fb.Model([fb.Dense(1)], loss="mse"), "It is an argument of fb.Trainer."),
        (lambda: fb.Trainer(None, "mse", batch=8), "Did you mean 'batch_size'?"),
        (lambda: fb.Trainer(None, "mse", nb_epoch=8), "Did you mean 'epochs'? It is an argument of Trainer.fit."),
        (lambda: fb.Trainer(None, "mse", lr=8), "optimizer=fb.Adam(learning_rate=...)"),
        (lambda: fb.CrossEntropy(weight=[1, 2]), "Trainer.fit has sample_weight and class_weight."),
        (lambda: fb.OneHot(drop="first"), "OneHot has no argument 'drop'; expected 'max_categories'."),
        (lambda: trainer().fit(X, y, patience=3), "Pass callbacks=[fb.EarlyStopping(patience=10)] to Trainer.fit."),
        (lambda: fb.Trainer(None, criterion="mse"), "Did you mean 'loss'?"),
        (lambda: fb.Trainer(None, "mse", device="cuda"), "fastbp computes on the CPU."),
        (lambda: fb.EarlyStopping(restore_best_weights=True), "Did you mean 'restore_best'?"),
        (lambda: fb.Checkpoint(filepath="a"), "Did you mean 'path'?"),
        (lambda: fb.Ensemble(members=[]), "Ensemble has no argument 'members'; expected 'models'."),
        (lambda: trainer().fit(X, y, nb_epoch=3), "Trainer.fit has no argument 'nb_epoch'. Did you mean 'epochs'?"),
        (lambda: trainer().fit(X, y, validation_split=0.1), "Did you mean 'validation_fraction'?"),
        (lambda: trainer().fit(X, y, batch_size=3), "It is an argument of fb.Trainer."),
        (lambda: trainer().fit(X, y, verbose=1), "Did you mean 'progress'?"),
        (lambda: trainer().evaluate(X, y, weights=y), "Did you mean 'sample_weight'?"),
        (lambda: fb.cross_validate(None, X, y, n_splits=3), "Did you mean 'folds'?"),
        (lambda: fb.fit_many([], X, y, n_jobs=2), "fit_many has no argument 'n_jobs'. Did you mean 'n_threads'?"),
        (lambda: fb.inspect_data(X, y, val_data=(X, y)), "Did you mean 'validation_data'?"),
        (lambda: sklearn.MLPClassifier(lr=0.1), "Did you mean 'learning_rate_init'?"),
        (lambda: sklearn.MLPClassifier(hidden_layers=(8,)), "Did you mean 'hidden_layer_sizes'?"),
        (lambda: sklearn.MLPRegressor(optimizer="adam"), "Did you mean 'solver'?"),
        (lambda: sklearn.MLPRegressor(n_epochs=3), "Did you mean 'max_iter'?"),
        (lambda: sklearn.MLPRegressor(weight_decay=3), "Did you mean 'alpha'?"),
        (lambda: sklearn.MLPRegressor(seed=3), "Did you mean 'random_state'?"),
    ],
)
def test_what_was_meant(call, meant):
    with pytest.raises(TypeError) as raised:
        call()
    assert meant in str(raised.value)


def public_classes():
    values = [getattr(fb, name) for name in fb.__all__] + [sklearn.MLPClassifier, sklearn.MLPRegressor]
    return [value for value in values if isinstance(value, type) and inspect.isfunction(value.__init__)]


@pytest.mark.parametrize("cls", public_classes(), ids=lambda cls: cls.__name__)
def test_every_public_class_explains_and_keeps_its_signature(cls):
    with pytest.raises(TypeError, match=f"^{cls.__name__} has no argument 'no_such_argument'; expected "):
        cls(no_such_argument=1)
    plain = inspect.signature(cls.__init__.__wrapped__).parameters
    assert list(inspect.signature(cls).parameters) == [name for name in plain if name != "self"]


def test_errors_inside_are_left_alone():
    def fails(value):
        return fb.Adam(value, learning_rate=value)

    with pytest.raises(TypeError, match="multiple values for argument 'learning_rate'"):
        explain_arguments(fails)(value=1)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'units'"):
        fb.Dense()
    with pytest.raises(TypeError, match="units"):
        fb.Dense(units="3")


def test_subclasses_are_as_they_were():
    class Mixin:
        def __init__(self):
            self.mixed = True

    class Mine(fb.Callback, Mixin):
        pass

    assert Mine().mixed

    class Patient(fb.EarlyStopping):
        def __init__(self, factor):
            super().__init__("loss", patience=2 * factor)

    assert isinstance(Patient(3), fb.EarlyStopping)
    assert pickle.loads(pickle.dumps(fb.Adam(0.1))) == fb.Adam(0.1)


@pytest.mark.parametrize(
    ("make", "meant"),
    [
        (lambda: sklearn.MLPClassifier(activation="ReLU"), "'relu'"),
        (lambda: sklearn.MLPClassifier(solver="Adam"), "'adam'"),
        (lambda: sklearn.MLPClassifier(loss="cross_entropy"), "'log_loss'"),
        (lambda: sklearn.MLPRegressor(loss="mean_squared_error"), "'squared_error'"),
        (lambda: sklearn.MLPRegressor(learning_rate="inverse_scaling"), "'invscaling'"),
    ],
)
def test_names_given_to_the_estimators(make, meant):
    with pytest.raises(ValueError, match=f"Did you mean {meant}\\?$"):
        make().fit(X, [0, 1, 0, 1])


def test_a_warning_points_to_the_call_of_fit():
    model = fb.Model([fb.Dense(1)], inputs=1)
    trainer = fb.Trainer(model, "mse", fb.SGD(1e30), batch_size=1)
    with pytest.warns(RuntimeWarning, match="Rolled back") as caught, pytest.raises(FloatingPointError):
        trainer.fit([[1.0], [2.0], [3.0]], [1.0, 2.0, 3.0], epochs=5, on_nan="rollback")
    assert {warning.filename for warning in caught} == {__file__}
