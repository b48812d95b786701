"""``fb.explain``: one door to all explanations of rows."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastbp.explanations.backgrounds import background_of
from fastbp.explanations.by_answers import shapley
from fastbp.explanations.explanation import Explanation
from fastbp.explanations.findings import Found, mean_of_members
from fastbp.explanations.prepared import Features
from fastbp.explanations.questions import question_of
from fastbp.explanations.subjects import Subject, subject_of
from fastbp.explanations.twins import has_logits
from fastbp.support.arguments import explain_arguments
from fastbp.support.checks import check_int, check_seed, check_word

__all__ = ["explain"]

Floats = NDArray[np.float64]

METHODS = ("shapley",)
_N_PERMUTATIONS = 10


@explain_arguments
def explain(
    model: Any,
    X: Any,
    method: Literal["shapley"] = "shapley",
    target: Any = None,
    output: Literal["logit", "prediction", "loss"] = "logit",
    baseline: Any = None,
    background: Any = None,
    columns: Literal["original", "prepared"] = "original",
    y: Any = None,
    *,
    n_permutations: int | None = None,
    seed: int = 0,
    n_threads: int | None = None,
) -> Explanation:
    """Return each column's share of what the model says of each row.

    An explanation tells what the model does, and not what would happen in the world if a column were changed. Columns
    that tell the same share what they explain in a way that the model has chosen, and a background row with one of them
    changed may be one that cannot exist.

    Parameters
    ----------
    model : Model, Ensemble, or an estimator of fastbp.sklearn
        Of an ensemble each member is explained: the values are their mean, ``spread`` their standard deviation.
    X : array-like of shape (n, n_columns)
        The rows to explain, as for ``predict``.
    method : {"shapley"}, default "shapley"
        "shapley": the columns' Shapley values (Lundberg and Lee, 2017), where columns that are left out come from the
        background; exact if up to 12 columns differ from it, else means over permutations.
    target : int, label, "predicted" or None, default None
        Which output: its number, or the label of ``classes``; "predicted" is the class predicted for each row, None all
        outputs. A single output for two classes is turned round where the first one is meant.
    output : {"logit", "prediction", "loss"}, default "logit"
        What of it: the number that a softmax or a sigmoid is taken of, which does not saturate (of other outputs the
        prediction); the prediction; or the row's own loss, which needs ``y``: the cross-entropy of a softmax or a
        sigmoid, else the squared error, the mean over the outputs.
    baseline : number, array-like of shape (n_columns,), row by names, or None, default None
        The row that the shares are counted from; a background of one row.
    background : array-like of shape (n_background, n_columns) or None, default None
        Rows that they are counted from: the mean over them. A hundred rows of the training data will do. Where neither
        is given, the medians (or means) that the preparation has learned; they are not known for categories.
    columns : {"original", "prepared"}, default "original"
        "original" are the user's columns, which are changed before the preparation: a category is one player, not one
        for each of its levels. "prepared" are the inputs of the first layer.
    y : array-like, optional
        The targets of the rows, for output="loss".
    n_permutations : int or None, default None
        For "shapley" beyond 12 columns: how many, each forwards and backwards; 2 or more. None is 10.
    seed : int, default 0
        Of what is drawn. A row has the same explanation alone and among others.
    n_threads : int or None, default None
        As for ``predict``; the result does not depend on it.

    Returns
    -------
    Explanation

    Raises
    ------
    TypeError, ValueError
        If an argument is not one of the above, or they do not go together.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1)], inputs=2)
    >>> model.set_weights([[[3.0], [-1.0]], [0.5]])
    >>> fb.explain(model, [[2.0, 4.0]], baseline=[1.0, 1.0]).values.tolist()
    [[3.0, -3.0]]
    """
    check_word(method, "method", METHODS)
    check_word(columns, "columns", ("original", "prepared"))
    n_orders = _N_PERMUTATIONS if n_permutations is None else check_int(n_permutations, "n_permutations", minimum=2)
    drawn = check_seed(seed)
    subject = subject_of(model, n_threads)
    rows = subject.read(X, "X")
    subject.outputs(rows, "prediction")  # rows that cannot be predicted are refused by their numbers
    question = question_of(subject, rows, target, output, y)
    behind = background_of(subject, baseline, background)
    members = subject.members or (subject,)
    features = [Features(member, n_threads) if columns == "prepared" else None for member in members]

    def one(member: Subject, of_member: Features | None) -> Found:
        return shapley(member, question, rows, behind, of_member, n_orders, drawn)

    found, spread = mean_of_members([one(*each) for each in zip(members, features, strict=True)])
    first = features[0]
    data = subject.shown(rows) if first is None else first.of(rows)
    names = subject.columns if first is None else first.names
    several = question.names is not None

    def plain(part: Floats | None) -> Floats | None:
        return part if part is None or several else part[..., 0]

    return Explanation(
        values=found.values if several else found.values[..., 0],
        base_values=plain(found.base),
        data=data,
        columns=names,
        completeness_error=plain(found.gap),
        standard_errors=plain(found.errors),
        method=method,
        output="prediction" if output == "logit" and not has_logits(subject.activation) else output,
        title=question.title,
        outputs=None if question.names is None else tuple(question.names),
        spread=plain(spread),
    )
