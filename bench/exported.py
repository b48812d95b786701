"""`python -m bench.exported`: one row through a network as C source, beside `predict`, in microseconds.

The source is that of `Model.to_c`, compiled with `gcc -O3 -march=native` (CC=clang for another compiler) for this CPU.
A program calls it again and again on rows that differ. `predict` gets the same rows, one a call, and takes one
thread for them. Turns alternate, and the fastest turn counts. Both have to say the same.
"""

import argparse
import os
import shlex
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

import fastbp as fb

from .peers.fastbp_peer import make_model
from .workloads import WORKLOADS

_NETWORKS = ("rl", "fashion")
_N_ROWS = 64
_TOLERANCE = 1e-5  # between probabilities

_PROGRAM = """
#include "net.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static net_input rows[N_ROWS][NET_N_INPUTS];
static net_real outputs[N_ROWS][NET_N_OUTPUTS];

int main(int argc, char **argv)
{
    const int n_calls = argc > 1 ? atoi(argv[1]) : 1;
    FILE *file = fopen("rows.bin", "rb");
    if (!file || fread(rows, sizeof rows, 1, file) != 1 || net_selftest() != 0)
        return 1;
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (int i = 0; i < n_calls; i++)
        net_predict(rows[i % N_ROWS], outputs[i % N_ROWS]);
    clock_gettime(CLOCK_MONOTONIC, &end);
    const double seconds = (double)(end.tv_sec - start.tv_sec) + 1e-9 * (double)(end.tv_nsec - start.tv_nsec);
    printf("%.9g\\n", 1e6 * seconds / n_calls);
    for (int i = 0; i < N_ROWS * NET_N_OUTPUTS; i++)
        printf("%.9g\\n", (double)outputs[i / NET_N_OUTPUTS][i % NET_N_OUTPUTS]);
    return 0;
}
"""


def build(model: fb.Model, rows: np.ndarray, folder: Path) -> Path:
    """The program that times the model's source on these rows."""
    model.to_c(folder / "net.c", "net")
    (folder / "main.c").write_text(_PROGRAM)
    rows.tofile(folder / "rows.bin")
    compiler = shlex.split(os.environ.get("CC", "gcc"))
    options = ["-O3", "-march=native", f"-DN_ROWS={len(rows)}", "main.c", "net.c", "-lm", "-o", "timed"]
    subprocess.run([*compiler, *options], cwd=folder, check=True)
    return folder / "timed"


def time_c(program: Path, n_calls: int) -> tuple[float, np.ndarray]:
    """Microseconds a call, and the outputs of all rows, (rows * outputs,)."""
    done = subprocess.run([program, str(n_calls)], cwd=program.parent, capture_output=True, text=True, check=True)
    microseconds, *outputs = map(float, done.stdout.split())
    return microseconds, np.array(outputs)


def time_predict(model: fb.Model, rows: np.ndarray, n_calls: int) -> float:
    """Microseconds a call of `predict` of one row."""
    each = [rows[i : i + 1] for i in range(len(rows))]
    start = time.perf_counter()
    for i in range(n_calls):
        model.predict(each[i % len(each)])
    return (time.perf_counter() - start) / n_calls * 1e6


def measure(name: str, turns: int, n_calls: int) -> tuple[float, float]:
    """Microseconds of one row as C and by `predict`, the fastest of the turns."""
    model = make_model(WORKLOADS[name], "float32")
    rows = np.random.default_rng(0).standard_normal((_N_ROWS, model.n_inputs), np.float32)
    times = []
    with tempfile.TemporaryDirectory() as folder:
        program = build(model, rows, Path(folder))
        for _ in range(turns):
            of_c, outputs = time_c(program, max(n_calls, _N_ROWS))
            times.append((of_c, time_predict(model, rows, n_calls)))
    difference = np.abs(outputs - model.predict(rows).ravel()).max()
    if difference > _TOLERANCE:
        raise RuntimeError(f"the program's outputs differ by {difference:.1e} from those of predict")
    return min(each[0] for each in times), min(each[1] for each in times)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.exported", description=__doc__)
    parser.add_argument("--networks", nargs="+", default=_NETWORKS, choices=sorted(WORKLOADS), metavar="NAME")
    parser.add_argument("--turns", type=int, default=15, help="of each (default: %(default)s)")
    parser.add_argument("--calls", type=int, default=5000, help="in a turn (default: %(default)s)")
    arguments = parser.parse_args()
    print(f"fastbp {fb.__version__} ({fb.engine.kernels.isa()}); one row, one thread; microseconds a call")
    for name in arguments.networks:
        of_c, of_predict = measure(name, arguments.turns, arguments.calls)
        print(f"{name:>10} {WORKLOADS[name].network:>20}: as C {of_c:.2f}, predict {of_predict:.2f}")


if __name__ == "__main__":
    main()
