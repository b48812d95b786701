"""What PyTorch lacks as a module, for ``to_torch``; ``from_torch`` knows them again."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["Exp", "Parametric", "Residual", "Scaling"]


class Exp(nn.Module):
    """exp(x)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return exp(x)."""
        return torch.exp(x)


class Residual(nn.Module):
    """x + layers(x)."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x + layers(x)."""
        return x + self.layers(x)


class Scaling(nn.Module):
    """weight * x, with a weight for each input."""

    def __init__(self, n_inputs: int, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n_inputs, dtype=dtype))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return weight * x."""
        return self.weight * x


class Parametric(nn.Module):
    """weight * function(x) + (1 - weight) * x, with a weight for each unit."""

    def __init__(self, function: nn.Module, n_units: int, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.function = function
        self.weight = nn.Parameter(torch.ones(n_units, dtype=dtype))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return weight * function(x) + (1 - weight) * x."""
        return self.weight * self.function(x) + (1 - self.weight) * x
