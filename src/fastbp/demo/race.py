"""The demo from beginning to end: load, train, train again in NumPy, compare, save."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

import fastbp as fb
from fastbp.commands import numpy_network
from fastbp.commands.errors import CommandError
from fastbp.commands.extras import require_matplotlib
from fastbp.demo.datasets import Dataset, load_digits, load_fashion_mnist
from fastbp.demo.picture import draw_learning_curves
from fastbp.engine.kernels import isa, permutation
from fastbp.support.checks import counted

__all__ = ["run"]

_SEED = 0

# In float64 the two trainings differ by rounding only: 1e-16 per step, at most 1e-10 seen after a few thousand steps of
# Adam. A wrong formula or a wrong batch makes a difference of 1e-3 or more.
_FLOAT64_TOLERANCE = 1e-7


class Task(NamedTuple):
    """A network and how to train it."""

    hidden: tuple[int, ...]
    batch_size: int
    epochs: int
    first_learning_rate: float
    float64_epochs: int  # largest number of epochs of the comparison in float64

    def learning_rate(self, epoch: int) -> float:
        """The learning rate of an epoch, counted from 0: it decreases linearly and would be 0 after the last epoch."""
        return self.first_learning_rate * (1 - epoch / self.epochs)


class Run(NamedTuple):
    """The results of one training."""

    weights: list[NDArray[Any]]
    losses: list[float]  # one an epoch
    accuracies: list[float]  # on the test images, one an epoch
    seconds: float  # training only, without the tests


_TASKS = {
    "digits": Task((128, 64), batch_size=32, epochs=20, first_learning_rate=3e-3, float64_epochs=20),
    "fashion-mnist": Task((256, 128), batch_size=128, epochs=10, first_learning_rate=2e-3, float64_epochs=2),
}


def run(
    dataset: str,
    *,
    data: Path | None = None,
    output: Path = Path(),
    epochs: int | None = None,
    n_threads: int | None = None,
) -> bool:
    """Run the demo, printing as it goes.

    Parameters
    ----------
    dataset : {"digits", "fashion-mnist"}
    data : Path, optional
        Directory of the IDX files; needed for fashion-mnist.
    output : Path
        Directory, made if it is missing, for fastbp-<dataset>.safetensors and fastbp-<dataset>.png.
    epochs, n_threads : int, optional
        Number of epochs, and of fastbp's threads; by default the task's number and all CPUs.

    Returns
    -------
    bool
        Whether fastbp and NumPy agreed.

    Raises
    ------
    CommandError
        If data, a package or the output directory is missing.
    """
    task = _TASKS[dataset]
    if epochs is not None:
        task = task._replace(epochs=epochs)
    require_matplotlib("the picture", "demo")
    _make_directory(output)
    images = _load(dataset, data)

    model = _make_model(task, images, "float32")
    trainer = _make_trainer(task, model, n_threads)
    _print_task(dataset, task, images, trainer)
    start = model.get_weights()

    fast = _train_fastbp(task, trainer, images, task.epochs)
    print(f"test accuracy: {fast.accuracies[-1]:.2%} of {len(images.y_test):,} images not used in training\n")
    plain = _train_numpy(task, images, start, task.epochs)
    print(f"test accuracy: {plain.accuracies[-1]:.2%}\n")

    print(f"largest relative difference between the two loss curves: {_difference(fast, plain):.1e} in float32")
    agreed = _compare_in_float64(task, images, start, n_threads)
    ratio = plain.seconds / fast.seconds
    print(
        f"time to train: fastbp {fast.seconds:.2f} s, NumPy {plain.seconds:.2f} s: fastbp was {ratio:.1f} times as fast"
    )

    model_file, picture = output / f"fastbp-{dataset}.safetensors", output / f"fastbp-{dataset}.png"
    model.save(model_file)
    draw_learning_curves(picture, dataset, fast, plain)
    print(f"saved {model_file} and {picture}")
    return agreed


def _load(dataset: str, data: Path | None) -> Dataset:
    if dataset == "digits":
        return load_digits()
    if data is None:
        raise CommandError(
            "fashion-mnist needs --data DIR, the directory of its four IDX files (train-images-idx3-ubyte, ...)"
        )
    return load_fashion_mnist(data)


def _make_directory(output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(
            f"--output is {str(output)!r}, a directory that cannot be created ({error.strerror})"
        ) from None


def _make_model(task: Task, images: Dataset, dtype: str) -> fb.Model:
    layers = [*(fb.Dense(n_units, "relu") for n_units in task.hidden), fb.Dense(images.n_classes, "softmax")]
    return fb.Model(layers, inputs=images.n_inputs, dtype=dtype, seed=_SEED)


def _make_trainer(task: Task, model: fb.Model, n_threads: int | None) -> fb.Trainer:
    return fb.Trainer(
        model,
        loss="cross_entropy",
        optimizer=fb.Adam(task.learning_rate(0)),
        batch_size=task.batch_size,
        n_threads=n_threads,
        seed=_SEED,
    )


def _print_task(dataset: str, task: Task, images: Dataset, trainer: fb.Trainer) -> None:
    hidden = " -> ".join(f"{n} relu" for n in task.hidden)
    print(f"fastbp {fb.__version__}, {isa()} kernels, up to {counted(trainer.n_threads, 'thread')}")
    print(f"{dataset}: {len(images.y_train):,} training images, {len(images.y_test):,} test images")
    print(f"network: {images.n_inputs} -> {hidden} -> {images.n_classes} softmax, float32; cross-entropy")
    print(
        f"Adam, learning rate from {task.learning_rate(0):g} linearly to 0, batches of {task.batch_size}, "
        f"{counted(task.epochs, 'epoch')}\n"
    )


def _train_fastbp(task: Task, trainer: fb.Trainer, images: Dataset, epochs: int, progress: bool = True) -> Run:
    if progress:
        print("fastbp:")

    def lower_learning_rate(trainer: fb.Trainer, figures: Mapping[str, float]) -> None:
        next_epoch = int(figures["epoch"])  # these count from 1
        if next_epoch < epochs:
            trainer.optimizer = fb.Adam(task.learning_rate(next_epoch))

    history = trainer.fit(
        images.X_train,
        images.y_train,
        epochs=epochs,
        validation_data=(images.X_test, images.y_test),
        callbacks=[lower_learning_rate],
        progress=progress,
    )
    return Run(trainer.model.get_weights(), history["loss"], history["val_accuracy"], sum(history["seconds"]))


def _train_numpy(task: Task, images: Dataset, start: list[NDArray[Any]], epochs: int, progress: bool = True) -> Run:
    """Train in NumPy with the same initial weights and the same batches."""
    if progress:
        print("the same in pure NumPy:")
    losses: list[float] = []
    accuracies: list[float] = []
    testing = 0.0
    dtype = start[0].dtype
    X_train, X_test = images.X_train.astype(dtype), images.X_test.astype(dtype)

    def after_epoch(loss: float, weights: list[NDArray[Any]]) -> None:
        nonlocal testing
        begin = time.perf_counter()
        predicted = numpy_network.forward(weights, X_test)[-1].argmax(axis=1)
        losses.append(loss)
        accuracies.append(float(np.mean(predicted == images.y_test)))
        bar.set_postfix(loss=f"{loss:.4f}", val_accuracy=f"{accuracies[-1]:.4f}", refresh=False)
        bar.update()
        testing += time.perf_counter() - begin

    with tqdm(total=epochs, unit="epoch", disable=not progress) as bar:
        begin = time.perf_counter()
        weights = numpy_network.train(
            start,
            X_train,
            images.y_train,
            epochs=epochs,
            batch_size=task.batch_size,
            learning_rate=task.learning_rate,
            order=lambda epoch, n: permutation(_SEED, epoch, n),
            after_epoch=after_epoch,
        )
        seconds = time.perf_counter() - begin - testing
    return Run(weights, losses, accuracies, seconds)


def _compare_in_float64(task: Task, images: Dataset, start: list[NDArray[Any]], n_threads: int | None) -> bool:
    """Train both again in float64, where rounding is much smaller than the effect of an error."""
    epochs = min(task.epochs, task.float64_epochs)
    model = _make_model(task, images, "float64")
    start = [w.astype(np.float64) for w in start]
    model.set_weights(start)
    fast = _train_fastbp(task, _make_trainer(task, model, n_threads), images, epochs, progress=False)
    plain = _train_numpy(task, images, start, epochs, progress=False)
    difference = _difference(fast, plain)
    agreed = difference <= _FLOAT64_TOLERANCE
    verdict = (
        "they agree up to rounding" if agreed else f"THEY DISAGREE: rounding explains {_FLOAT64_TOLERANCE:.0e} at most"
    )
    print(f"over {counted(epochs, 'epoch')} in float64: {difference:.1e}; {verdict}")
    return agreed


def _difference(a: Run, b: Run) -> float:
    return float(np.max(np.abs(np.subtract(a.losses, b.losses)) / np.abs(b.losses)))
