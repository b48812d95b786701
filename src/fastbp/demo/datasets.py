"""The demo's data: scikit-learn's bundled digits, and Fashion-MNIST from its IDX files."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastbp.commands.errors import CommandError

__all__ = ["Dataset", "load_digits", "load_fashion_mnist", "read_idx"]

_SPLIT_SEED = 0  # the held-out quarter of the digits is always the same
_UNSIGNED_BYTES = 8  # the IDX code of the only element type used here


class Dataset(NamedTuple):
    """Images as rows of numbers from 0 to 1, and the class of each."""

    X_train: NDArray[np.float32]  # (n_train, n_inputs)
    y_train: NDArray[np.int64]  # (n_train,)
    X_test: NDArray[np.float32]  # (n_test, n_inputs)
    y_test: NDArray[np.int64]  # (n_test,)

    @property
    def n_inputs(self) -> int:
        """The number of pixels of an image."""
        return int(self.X_train.shape[1])

    @property
    def n_classes(self) -> int:
        """The number of classes, which are numbered from 0."""
        return int(max(self.y_train.max(), self.y_test.max())) + 1


def load_digits() -> Dataset:
    """Return scikit-learn's 1,797 handwritten digits of 8 x 8 pixels, a stratified quarter of them held out.

    Raises
    ------
    CommandError
        If scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits as load
        from sklearn.model_selection import train_test_split
    except ImportError:
        raise CommandError(
            'the digits come with scikit-learn, which is not installed: pip install "fastbp[demo]"'
        ) from None
    X, y = load(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        (X / 16).astype(np.float32), y.astype(np.int64), test_size=0.25, stratify=y, random_state=_SPLIT_SEED
    )
    return Dataset(X_train, y_train, X_test, y_test)


def load_fashion_mnist(directory: str | Path) -> Dataset:
    """Return Fashion-MNIST (or any data of the same four files, such as MNIST): 60,000 training and 10,000 test images.

    Parameters
    ----------
    directory : str or Path
        Directory of train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
        t10k-labels-idx1-ubyte, each plain or gzipped with the extension .gz.

    Raises
    ------
    CommandError
        If the directory or a file in it is missing or has the wrong contents.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise CommandError(
            f"--data is {str(directory)!r}, which is not a directory; pass the directory of the four IDX files"
        )
    return Dataset(*_load_part(directory, "train"), *_load_part(directory, "t10k"))


def _load_part(directory: Path, name: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    images = read_idx(_find(directory, f"{name}-images-idx3-ubyte"), n_dimensions=3)
    labels = read_idx(_find(directory, f"{name}-labels-idx1-ubyte"), n_dimensions=1)
    if len(images) != len(labels):
        raise CommandError(
            f"{directory}: {len(images)} {name} images but {len(labels)} labels; download the files again"
        )
    X = images.reshape(len(images), -1).astype(np.float32)
    X /= 255
    return X, labels.astype(np.int64)


def _find(directory: Path, name: str) -> Path:
    for path in (directory / name, directory / f"{name}.gz"):
        if path.is_file():
            return path
    raise CommandError(
        f"--data is {str(directory)!r}, which holds neither {name} nor {name}.gz; all four IDX files are needed"
    )


def read_idx(path: str | Path, n_dimensions: int) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes, gzipped or not.

    The format: two zero bytes, the element type, the number of dimensions, each dimension as a big-endian 32-bit
    number, then the elements.

    Parameters
    ----------
    path : str or Path
    n_dimensions : int
        Number of dimensions that the array must have.

    Returns
    -------
    uint8 array of n_dimensions dimensions

    Raises
    ------
    CommandError
        If the file cannot be read or is not such an IDX file.
    """
    content = _read_maybe_gzipped(Path(path))
    header = 4 + 4 * n_dimensions
    if content[:4] != bytes([0, 0, _UNSIGNED_BYTES, n_dimensions]) or len(content) < header:
        raise CommandError(
            f"{path} is not an IDX file of unsigned bytes in {n_dimensions} dimensions; download the file again"
        )
    shape = tuple(int(n) for n in np.frombuffer(content, dtype=">u4", count=n_dimensions, offset=4))
    if len(content) != header + math.prod(shape):
        raise CommandError(
            f"{path} holds {len(content) - header} elements, but its header says {' x '.join(map(str, shape))}; "
            "download the file again"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(shape)


def _read_maybe_gzipped(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except (OSError, EOFError, zlib.error) as error:
        raise CommandError(f"{path} cannot be read ({error}); download the file again") from None
