"""`python -m bench.memory`: an epoch over a memory-mapped file, shuffled, and what memory that takes.

The file may be larger than the machine's memory, or than a limit under which this is run (a control group's, say): its
pages are the system's, which drops them when it wants the room; what counts is the memory of the process's own
("anonymous").
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

import fastbp as fb

_N_COLUMNS = 1024
_BLOCK = 16384


def read_status() -> dict[str, float]:
    """Memory of this process in MB: what is its own, and all that is resident."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {name: int(fields[name].split()[0]) / 1024 for name in ("RssAnon", "VmRSS")}


def write_data(directory: Path, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Files of X (n_rows, 1024), float32, and y (n_rows,), mapped into memory."""
    X = np.lib.format.open_memmap(directory / "X.npy", "w+", np.float32, (n_rows, _N_COLUMNS))
    y = np.lib.format.open_memmap(directory / "y.npy", "w+", np.int32, (n_rows,))
    rng = np.random.default_rng(0)
    for start in range(0, n_rows, _BLOCK):
        block = rng.standard_normal((min(_BLOCK, n_rows - start), _N_COLUMNS), np.float32)
        X[start : start + len(block)] = block
        y[start : start + len(block)] = block[:, 0] > 0
    X.flush()
    del X, y
    return np.load(directory / "X.npy", mmap_mode="r"), np.load(directory / "y.npy", mmap_mode="r")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=2.0, help="of the file (default: %(default)s)")
    parser.add_argument("--directory", type=Path, help="where the file goes for the time being")
    arguments = parser.parse_args()
    n_rows = int(arguments.gigabytes * 2**30 / (4 * _N_COLUMNS))
    with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
        X, y = write_data(Path(directory), n_rows)
        model = fb.Model([fb.Dense(64, "relu"), fb.Dense(2, "softmax")], inputs=_N_COLUMNS)
        trainer = fb.Trainer(model, "cross_entropy", batch_size=256)
        before = read_status()
        peak = dict(before)

        def look(trainer: fb.Trainer, figures: object) -> None:
            for name, size in read_status().items():
                peak[name] = max(peak[name], size)

        start = time.perf_counter()
        history = trainer.fit(X, y, callbacks=fb.LambdaCallback(on_tick=look), validation_fraction=0.05)
        seconds = time.perf_counter() - start
        print(f"X of {n_rows:,} rows, {arguments.gigabytes:g} GB; one epoch, shuffled, {seconds:.0f} s")
        print(f"memory of its own: {before['RssAnon']:.0f} MB before, {peak['RssAnon']:.0f} MB at most")
        print(f"all that was resident at a time: {peak['VmRSS']:.0f} MB at most")
        print(f"accuracy on the rows held out: {history['val_accuracy'][-1]:.3f}")


if __name__ == "__main__":
    main()
