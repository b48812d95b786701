"""`python -m bench.distributed WHAT`: training in shards and on several ranks, beside the arithmetic on paper.

shards    what cutting a batch into shards costs on one machine: interleaved rounds, medians of the ratios
ranks     step times over a network of limited rate, between namespaces of this machine (root only), and the model's
plan      the model's efficiency for 2 to 64 machines at some network rates; nothing is measured
peer      PyTorch's DistributedDataParallel on gloo over the same network, where PyTorch is installed

Ranks on one machine share its cores, so none of this is a speed-up: what is measured is whether the model holds.
"""

import argparse
import itertools
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import fastbp as fb

from .peers.fastbp_peer import make_model
from .report import markdown_table
from .workloads import WORKLOADS

WIDE = WORKLOADS["wide"]
N_PARAMETERS = sum(a * b + b for a, b in WIDE.layers)
PAYLOAD = 0.93  # of the line rate


def samples(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, WIDE.sizes[0])).astype(np.float32), rng.integers(0, WIDE.sizes[-1], n)


# ---- Shards on one machine ----


def shards(batch: int, n_threads: int, rounds: int) -> None:
    """Print what shards cost beside a plain step, in rounds that take turns."""
    numbers = (1, 2, 8, 64)
    X, y = samples(4 * batch)
    trainers = {
        v: fb.Trainer(
            make_model(WIDE, "float32"), "cross_entropy", batch_size=batch, shards=v, n_threads=n_threads, metrics=[]
        )
        for v in numbers
    }
    seconds: dict[int, list[float]] = {v: [] for v in numbers}
    for round_number in range(rounds + 1):
        for v, trainer in trainers.items():
            start = time.perf_counter()
            trainer.fit(X, y)
            if round_number > 0:
                seconds[v].append((time.perf_counter() - start) / 4)
    rows = [
        [
            str(v),
            f"{1e3 * statistics.median(seconds[v]):.1f}",
            f"{100 * (statistics.median(a / b for a, b in zip(seconds[v], seconds[1], strict=True)) - 1):+.1f} %",
        ]
        for v in numbers
    ]
    print(f"{WIDE.network}, batch {batch}, {n_threads} threads, {rounds} rounds\n")
    print(markdown_table(["shards", "ms a step", "cost"], rows))


# ---- The model ----


def seconds_on_paper(compute: float, n_ranks: float, gigabits: float) -> float:
    """A step: computing, then all gradients and all weights over the network, (R - 1) / R of 8 bytes a parameter."""
    return compute + 8 * N_PARAMETERS * (1 - 1 / n_ranks) / (PAYLOAD * gigabits * 1e9 / 8)


def plan(flops: float) -> None:
    """Print the efficiency on paper, and the time of a step, for several machines."""
    rows = []
    for gigabits, batch in itertools.product((1, 10, 25, 100), (256, 2048, 8192)):
        compute = 6 * N_PARAMETERS * batch / flops
        cells = [f"{100 * compute / seconds_on_paper(compute, r, gigabits):.0f} %" for r in (2, 4, 8, 64, math.inf)]
        rows.append([f"{gigabits} Gbit", str(batch), f"{1e3 * compute:.1f}", *cells])
    header = ["network", "rows a machine", "ms of computing", "R = 2", "4", "8", "64", "limit"]
    print(f"{WIDE.network}, F = {flops / 1e12:g} Tflop/s, no overlap: on paper, not measured\n")
    print(markdown_table(header, rows))


# ---- Ranks between namespaces ----


def worker(n_steps: int, batch: int, kind: str) -> None:
    """What each rank runs; rank 0 prints the median of the seconds of a step."""
    seconds = (_steps_of_fastbp if kind == "fastbp" else _steps_of_torch)(n_steps, batch)
    if seconds:
        print(json.dumps(statistics.median(seconds[2:])))


def _steps_of_fastbp(n_steps: int, batch: int) -> list[float]:
    mpi = fb.distributed.MPI()
    X, y = samples(batch)
    trainer = fb.Trainer(
        make_model(WIDE, "float32"),
        "cross_entropy",
        batch_size=batch,
        shards=8,
        n_threads=1,
        metrics=[],
        distributed=mpi,
    )
    seconds = []
    for _ in range(n_steps):
        mpi.all_numbers(np.zeros(1))  # all ranks begin together
        start = time.perf_counter()
        trainer.step(X, y)
        seconds.append(time.perf_counter() - start)
    return seconds if mpi.rank == 0 else []


def _steps_of_torch(n_steps: int, batch: int) -> list[float]:
    import torch
    from torch import distributed, nn

    torch.set_num_threads(1)
    distributed.init_process_group("gloo")
    rank, n_ranks = distributed.get_rank(), distributed.get_world_size()
    torch.manual_seed(0)
    layers = []
    for a, b in WIDE.layers:
        layers += [nn.Linear(a, b), nn.ReLU()]
    model = nn.parallel.DistributedDataParallel(nn.Sequential(*layers[:-1]))
    optimizer = torch.optim.Adam(model.parameters())
    X, y = (torch.from_numpy(array[rank::n_ranks]) for array in samples(batch))
    seconds = []
    for _ in range(n_steps):
        distributed.barrier()
        start = time.perf_counter()
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(X), y).backward()
        optimizer.step()
        seconds.append(time.perf_counter() - start)
    return seconds if rank == 0 else []


class Namespaces:
    """Network namespaces, one a rank, joined by a bridge; each may send and receive at a rate. For root."""

    def __init__(self, n: int, rate: str) -> None:
        self.n, self.rate = n, rate

    def __enter__(self) -> "Namespaces":
        try:
            self._make()
        except subprocess.CalledProcessError:
            self.__exit__()
            raise
        return self

    def _make(self) -> None:
        _run("ip link add fbp-br type bridge")
        _run("ip link set fbp-br up")
        for i in range(self.n):
            _run(f"ip netns add fbp{i}")
            _run(f"ip link add fbp-v{i} type veth peer name eth0 netns fbp{i}")
            _run(f"ip link set fbp-v{i} master fbp-br up")
            _run(f"ip -n fbp{i} addr add 10.231.0.{i + 1}/24 dev eth0")
            _run(f"ip -n fbp{i} link set eth0 up")
            _run(f"ip -n fbp{i} link set lo up")
            limit = f"tbf rate {self.rate} burst 128kb latency 50ms"
            _run(f"tc -n fbp{i} qdisc add dev eth0 root {limit}")
            _run(f"tc qdisc add dev fbp-v{i} root {limit}")

    def __exit__(self, *error: object) -> None:
        links = [f"ip link del fbp-v{i}" for i in range(self.n)]  # a namespace that goes takes its own away later
        spaces = [f"ip netns del fbp{i}" for i in range(self.n)]
        for command in [*links, *spaces, "ip link del fbp-br"]:
            subprocess.run(command.split(), check=False, capture_output=True)


def _run(command: str) -> None:
    subprocess.run(command.split(), check=True, capture_output=True)


def _mpiexec() -> str | None:
    own = Path(sys.executable).with_name("mpiexec")
    return str(own) if own.exists() else shutil.which("mpiexec")


def measure(n_ranks: int, batch: int, n_steps: int, kind: str) -> float:
    """Seconds of a step on ranks in namespaces 0..n_ranks."""
    own = [sys.executable, "-m", "bench.distributed", "worker", "--batch", str(batch), "--steps", str(n_steps)]
    # Not by shared memory: MPICH is told that every rank is on a machine of its own.
    environment = os.environ | {
        "MPIR_CVAR_NOLOCAL": "1",
        "UCX_TLS": "tcp,self",
        "UCX_NET_DEVICES": "eth0",
        "MASTER_ADDR": "10.231.0.1",
        "MASTER_PORT": "29511",
        "GLOO_SOCKET_IFNAME": "eth0",
        "WORLD_SIZE": str(n_ranks),
    }
    if kind == "fastbp":
        command = [str(_mpiexec())]
        for i in range(n_ranks):
            command += [":"] * (i > 0) + ["-n", "1", "ip", "netns", "exec", f"fbp{i}", *own]
        output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    else:
        processes = [
            subprocess.Popen(
                ["ip", "netns", "exec", f"fbp{i}", *own, "--kind", kind],
                env=environment | {"RANK": str(i)},
                stdout=subprocess.PIPE,
                text=True,
            )
            for i in range(n_ranks)
        ]
        output = "".join(process.communicate()[0] for process in processes)
    return float(json.loads(output.splitlines()[-1]))


def ranks(kind: str, batch: int, n_steps: int) -> None:
    """Print step times between namespaces beside the model's. The compute time is that of one rank with its rows."""
    if os.name != "posix" or os.geteuid() != 0 or not (shutil.which("ip") and shutil.which("tc")) or not _mpiexec():
        print("bench distributed: skipped; it needs root, ip and tc for network namespaces, and mpiexec.")
        return
    rows = []
    for n_ranks, gigabits in itertools.product((2,), (1, 2)):
        with Namespaces(n_ranks, f"{gigabits}gbit"):
            alone = measure(1, batch // n_ranks, n_steps, kind)
            together = measure(n_ranks, batch, n_steps, kind)
        paper = seconds_on_paper(alone, n_ranks, gigabits)
        cells = [f"{1e3 * seconds:.0f}" for seconds in (alone, paper, together)]
        rows.append([f"{gigabits} Gbit", str(n_ranks), *cells, f"{100 * (together / paper - 1):+.0f} %"])
    header = ["network", "ranks", "ms alone, its rows", "ms on paper", "ms measured", "difference"]
    print(f"{kind}, {WIDE.network}, batch {batch}, one thread a rank\n")
    print(markdown_table(header, rows))


def main() -> None:
    """Run one of the measurements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("shards", "ranks", "peer", "plan", "worker"))
    parser.add_argument("--batch", type=int, default=2048)
    parser.add_argument("--threads", type=int, default=fb.get_num_threads())
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--flops", type=float, default=0.5e12)
    parser.add_argument("--kind", default="fastbp")
    options = parser.parse_args()
    if options.what == "shards":
        shards(options.batch, options.threads, options.rounds)
    elif options.what == "plan":
        plan(options.flops)
    elif options.what == "worker":
        worker(options.steps, options.batch, options.kind)
    else:
        ranks("fastbp" if options.what == "ranks" else "torch", options.batch, options.steps)


if __name__ == "__main__":
    main()
