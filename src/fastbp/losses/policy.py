"""The loss of a policy, for reinforcement learning."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fastbp.data.arrays import as_array, refuse_first
from fastbp.layers.activations import Activation
from fastbp.losses.base import Array, Loss, wrong_activation
from fastbp.support.checks import check_number

__all__ = ["PolicyGradient"]


@dataclass(frozen=True)
class PolicyGradient(Loss):
    """The mean over samples of -A log p(a), minus an entropy bonus: a policy over actions, after a softmax.

    a is the action that was taken, A its advantage: how much better it was than expected (Williams, 1992). With
    ``clip`` it is PPO's clipped objective, -min(r A, min(max(r, 1 - clip), 1 + clip) A), where r is the action's
    probability divided by what it was when the action was taken (Schulman et al., 2017). Targets are a row for each
    sample: the action, an integer from 0; A; and with ``clip`` the logarithm of its former probability (without
    ``clip`` that column may be there, and is ignored). A sample that has A = 0 and an infinite r is refused as a loss
    that is not finite.

    Parameters
    ----------
    clip : float or None, default None
        How far r may move from 1 with a gain, 0 < clip < 1; PPO's usual value is 0.2. None does not clip.
    entropy : float, default 0.0
        Factor of the policy's entropy, -sum of p log p, which is subtracted from the loss; 0 or more.

    Raises
    ------
    TypeError, ValueError
        If an argument is not one of the above.

    Examples
    --------
    >>> import fastbp as fb
    >>> policy = fb.Model([fb.Dense(2, "softmax")], inputs=1, dtype="float64")
    >>> policy.set_weights([[[0.0, 0.0]], [0.0, 0.0]])
    >>> loss, _ = policy.loss_and_gradients([[1.0]], [[0, 2.0]], loss=fb.PolicyGradient())  # -2 log(1/2)
    >>> round(loss, 4)
    1.3863
    """

    clip: float | None = None
    entropy: float = 0.0
    name = "policy_gradient"
    metrics = ()

    def __post_init__(self) -> None:
        if self.clip is not None:
            object.__setattr__(self, "clip", check_number(self.clip, "clip", above=0, below=1))
        object.__setattr__(self, "entropy", check_number(self.entropy, "entropy", at_least=0))

    @property
    def parameters(self) -> tuple[float, ...]:
        """The clip, or 0 for none, and the factor of the entropy."""
        return (self.clip or 0.0, self.entropy)

    def check_output(self, activation: Activation, n_outputs: int) -> None:
        """Refuse everything but a softmax over two actions or more."""
        if n_outputs == 1:
            raise ValueError(
                "loss is 'policy_gradient' and the last layer has 1 unit; expected a unit for each action. End the "
                "model with Dense(2, 'softmax') for two."
            )
        if activation.name != "softmax":
            raise ValueError(
                wrong_activation(self, activation, "'softmax'", f"End the model with Dense({n_outputs}, 'softmax')")
            )

    def n_targets(self, n_outputs: int) -> int:
        """Return 3: action, advantage, former log-probability; or 2 without ``clip``."""
        return 2 if self.clip is None else 3

    def as_targets(self, y: ArrayLike, n_outputs: int, argument: str = "y") -> Array:
        """Return actions, advantages and, with ``clip``, log-probabilities (n, 2 or 3)."""
        array, n_targets = as_array(y, argument), self.n_targets(n_outputs)
        if array.ndim != 2 or not len(array) or array.shape[1] not in (n_targets, 3):
            columns = "action, advantage, log-probability" if n_targets == 3 else "action, advantage"
            raise ValueError(
                f"{argument} has shape {array.shape}; expected (n_samples, {n_targets}), the columns {columns}."
            )
        actions = array[:, 0]
        known = (actions >= 0) & (actions < n_outputs) & (actions == np.floor(actions))
        if not known.all():
            refuse_first(~known[:, np.newaxis], array[:, :1], argument, f"an action, an integer 0 to {n_outputs - 1}")
        return array[:, :n_targets]
