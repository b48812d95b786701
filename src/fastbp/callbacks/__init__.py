"""Callbacks: code that runs during training, one callback per file. They see a trainer through a protocol.
It imports support.
"""

from fastbp.callbacks.base import Callback, Figures
from fastbp.callbacks.checkpoint import Checkpoint
from fastbp.callbacks.csv_logger import CSVLogger
from fastbp.callbacks.early_stopping import EarlyStopping
from fastbp.callbacks.lambda_callback import LambdaCallback
from fastbp.callbacks.listeners import CallbackLike, as_callbacks
from fastbp.callbacks.time_limit import TimeLimit

__all__ = [
    "CSVLogger",
    "Callback",
    "CallbackLike",
    "Checkpoint",
    "EarlyStopping",
    "Figures",
    "LambdaCallback",
    "TimeLimit",
    "as_callbacks",
]
