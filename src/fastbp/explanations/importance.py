"""What a column is worth to a model: how much the loss grows when the column is shuffled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastbp.explanations.asked import Asked
from fastbp.explanations.columns import columns_of
from fastbp.explanations.rankings import WIDTH, Ranking
from fastbp.explanations.shuffles import growth_by_shuffling
from fastbp.support.arguments import explain_arguments
from fastbp.support.checks import check_int, check_seed
from fastbp.support.underflow import underflows_to_zero

__all__ = ["permutation_importance"]


@underflows_to_zero
@explain_arguments
def permutation_importance(
    model: Any,
    X: Any,
    y: Any,
    *,
    columns: Sequence[str | int] | None = None,
    n_repeats: int = 5,
    seed: int = 0,
    n_threads: int | None = None,
) -> Ranking:
    """Return how much larger the loss is on average when a column is shuffled among the rows (Breiman, 2001).

    The columns are the user's, shuffled before the preparation. The loss of a row is the cross-entropy of a softmax or
    a sigmoid, else the squared error, the mean over the outputs. Columns that tell the same share their importance, as
    either stands in for the other; shuffled rows may be ones that cannot exist. Rows that the model was not trained on
    tell what it is worth for new rows.

    Parameters
    ----------
    model : Model, Ensemble, or an estimator of fastbp.sklearn
    X : array-like of shape (n, n_columns)
    y : array-like
        The targets of the rows, as for ``Trainer.fit``.
    columns : sequence of str or int, or None, default None
        Those to try; None is all.
    n_repeats : int, default 5
        How often each is shuffled.
    seed : int, default 0
        Of the shuffling, which is the same for all columns.
    n_threads : int or None, default None
        As for ``predict``.

    Returns
    -------
    Ranking
        In units of the loss. The intervals say what another sample of as many rows would give; two rows tell none. A
        row counts in two ways, by its own loss and by the value that it lends to another row, and so it does in the
        standard errors (as those of a U-statistic: Hoeffding, 1948). The deviation over repetitions alone, as
        scikit-learn gives it, tells how well these rows' importance is known, and not that of others.

    Raises
    ------
    TypeError, ValueError
        If an argument is not one of the above.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> model = fb.Model([fb.Dense(1)], inputs=2)
    >>> model.set_weights([[[3.0], [1.0]], [0.0]])
    >>> fb.permutation_importance(model, X, model.predict(X)).names
    ('0', '1')
    """
    repeats, rng = check_int(n_repeats, "n_repeats"), np.random.default_rng(check_seed(seed))
    asked = Asked(model, X, output="loss", y=y, n_threads=n_threads)
    rows, subject = asked.rows, asked.subject
    if len(rows) < 2:
        raise ValueError("X has 1 row; expected two or more, among which values are shuffled.")
    numbers = np.arange(len(rows))
    orders = [rng.permutation(len(rows)) for _ in range(repeats)]
    chosen = columns_of(columns, subject.columns)
    found = list(growth_by_shuffling(lambda made: asked.answers(made, numbers)[:, 0], rows, chosen, orders))
    values, errors = (np.array([getattr(each, part) for each in found]) for part in ("mean", "error"))
    names = [subject.columns[column] for column in chosen]
    ends = values - WIDTH * errors, values + WIDTH * errors
    return Ranking.of(names, chosen, values, *ends, what="growth of the loss when the column is shuffled")
