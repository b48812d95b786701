"""What PyTorch lacks as a module, for ``to_torch``; ``from_torch`` knows them again."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["Exp", "Parametric", "Periodic", "PiecewiseLinear", "Residual", "Scaling"]


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


class Periodic(nn.Module):
    """[E, x]: of each column of x, E has weight times cos(2 pi frequency x + phase), + bias."""

    def __init__(
        self, n_inputs: int, frequencies: int, units: int, columns: list[int] | None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.n_inputs, self.columns = n_inputs, columns
        n_columns = n_inputs if columns is None else len(columns)
        self.frequency = nn.Parameter(torch.zeros(n_columns, frequencies, dtype=dtype))
        self.phase = nn.Parameter(torch.zeros(n_columns, frequencies, dtype=dtype))
        self.weight = nn.Parameter(torch.zeros(n_columns, frequencies, units, dtype=dtype))
        self.bias = nn.Parameter(torch.zeros(n_columns, units, dtype=dtype))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the features, and x."""
        chosen = x if self.columns is None else x[:, self.columns]
        waves = torch.cos(2 * torch.pi * chosen[:, :, None] * self.frequency + self.phase)
        made = torch.einsum("nck,cku->ncu", waves, self.weight) + self.bias
        return torch.cat([made.flatten(1), x], dim=1)


class PiecewiseLinear(nn.Module):
    """[R, x]: how much of each bin of each column of x lies below it, or weight times that, + bias; and x."""

    def __init__(
        self,
        n_inputs: int,
        edges: list[list[float]],
        units: int | None,
        columns: list[int] | None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.n_inputs, self.edges, self.units, self.columns = n_inputs, edges, units, columns
        n, n_bins = len(edges), max(map(len, edges)) - 1
        self.register_buffer("slope", torch.zeros(n, n_bins, dtype=dtype))
        self.register_buffer("offset", torch.zeros(n, n_bins, dtype=dtype))
        if units is not None:
            self.weight = nn.Parameter(torch.zeros(n, n_bins, units, dtype=dtype))
            self.bias = nn.Parameter(torch.zeros(n, units, dtype=dtype))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the features, and x."""
        chosen = x if self.columns is None else x[:, self.columns]
        made = torch.clamp(chosen[:, :, None] * self.slope + self.offset, 0.0, 1.0)
        if self.units is not None:
            made = torch.einsum("nck,cku->ncu", made, self.weight) + self.bias
        return torch.cat([made.flatten(1), x], dim=1)
