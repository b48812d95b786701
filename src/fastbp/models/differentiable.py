"""The derivatives of a model with respect to its inputs, as methods."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike, NDArray

from fastbp.layers.batch_ensemble import refuse_batch_ensemble
from fastbp.models.model_parts import ModelParts
from fastbp.support.checks import check_word

if TYPE_CHECKING:
    from fastbp.engine.derivatives import Derivatives
    from fastbp.losses.custom import LossLike
    from fastbp.models.derivatives import InputDerivatives

__all__ = ["DifferentiableModel"]

Array = NDArray[Any]

_PARTS = (
    "whole",
    "whole, curved",
    "first product",
    "after first product",
    "last product",
    "between products",
)


class DifferentiableModel(ModelParts):
    """A model's derivatives with respect to its inputs.

    Layers behave as in ``predict``: Dropout has no part, and BatchNorm uses its running averages. Derivatives are of
    each sample's own outputs by its own inputs: nothing is summed or averaged over the samples. Where an activation has
    a kink, such as relu at 0, they take one of the two slopes: that of relu at 0 is 0.

    These arguments are the same in all methods:

    output : {"prediction", "logit"}
        What is differentiated: "prediction" is what ``predict`` returns, in the targets' units; "logit" is the same
        without the last layer's softmax or sigmoid, if it has one.
    space : {"original", "prepared"}
        By what it is differentiated: "original" is the columns of X, through the model's preparation. A value that the
        preparation fills in has no influence: its derivative is 0. Columns of categories, dates and times are refused.
        "prepared" is the numbers that the first layer reads, with ``fb.Tabular`` the numeric columns and after them the
        embedded vectors.
    """

    def _derivatives(self, output: str, space: str, n_threads: int | None, curved: bool = False) -> InputDerivatives:
        """Return what computes derivatives; ``curved`` second ones, and only those."""
        native = self.native_derivatives("whole, curved" if curved else "whole")
        self._feed.check_ready()
        parts = native, self._architecture, self._feed
        derivatives: InputDerivatives = _derivatives_module().InputDerivatives(*parts, output, space, n_threads)
        return derivatives

    def native_derivatives(self, part: str) -> Derivatives:
        """Return what the engine computes derivatives with, and its buffers; made when it is first asked for.

        Parameters
        ----------
        part : {"whole", "whole, curved", "first product", "after first product", "last product", "between products"}
            Of the network, as the engine's ``Derivatives`` takes it; "curved" for second derivatives.
        """
        check_word(part, "part", _PARTS)
        refuse_batch_ensemble(self.layers, "for derivatives by the inputs")
        native, network = self._native_derivatives.get(part), self.network
        if native is None or native.network is not network:
            from fastbp.engine.derivatives import Derivatives  # only now

            native = Derivatives(network, curved=part.endswith("curved"), part=part.removesuffix(", curved"))
            self._native_derivatives[part] = native
        return native

    def vjp(
        self,
        X: Any,
        V: ArrayLike,
        output: str = "prediction",
        space: str = "original",
        n_threads: int | None = None,
    ) -> tuple[Array, Array]:
        """Return the outputs, and the gradient of sum(V * outputs) by the inputs: V times the Jacobian.

        With V the gradient of some loss by the outputs, it is the gradient of that loss by X: an actor's loss, by way
        of its critic, for example. It is computed by one backward pass, whatever the number of outputs.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_inputs)
            As for ``predict``.
        V : array-like of shape (n_samples, n_outputs)
            Finite numbers.
        output : {"prediction", "logit"}, default "prediction"
            What is differentiated: what ``predict`` returns; or that without the last layer's softmax or sigmoid.
        space : {"original", "prepared"}, default "original"
            By what: the columns of X, or the numbers that the first layer reads.
        n_threads : int or None, default None
            Largest number of threads; None means ``fb.get_num_threads()``. The result does not depend on it.

        Returns
        -------
        outputs : ndarray of shape (n_samples, n_outputs)
            What is differentiated.
        gradient : ndarray of shape (n_samples, n_inputs)
            Row i depends on row i of X and V alone. Both are of the model's dtype.

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit the model or is not finite, or a column of X cannot be differentiated by.

        Examples
        --------
        >>> import fastbp as fb
        >>> critic = fb.Model([fb.Dense(1)], inputs=3)
        >>> critic.set_weights([[[2.0], [0.0], [-1.0]], [0.5]])
        >>> values, slopes = critic.vjp([[1.0, 1.0, 1.0]], [[1.0]])
        >>> values.tolist(), slopes.tolist()
        ([[1.5]], [[2.0, 0.0, -1.0]])
        """
        return self._derivatives(output, space, n_threads).vjp(X, V)

    def jvp(
        self,
        X: Any,
        U: ArrayLike,
        output: str = "prediction",
        space: str = "original",
        n_threads: int | None = None,
    ) -> tuple[Array, Array]:
        """Return the outputs, and their derivative along the direction U of the inputs: the Jacobian times U.

        It is computed by one more forward pass (forward mode), whatever the number of inputs.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_inputs)
            As for ``predict``.
        U : array-like of shape (n_samples, n_inputs)
            Finite numbers; with ``space="prepared"`` a column for each number that the first layer reads.
        output : {"prediction", "logit"}, default "prediction"
            As for ``vjp``.
        space : {"original", "prepared"}, default "original"
            As for ``vjp``.
        n_threads : int or None, default None
            As for ``vjp``.

        Returns
        -------
        outputs : ndarray of shape (n_samples, n_outputs)
        tangent : ndarray of shape (n_samples, n_outputs)
            Both are of the model's dtype.

        Raises
        ------
        TypeError, ValueError
            As from ``vjp``.

        Examples
        --------
        >>> import fastbp as fb
        >>> model = fb.Model([fb.Dense(1)], inputs=2)
        >>> model.set_weights([[[2.0], [5.0]], [0.0]])
        >>> model.jvp([[1.0, 1.0]], [[0.0, 1.0]])[1].tolist()
        [[5.0]]
        """
        return self._derivatives(output, space, n_threads).jvp(X, U)

    def jacobian(
        self, X: Any, output: str = "prediction", space: str = "original", n_threads: int | None = None
    ) -> Array:
        """Return each sample's Jacobian: the derivative of every output by every input.

        It takes a backward pass for each output, or a forward pass for each input where those are fewer.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_inputs)
            As for ``predict``.
        output : {"prediction", "logit"}, default "prediction"
            As for ``vjp``.
        space : {"original", "prepared"}, default "original"
            As for ``vjp``.
        n_threads : int or None, default None
            As for ``vjp``.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs, n_inputs), of the model's dtype

        Raises
        ------
        TypeError, ValueError
            As from ``vjp``.

        Examples
        --------
        >>> import fastbp as fb
        >>> model = fb.Model([fb.Dense(2)], inputs=2)
        >>> model.set_weights([[[1.0, 2.0], [3.0, 4.0]], [0.0, 0.0]])
        >>> model.jacobian([[0.0, 0.0]]).tolist()
        [[[1.0, 3.0], [2.0, 4.0]]]
        """
        return self._derivatives(output, space, n_threads).jacobian(X)

    def hvp(
        self,
        X: Any,
        U: ArrayLike,
        V: ArrayLike,
        output: str = "prediction",
        space: str = "original",
        n_threads: int | None = None,
    ) -> Array:
        """Return each sample's Hessian of sum(V * outputs) by the inputs, times U: its gradient's change along U.

        It takes one more pass forward and one more backward (Pearlmutter, 1994), whatever the number of inputs. Second
        derivatives of piecewise linear activations, such as relu, are 0: their kinks are left out.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_inputs)
            As for ``predict``.
        U : array-like of shape (n_samples, n_inputs)
            Finite numbers; with ``space="prepared"`` a column for each number that the first layer reads.
        V : array-like of shape (n_samples, n_outputs)
            Finite numbers; with one output, ones give the Hessian of that output.
        output : {"prediction", "logit"}, default "prediction"
            As for ``vjp``.
        space : {"original", "prepared"}, default "original"
            As for ``vjp``.
        n_threads : int or None, default None
            As for ``vjp``.

        Returns
        -------
        ndarray of shape (n_samples, n_inputs), of the model's dtype

        Raises
        ------
        TypeError, ValueError
            As from ``vjp``.

        Examples
        --------
        >>> import fastbp as fb
        >>> model = fb.Model([fb.Dense(1, "exp")], inputs=2, dtype="float64")
        >>> model.set_weights([[[1.0], [2.0]], [0.0]])  # exp(a + 2 b), with the Hessian exp(a + 2 b) [[1, 2], [2, 4]]
        >>> model.hvp([[0.0, 0.0]], [[0.0, 1.0]], [[1.0]]).tolist()
        [[2.0, 4.0]]
        """
        return self._derivatives(output, space, n_threads, curved=True).hvp(X, U, V)

    def laplacian(
        self,
        X: Any,
        columns: Sequence[int | str] | None = None,
        output: str = "prediction",
        space: str = "original",
        n_threads: int | None = None,
    ) -> Array:
        """Return the sum of each output's second derivatives by the inputs: the trace of its Hessian.

        It takes a forward pass for each column, and one for their sum. Second derivatives of piecewise linear
        activations, such as relu, are 0.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_inputs)
            As for ``predict``.
        columns : sequence of int or str, or None, default None
            Places of the columns that count, from 0, or their names if the model was fitted to a data frame; None
            means all. ``columns=[j]`` gives the second derivative by column j.
        output : {"prediction", "logit"}, default "prediction"
            As for ``vjp``.
        space : {"original", "prepared"}, default "original"
            As for ``vjp``; places are those of the numbers that the first layer reads with "prepared".
        n_threads : int or None, default None
            As for ``vjp``.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs), of the model's dtype

        Raises
        ------
        TypeError, ValueError
            As from ``vjp``, or if there is no such column.

        Examples
        --------
        >>> import fastbp as fb
        >>> model = fb.Model([fb.Dense(1, "exp")], inputs=2, dtype="float64")
        >>> model.set_weights([[[1.0], [2.0]], [0.0]])  # exp(a + 2 b)
        >>> model.laplacian([[0.0, 0.0]]).tolist()
        [[5.0]]
        """
        return self._derivatives(output, space, n_threads, curved=True).laplacian(X, columns)

    def input_gradients(
        self, X: Any, y: ArrayLike, loss: LossLike, space: str = "original", n_threads: int | None = None
    ) -> Array:
        """Return the gradient of each sample's own loss by its inputs.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_inputs)
            As for ``predict``.
        y : array-like
            Targets, as for ``Trainer.fit``; labels that ``classes`` has.
        loss : str, Loss or callable
            As for ``Trainer``. Penalties on weights do not depend on X.
        space : {"original", "prepared"}, default "original"
            As for ``vjp``.
        n_threads : int or None, default None
            As for ``vjp``.

        Returns
        -------
        ndarray of shape (n_samples, n_inputs), of the model's dtype
            Not divided by the number of samples: it is n times the gradient of the mean loss.

        Raises
        ------
        TypeError, ValueError
            As from ``vjp``, or if y or the loss does not fit the model.
        FloatingPointError
            If the loss is a Python function and the outputs are not finite.

        Examples
        --------
        >>> import fastbp as fb
        >>> model = fb.Model([fb.Dense(1)], inputs=2)
        >>> model.set_weights([[[1.0], [2.0]], [0.0]])
        >>> model.input_gradients([[1.0, 1.0]], [1.0], loss="mse").tolist()  # 2 (3 - 1) W
        [[4.0, 8.0]]
        """
        return self._derivatives("prediction", space, n_threads).loss_gradients(X, y, loss)

    def activations(self, X: Any, layer: int, output: str = "prediction", n_threads: int | None = None) -> Array:
        """Return the outputs of a layer.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_inputs)
            As for ``predict``.
        layer : int
            The layer's place in ``layers``, from 0; negative numbers count from the last layer, which is -1.
        output : {"prediction", "logit"}, default "prediction"
            "logit" leaves out a softmax or sigmoid at the end of that layer: with ``layer=-1`` it gives the logits.
        n_threads : int or None, default None
            As for ``predict``.

        Returns
        -------
        ndarray of shape (n_samples, n_units), of the model's dtype
            As the next layer reads them: those of the last layer are not converted to the units of prepared targets.

        Raises
        ------
        TypeError, ValueError
            If X does not fit the model, or there is no such layer.

        Examples
        --------
        >>> import fastbp as fb
        >>> model = fb.Model([fb.Dense(2, "relu"), fb.Dense(1)], inputs=1)
        >>> model.set_weights([[[1.0, -1.0]], [0.0, 0.0], [[1.0], [1.0]], [0.0]])
        >>> model.activations([[3.0]], layer=0).tolist()
        [[3.0, 0.0]]
        """
        self._feed.check_ready()
        parts = self.network, self._architecture, self._feed
        outputs: Array = _derivatives_module().activations(*parts, X, layer, output, n_threads)
        return outputs


@functools.cache
def _derivatives_module() -> ModuleType:
    """Return the module that computes derivatives, loaded when it is first needed: `import fastbp` stays quick."""
    from fastbp.models import derivatives

    return derivatives
