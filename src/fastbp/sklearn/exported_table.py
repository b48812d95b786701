"""Fitted estimators of tables as ONNX files."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from fastbp.exchange.extras import require
from fastbp.support.checks import check_flag, check_path
from fastbp.tabular.fitted import FittedTable

__all__ = ["ExportedTable"]


class ExportedTable:
    """What an estimator writes for other programs."""

    _table: FittedTable
    classes_: Any

    def to_onnx(self, path: str | os.PathLike[str], opset: int = 17, check: bool = False) -> None:
        """Write the fitted estimator to an ONNX file: the columns' encodings, all networks, and their mean.

        The inputs and the metadata are as ``fb.Model.to_onnx`` describes them. The outputs are ``probabilities`` and
        ``label``, or ``predictions``, of shape (rows, n_outputs); numbers are float64. It needs the package onnx.

        Parameters
        ----------
        path : str or path-like
            A file of that name is replaced once the new one is complete.
        opset : int, default 17
            Version of the operators, 17 to 23.
        check : bool, default False
            Whether the file is run on rows that are made up for it, and compared, before it is written.

        Raises
        ------
        ImportError
            If onnx is not installed.
        OSError
            If the file cannot be written.
        TypeError, ValueError
            If an argument is not one of the above.
        RuntimeError
            If ``check`` finds a difference.
        """
        require("onnx", "to_onnx", '"fastbp[onnx]"')
        from fastbp.exchange.onnx_check import check_agreement
        from fastbp.exchange.onnx_file import check_opset, write
        from fastbp.tabular.onnx_table import table_as_onnx

        check_is_fitted(self)
        opset, target, table = check_opset(opset), check_path(path), self._table
        model = table_as_onnx(table, getattr(self, "classes_", None), opset)
        if check_flag(check, "check"):
            learned = table.reader.learned
            check_agreement(model, learned, learned.n_columns, table.predict, np.dtype(np.float32))
        write(model, target)
