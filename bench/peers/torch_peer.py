"""PyTorch, eager."""

import numpy as np
import torch
from torch.nn import functional

from ..workloads import (
    BETA_1,
    BETA_2,
    CLIP,
    DROPOUT_RATE,
    EMA_DECAY,
    EPSILON,
    LABEL_SMOOTHING,
    LEARNING_RATE,
    Workload,
    make_data,
)


def _make_linears(workload: Workload, dtype: torch.dtype) -> list[torch.nn.Linear]:
    return [torch.nn.Linear(n, m, dtype=dtype) for n, m in workload.layers]


def _chain(linears: list[torch.nn.Linear], output: list[torch.nn.Module]) -> torch.nn.Sequential:
    """The layers, a ReLU between each two, and what follows the last."""
    modules = [module for linear in linears for module in (linear, torch.nn.ReLU())]
    return torch.nn.Sequential(*modules[:-1], *output)


def _set_weights(linears: list[torch.nn.Linear], weights: list[np.ndarray]) -> None:
    with torch.no_grad():
        for linear, W, b in zip(linears, weights[::2], weights[1::2], strict=True):
            linear.weight.copy_(torch.from_numpy(W).T)
            linear.bias.copy_(torch.from_numpy(b))


class TorchPeer:
    """The usual loop, without a DataLoader: batches are taken from tensors in memory by index_select."""

    settings = "eager, Adam(fused=True), zero_grad(set_to_none=True), batches by index_select, torch.set_num_threads"
    note = ""

    def __init__(self, workload: Workload, dtype: str, n_threads: int):
        torch.set_num_threads(n_threads)
        torch.manual_seed(0)
        self.batch_size = workload.batch_size
        X, y = make_data(workload, dtype)
        self.X, self.y = torch.from_numpy(X), torch.from_numpy(y)
        self.linears = _make_linears(workload, self.X.dtype)
        self.model = _chain(self.linears, output=[])

    def reset(self, weights: list[np.ndarray]) -> None:
        """See `Peer`."""
        _set_weights(self.linears, weights)
        self.optimizer = torch.optim.Adam(
            self.model.parameters(), lr=LEARNING_RATE, betas=(BETA_1, BETA_2), eps=EPSILON, fused=True
        )

    def train(self, n_batches: int, epochs: int, shuffle: bool) -> list[float]:
        """See `Peer`."""
        return [self._epoch(n_batches, shuffle) for _ in range(epochs)]

    def _epoch(self, n_batches: int, shuffle: bool) -> float:
        n_samples = n_batches * self.batch_size
        order = torch.randperm(n_samples) if shuffle else torch.arange(n_samples)
        total = torch.zeros((), dtype=self.X.dtype)
        for rows in order.split(self.batch_size):
            self.optimizer.zero_grad(set_to_none=True)
            Z = self.model(self.X.index_select(0, rows))
            loss = self._loss(Z, self.y.index_select(0, rows))
            loss.backward()
            self._step()
            total += loss.detach()
        return total.item() / n_batches

    def _loss(self, Z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(Z, y)

    def _step(self) -> None:
        self.optimizer.step()


_AUTOCAST = {"device_type": "cpu", "dtype": torch.bfloat16}
_AUTOCAST_NOTE = "products in bfloat16, as torch.autocast chooses"


class TorchAutocastPeer(TorchPeer):
    """The same with forward pass and loss under autocast to bfloat16, as PyTorch's documentation shows it."""

    settings = f"{TorchPeer.settings}, torch.autocast('cpu', torch.bfloat16)"
    note = _AUTOCAST_NOTE

    def _epoch(self, n_batches: int, shuffle: bool) -> float:
        n_samples = n_batches * self.batch_size
        order = torch.randperm(n_samples) if shuffle else torch.arange(n_samples)
        total = torch.zeros((), dtype=self.X.dtype)
        for rows in order.split(self.batch_size):
            self.optimizer.zero_grad(set_to_none=True)
            with torch.autocast(**_AUTOCAST):
                loss = self._loss(self.model(self.X.index_select(0, rows)), self.y.index_select(0, rows))
            loss.backward()
            self._step()
            total += loss.detach()
        return total.item() / n_batches


class TorchCostPeer(TorchPeer):
    """The same with one feature more, as PyTorch's documentation shows it."""

    def __init__(self, workload: Workload, dtype: str, n_threads: int):
        super().__init__(workload, dtype, n_threads)
        self.feature = workload.feature
        modules = [m for linear in self.linears[:-1] for m in _hidden_modules(linear, self.feature)]
        self.model = torch.nn.Sequential(*modules, self.linears[-1]).to(self.X.dtype)
        if self.feature == "ema":
            average = torch.optim.swa_utils.get_ema_multi_avg_fn(EMA_DECAY)
            self.averaged = torch.optim.swa_utils.AveragedModel(self.model, multi_avg_fn=average)

    def _loss(self, Z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        smoothing = LABEL_SMOOTHING if self.feature == "label_smoothing" else 0.0
        return functional.cross_entropy(Z, y, label_smoothing=smoothing)

    def _step(self) -> None:
        if self.feature == "clip_value":
            torch.nn.utils.clip_grad_value_(self.model.parameters(), CLIP)
        if self.feature == "clip_norm":
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self.optimizer.step()
        if self.feature == "ema":
            self.averaged.update_parameters(self.model)


def _hidden_modules(linear: torch.nn.Linear, feature: str) -> list[torch.nn.Module]:
    norms = {"layer_norm": torch.nn.LayerNorm, "batch_norm": torch.nn.BatchNorm1d}
    norm = [norms[feature](linear.out_features)] if feature in norms else []
    dropout = [torch.nn.Dropout(DROPOUT_RATE)] if feature == "dropout" else []
    return [linear, *norm, torch.nn.ReLU(), *dropout]


class TorchPredictor:
    """What a user who has NumPy arrays calls: the memory is shared on the way in and on the way out."""

    settings = "eager, inference_mode, from_numpy in and numpy out, torch.set_num_threads"
    note = ""

    def __init__(self, workload: Workload, dtype: str, n_threads: int):
        torch.set_num_threads(n_threads)
        self.linears = _make_linears(workload, getattr(torch, dtype))
        self.model = _chain(self.linears, output=[torch.nn.Softmax(dim=1)])

    def reset(self, weights: list[np.ndarray]) -> None:
        """See `Predictor`."""
        _set_weights(self.linears, weights)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """See `Predictor`."""
        with torch.inference_mode():
            return self.model(torch.from_numpy(X)).numpy()


class TorchAutocastPredictor(TorchPredictor):
    """The same under autocast to bfloat16."""

    settings = f"{TorchPredictor.settings}, torch.autocast('cpu', torch.bfloat16)"
    note = _AUTOCAST_NOTE

    def predict(self, X: np.ndarray) -> np.ndarray:
        """See `Predictor`."""
        with torch.inference_mode(), torch.autocast(**_AUTOCAST):
            return self.model(torch.from_numpy(X)).float().numpy()


def versions() -> dict[str, str]:
    """See `bench.peers`."""
    return {"torch": torch.__version__}
