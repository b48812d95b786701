"""Arguments that are one of a few words: whatever else is given is refused by a sentence."""

import numpy as np
import pandas as pd
import pytest

import fastbp as fb

X = np.zeros((4, 2))


def fit(on_nan):
    fb.Trainer(fb.Model([fb.Dense(1)], inputs=2), "mse").fit(X, X[:, 0], on_nan=on_nan)


# An array compares entry by entry: "is it one of these?" has no single answer.
@pytest.mark.parametrize("value", [np.arange(3), np.array([]), pd.Series([1, 2]), pd.DataFrame(X), None, 1, ["mean"]])
@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (lambda value: fb.Impute(value), "strategy is .*; expected 'mean' or 'median'"),
        (lambda value: fb.He(value), "distribution is .*; expected 'normal' or 'uniform'"),
        (lambda value: fb.F1(value), "average is .*; expected one of 'auto', 'binary'"),
        (lambda value: fb.EarlyStopping("loss", mode=value), "mode is .*; expected 'auto', 'min' or 'max'"),
        (lambda value: fb.FunctionSchedule(abs, per=value), "per is .*; expected 'step' or 'epoch'"),
        (fit, "on_nan is .*; expected 'raise' or 'rollback'"),
    ],
)
def test_what_is_none_of_the_words(function, value, sentence):
    with pytest.raises(ValueError, match=sentence):
        function(value)
