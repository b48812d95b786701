"""``fastbp demo``: a network trained on real images, compared with the same training in pure NumPy.
It imports commands, engine, fastbp and support.
"""

from fastbp.demo.race import run

__all__ = ["run"]
