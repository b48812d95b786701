"""A model's methods that write it for other programs, and make it of other libraries' networks."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from fastbp.exchange.extras import require
from fastbp.layers.base import Layer
from fastbp.layers.batch_ensemble import refuse_batch_ensemble
from fastbp.models.model_parts import ModelParts
from fastbp.support.checks import check_flag, check_path
from fastbp.support.replacement import replace_file

if TYPE_CHECKING:
    from fastbp.exchange.blueprint import Blueprint
    from fastbp.exchange.foreign import Network

__all__ = ["ExchangedModel"]


class ExchangedModel(ModelParts):
    """What leaves and what comes in; the formats themselves are in ``fastbp.exchange``."""

    def blueprint(self) -> Blueprint:
        """Return the built model as plain parts, for exporters."""
        from fastbp.exchange.blueprint import Blueprint, BuiltStage  # only now: `import fastbp` stays quick

        refuse_batch_ensemble(self.layers, "in what other formats take")
        network, preparation = self.network, self._feed.preparation
        self._feed.check_observed()
        learned = None if preparation is None else preparation.inputs
        names = self._feed.names if learned is None or learned.names is None else learned.names
        stages = self._architecture.stages
        return Blueprint(
            dtype=self.dtype,
            layers=self.layers,
            stages=tuple(BuiltStage(stage, network.get_layer(i)) for i, stage in enumerate(stages)),
            n_columns=self.n_inputs,
            n_outputs=self.n_outputs,
            output_activation=self._architecture.output_activation.name,
            learned=learned,
            targets=None if preparation is None else preparation.targets,
            names=names,
            classes=self._feed.classes,
        )

    def to_onnx(self, path: str | os.PathLike[str], opset: int = 17, check: bool = False) -> None:
        """Write the model to an ONNX file, for ONNX Runtime and whatever else reads the format.

        The file holds everything that ``predict`` does: the preparation of X with its text, gaps and categories, the
        layers, the targets' units and the labels of classes. It needs onnx (``pip install "fastbp[onnx]"``).

        Parameters
        ----------
        path : str or path-like
            A file of that name is replaced once the new one is complete.
        opset : int, default 17
            Version of the operators, 17 to 23. Older runtimes read older versions.
        check : bool, default False
            Whether the file is run on 64 rows that are made up for it, by ONNX Runtime or without it by onnx itself,
            and compared with ``predict`` before it is written.

        Raises
        ------
        ImportError
            If onnx is not installed.
        OSError
            If the file cannot be written.
        TypeError, ValueError
            If an argument is not one of the above, or the model is not built.
        RuntimeError
            If ``check`` finds a difference.

        Notes
        -----
        A model whose columns hold numbers has one input, ``X``, of shape (rows, n_inputs): of the model's dtype, or of
        float64 with a preparation. If a column holds text, each column is an input of shape (rows, 1), by its name:
        text, or float64. A gap is NaN in numbers and "" in text; moments are seconds since 1970. Outputs are
        ``probabilities`` (softmax, sigmoid) or ``predictions``, and ``label`` where ``predict_classes`` gives some.
        A row that ``predict`` would refuse, as a number is missing, gets NaN. The metadata has all this by name.

        In float32 outputs differ from those of ``predict`` by up to 1e-5 of the largest, in float64 by 1e-12.

        Examples
        --------
        >>> import fastbp as fb
        >>> model = fb.Model([fb.Dense(8, "relu"), fb.Dense(3, "softmax")], inputs=4)
        >>> model.to_onnx("iris.onnx", check=True)
        """
        require("onnx", "to_onnx", '"fastbp[onnx]"')
        from fastbp.exchange.onnx_check import check_agreement
        from fastbp.exchange.onnx_file import as_onnx, check_opset, write

        opset, target, blueprint = check_opset(opset), check_path(path), self.blueprint()
        model = as_onnx([blueprint], opset)
        if check_flag(check, "check"):
            check_agreement(model, blueprint.learned, blueprint.n_columns, self._predict_table, blueprint.dtype)
        write(model, target)

    def to_c(self, path: str | os.PathLike[str], name: str = "net") -> None:
        """Write the model as C source, a file and its header, for microcontrollers and whatever has a C compiler.

        The source is C99 and C++11, and includes <math.h> and <stddef.h> alone: no heap, no files, no recursion.
        Weights are constants. ``net_predict(x, y)`` computes one row; ``net_predict_with(scratch, x, y)`` does so from
        several threads; ``net_selftest()`` compares eight rows with what ``predict`` made of them.

        Parameters
        ----------
        path : str or path-like
            A name that ends with ".c"; the header's ends with ".h".
        name : str, default "net"
            What the names of the functions and types begin with.

        Raises
        ------
        OSError
            If a file cannot be written.
        TypeError, ValueError
            If an argument is not one of the above, or the model is not built, or has more than 2**24 weights.

        Notes
        -----
        x holds numbers of the model's dtype, or with a preparation, which is computed in double, doubles: for text the
        codes that the header lists, seconds since 1970 for moments, NAN for gaps. A gap that nothing fills in makes the
        outputs NAN. Outputs differ from those of ``predict`` by up to 1e-5 of the largest in float32, 1e-12 in float64.

        Examples
        --------
        >>> import fastbp as fb
        >>> model = fb.Model([fb.Dense(64, "relu"), fb.Dense(64, "relu"), fb.Dense(4)], inputs=16)
        >>> model.to_c("net.c")
        """
        from fastbp.exchange.c_file import as_c, check_c_path
        from fastbp.exchange.c_numbers import check_name
        from fastbp.exchange.made_up import as_table, made_up

        target, prefix, blueprint = check_c_path(check_path(path)), check_name(name), self.blueprint()
        rows = as_table(made_up(blueprint.learned, blueprint.n_columns, 8))
        rows = rows.astype(self.dtype) if blueprint.learned is None else rows
        pairs = np.asarray(self._feed.read(rows, "rows"), np.float64), self._predict_table(rows)
        header = target.with_suffix(".h")
        source, declarations = as_c(blueprint, prefix, header.name, pairs)
        replace_file(target, lambda file: file.write(source.encode("ascii")))
        replace_file(header, lambda file: file.write(declarations.encode("ascii")))

    def _predict_table(self, rows: Any) -> Any:
        """Return the outputs for rows, as the model's own ``predict`` does."""
        return self.predict(rows)  # type: ignore[attr-defined]

    # ------------------------------------------------------------------------------------------- other libraries

    @classmethod
    def from_torch(cls, net: Any, *, layers: Sequence[Layer] | None = None, inputs: int | None = None) -> Self:
        """Return a model with the layers and weights of a PyTorch module.

        Parameters
        ----------
        net : torch.nn.Module, mapping, str or path-like
            An ``nn.Sequential`` of linear layers, activations, layer and batch norms and dropout, also nested. Or a
            state dict, or the name of a file with one in the safetensors format, which needs no PyTorch. It holds no
            activations: so it needs ``layers`` and ``inputs``.
        layers : sequence of layers, optional
            The layers, for a state dict: its modules belong to those with weights, in their order.
        inputs : int, optional
            The number of inputs, for a state dict.

        Returns
        -------
        Model
            Of the weights' dtype, float32 or float64.

        Raises
        ------
        ImportError
            If ``net`` is a module and PyTorch is not installed.
        OSError
            If a file cannot be read.
        TypeError, ValueError
            If a module, or one of its options, has no counterpart; the message names it.

        Notes
        -----
        A ``PReLU`` of one slope becomes one of equal slopes. ``Flatten`` is left out: X has a row for each sample.
        """
        if isinstance(net, (str, os.PathLike, Mapping)):
            from fastbp.exchange.state_dicts import network_of_state

            return cls._of_network(network_of_state(net, layers, inputs))
        if layers is not None or inputs is not None:
            raise TypeError("layers or inputs is given, and net is no state dict; expected net alone, which has both.")
        require("torch", "from_torch", "torch")
        from fastbp.exchange.torch_networks import network_of

        return cls._of_network(network_of(net))

    def to_torch(self) -> Any:
        """Return the model as a ``torch.nn.Sequential`` in evaluation mode, with copies of the weights.

        What concerns training alone (initializers, the penalties of ``fb.Dense``) stays behind.

        Raises
        ------
        ImportError
            If PyTorch is not installed.
        ValueError
            If the model has a preparation, ``fb.Tabular`` or a scheduled dropout, which modules lack.

        Examples
        --------
        >>> import fastbp as fb
        >>> model = fb.Model([fb.Dense(8, "relu"), fb.Dense(3, "softmax")], inputs=4)
        >>> same = fb.Model.from_torch(model.to_torch())  # doctest: +SKIP
        """
        require("torch", "to_torch", "torch")
        from fastbp.exchange.torch_networks import sequential_of

        return sequential_of(self.blueprint())

    @classmethod
    def from_keras(cls, net: Any) -> Self:
        """Return a model with the layers and weights of a Keras 3 model.

        Parameters
        ----------
        net : keras.Sequential, functional model, str or path-like
            A chain of dense layers, activations, layer and batch normalisations and dropout, also nested. Or the name
            of a ``.keras`` file, which needs h5py and not Keras.

        Returns
        -------
        Model
            Of the weights' dtype, float32 or float64.

        Raises
        ------
        ImportError
            If h5py is needed and not installed.
        OSError
            If a file cannot be read.
        TypeError, ValueError
            If a layer, or one of its options, has no counterpart; the message names it.
        """
        from fastbp.exchange.keras_files import network_of_file, network_of_live

        of_file = isinstance(net, (str, os.PathLike))
        return cls._of_network(network_of_file(net) if of_file else network_of_live(net))

    def to_keras(self) -> Any:
        """Return the model as a built ``keras.Sequential``, with copies of the weights.

        Keras converts data to its own default dtype: call ``keras.config.set_floatx("float64")`` for such a model.

        Raises
        ------
        ImportError
            If Keras is not installed.
        ValueError
            If the model has a preparation, ``fb.Tabular``, ``fb.Residual``, a scheduled dropout or the activation
            "gelu_tanh", which a Sequential lacks.
        """
        from fastbp.exchange.keras_files import keras_of

        return keras_of(self.blueprint())

    @classmethod
    def from_sklearn(cls, mlp: Any) -> Self:
        """Return a model with the weights, and the classes, of scikit-learn's MLPClassifier or MLPRegressor.

        Parameters
        ----------
        mlp : MLPClassifier or MLPRegressor
            A fitted one.

        Returns
        -------
        Model
            Of the weights' dtype, float32 or float64. Of two classes it has a single output, the second one's
            probability.

        Raises
        ------
        ImportError
            If scikit-learn is not installed.
        TypeError, ValueError
            If it is something else, or not fitted.
        """
        require("sklearn", "from_sklearn", '"fastbp[sklearn]"')
        from fastbp.exchange.sklearn_networks import network_of

        return cls._of_network(network_of(mlp))

    def to_sklearn(self) -> Any:
        """Return the model as a fitted MLPClassifier or MLPRegressor of scikit-learn, with copies of the weights.

        Raises
        ------
        ImportError
            If scikit-learn is not installed.
        ValueError
            If the model has what these lack: other layers than ``fb.Dense`` with a bias, several hidden activations, a
            preparation, classes that are not in sorted order.
        """
        require("sklearn", "to_sklearn", '"fastbp[sklearn]"')
        from fastbp.exchange.sklearn_networks import estimator_of

        return estimator_of(self.blueprint())

    @classmethod
    def _of_network(cls, network: Network) -> Self:
        """Return the model of another library's network."""
        model: Any = cls(network.layers, inputs=network.inputs, dtype=network.dtype)  # type: ignore[call-arg]
        model.set_weights(network.weights)
        if network.classes is not None:
            model.classes = network.classes
        return model  # type: ignore[no-any-return]
