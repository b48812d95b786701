"""The look of the gallery's pictures, the same for each script."""

import matplotlib as mpl

SETTINGS = {
    "figure.figsize": (7.2, 4.0),
    "figure.constrained_layout.use": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "font.size": 10,
}


def reset(_configuration: dict, _file: str) -> None:
    """Called by sphinx-gallery before each script."""
    mpl.rcParams.update(SETTINGS)
