"""``fastbp demo``: a network trained on real images, beside the same training in pure NumPy."""

from fastbp.demo.race import run

__all__ = ["run"]
