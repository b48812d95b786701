"""``fb.explain``: one door to all explanations of rows."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastbp.explanations.backgrounds import background_of
from fastbp.explanations.explanation import Explanation
from fastbp.explanations.findings import mean_of_members
from fastbp.explanations.methods import (
    METHODS,
    Method,
    apply,
    by_answers,
    counts_from_something,
    takes_losses,
    takes_one_baseline,
)
from fastbp.explanations.options import options_of
from fastbp.explanations.questions import question_of
from fastbp.explanations.requests import Request
from fastbp.explanations.subjects import Subject, subject_of
from fastbp.explanations.twins import has_logits
from fastbp.support.arguments import explain_arguments
from fastbp.support.checks import check_word, sentence
from fastbp.support.underflow import underflows_to_zero

__all__ = ["explain", "explained"]

Array = NDArray[Any]
Floats = NDArray[np.float64]


@underflows_to_zero
@explain_arguments
def explain(
    model: Any,
    X: Any,
    method: Method = "shapley",
    target: Any = None,
    output: Literal["logit", "prediction", "loss"] = "logit",
    baseline: Any = None,
    background: Any = None,
    columns: Literal["original", "prepared"] = "original",
    y: Any = None,
    *,
    n_permutations: int | None = None,
    n_samples: int | None = None,
    noise: float | None = None,
    n_steps: int | None = None,
    tolerance: float | None = None,
    rule: Literal["epsilon", "gamma", "z+", "alpha-beta"] | None = None,
    epsilon: float | None = None,
    gamma: float | None = None,
    alpha: float | None = None,
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
    method : str, default "shapley"
        By predictions alone, of any model:

        - "shapley": the columns' Shapley values (Lundberg and Lee, 2017), where columns that are left out come from the
          background; exact if up to 12 columns differ from it, else means over permutations.

        By the gradients of networks; of several each by itself, and the mean:

        - "saliency": the gradient itself, with its sign (Simonyan, Vedaldi and Zisserman, 2014). At a kink, as relu has
          at 0, it is one of the two slopes.
        - "input_x_gradient": that times the first layer's inputs, counted from where they are 0.
        - "smoothgrad": the mean gradient under noise (Smilkov et al., 2017).
        - "integrated_gradients": the mean gradient on the straight way from the baseline, times its length
          (Sundararajan, Taly and Yan, 2017). Where steps are not given, they are doubled until the shares add up.
        - "expected_gradients": the same, at points drawn between the row and the background (Erion et al., 2021).
        - "deeplift", "deepshap": differences from a baseline, or from each row of the background, passed back by
          DeepLIFT's rescale rule (Shrikumar, Greenside and Kundaje, 2017; Lundberg and Lee, 2017). The shares add up
          for every activation of single numbers.
        - "lrp": layer-wise relevance propagation (Bach et al., 2015); an output is shared, and biases take a part.

        DeepLIFT and LRP refuse ``fb.LayerNorm``, and a softmax that is to be explained. The shares of a category's
        indicators, of a gap's, and of a code's vector are added up to the column's.
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
        is given, the medians (or means) and the commonest categories that the preparation has learned.
    columns : {"original", "prepared"}, default "original"
        "original" are the user's columns, which are changed before the preparation: a category is one player, not one
        for each of its levels. "prepared" are the inputs of the first layer.
    y : array-like, optional
        The targets of the rows, for output="loss".
    n_permutations : int or None, default None
        For "shapley" beyond 12 columns: how many, each forwards and backwards; 2 or more. None is 10.
    n_samples : int or None, default None
        For "smoothgrad" and "expected_gradients": how many points. None is 100.
    noise : float or None, default None
        For "smoothgrad": the standard deviation, in units of the first layer's inputs. None is 0.1.
    n_steps, tolerance : int and float, or None, default None
        For "integrated_gradients": how many points on each way; or the completeness error that is allowed, as a share
        of the difference that is explained. None and None: a tolerance of 0.001, with at most 4,096 points.
    rule : {"epsilon", "gamma", "z+", "alpha-beta"} or None, default None
        For "lrp"; None is "epsilon".
    epsilon, gamma, alpha : float or None, default None
        The numbers of these rules: what is added to the size of sums (None: 1e-6), the weight of positive contributions
        beyond that of all (None: 0.25), and of positive ones where negative ones have alpha - 1 (None: 2).
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
    FloatingPointError
        If what a layer computes, or a gradient, is not finite for these rows, or between them and the background.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1)], inputs=2)
    >>> model.set_weights([[[3.0], [-1.0]], [0.5]])
    >>> fb.explain(model, [[2.0, 4.0]], baseline=[1.0, 1.0]).values.tolist()
    [[3.0, -3.0]]
    """
    settings = {
        "n_permutations": n_permutations,
        "n_samples": n_samples,
        "noise": noise,
        "n_steps": n_steps,
        "tolerance": tolerance,
        "rule": rule,
        "epsilon": epsilon,
        "gamma": gamma,
        "alpha": alpha,
    }
    check_word(method, "method", METHODS)
    check_word(columns, "columns", ("original", "prepared"))
    options = options_of(method, settings, seed, n_threads)
    subject = subject_of(model, n_threads)
    rows = subject.read(X, "X")
    subject.check(rows)
    question = question_of(subject, rows, target, output, y)
    if output == "loss" and not takes_losses(method):
        raise ValueError(sentence("output", output, f"'logit' or 'prediction' with method={method!r}"))
    behind = _background(method, subject, baseline, background)
    return explained(subject, Request(method, columns, output, rows, behind, question, options))


def _background(method: str, subject: Subject, baseline: Any, background: Any) -> Array | None:
    """Return the rows that a method counts from; None if it counts from nothing."""
    if not counts_from_something(method):
        for name, given in (("baseline", baseline), ("background", background)):
            if given is not None:
                raise ValueError(f"{name} is given and method is {method!r}, which counts from nothing; expected None.")
        return None
    rows = background_of(subject, baseline, background)
    if takes_one_baseline(method) and len(rows) > 1:
        raise ValueError(
            f"background has {len(rows)} rows and method is {method!r}; expected one baseline. The mean over "
            "several is method='deepshap'."
        )
    return rows


def explained(subject: Subject, request: Request) -> Explanation:
    """Return the explanation that is asked for; of an ensemble the mean over its members, and their spread."""
    question = request.question
    parts = subject.parts(by_answers(request.method))
    found = [
        apply(request.method, each, question, request.rows, request.background, request.columns, request.options)
        for each, _ in parts
    ]
    _, names, shown = found[0]
    if any(of_member[1] != names for of_member in found):
        raise ValueError("columns is 'prepared' and the members' preparations differ; expected columns='original'.")
    mean, spread = mean_of_members([of_member[0] for of_member in found], [share for _, share in parts])
    several = question.names is not None

    def plain(part: Floats | None) -> Floats | None:
        return part if part is None or several else part[..., 0]

    return Explanation(
        values=mean.values if several else mean.values[..., 0],
        base_values=plain(mean.base),
        data=subject.shown(request.rows) if request.columns == "original" else shown,
        columns=names,
        completeness_error=plain(mean.gap),
        standard_errors=plain(mean.errors),
        method=request.method,
        output="prediction" if request.output == "logit" and not has_logits(subject.activation) else request.output,
        title=question.title,
        outputs=None if question.names is None else tuple(question.names),
        spread=plain(spread),
        request=request,
    )
