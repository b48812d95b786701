"""What PyTorch lacks as a module, for ``to_torch``; ``from_torch`` knows them again."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["Exp", "Residual"]


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
