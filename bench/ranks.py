"""Ranks in network namespaces of this machine, each with a limited rate: for bench.distributed. Root only.

A rank has one thread. More ranks than cores share them, which the times on paper take into account.
"""

import json
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
from .workloads import WORKLOADS

WIDE = WORKLOADS["wide"]
N_PARAMETERS = sum(a * b + b for a, b in WIDE.layers)
PAYLOAD = 0.93  # of the line rate
SHARDS = 8


def samples(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, WIDE.sizes[0])).astype(np.float32), rng.integers(0, WIDE.sizes[-1], n)


def seconds_on_paper(compute: float, n_ranks: float, gigabits: float) -> float:
    """A step: computing, then all gradients and all weights over the network, (R - 1) / R of 8 bytes a parameter."""
    return compute + 8 * N_PARAMETERS * (1 - 1 / n_ranks) / (PAYLOAD * gigabits * 1e9 / 8)


def reason_to_skip() -> str | None:
    """What is missing here, or None."""
    if os.name == "posix" and os.geteuid() == 0 and shutil.which("ip") and shutil.which("tc") and mpiexec():
        return None
    return "bench distributed: skipped; it needs root, ip and tc for network namespaces, and mpiexec."


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
        shards=SHARDS,
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
        _sudo("ip link add fbp-br type bridge")
        _sudo("ip link set fbp-br up")
        for i in range(self.n):
            _sudo(f"ip netns add fbp{i}")
            _sudo(f"ip link add fbp-v{i} type veth peer name eth0 netns fbp{i}")
            _sudo(f"ip link set fbp-v{i} master fbp-br up")
            _sudo(f"ip -n fbp{i} addr add 10.231.0.{i + 1}/24 dev eth0")
            _sudo(f"ip -n fbp{i} link set eth0 up")
            _sudo(f"ip -n fbp{i} link set lo up")
            limit = f"tbf rate {self.rate} burst 128kb latency 50ms"
            _sudo(f"tc -n fbp{i} qdisc add dev eth0 root {limit}")
            _sudo(f"tc qdisc add dev fbp-v{i} root {limit}")

    def __exit__(self, *error: object) -> None:
        links = [f"ip link del fbp-v{i}" for i in range(self.n)]  # a namespace that goes takes its own away later
        spaces = [f"ip netns del fbp{i}" for i in range(self.n)]
        for command in [*links, *spaces, "ip link del fbp-br"]:
            subprocess.run(command.split(), check=False, capture_output=True)


def _sudo(command: str) -> None:
    subprocess.run(command.split(), check=True, capture_output=True)


def mpiexec() -> str | None:
    own = Path(sys.executable).with_name("mpiexec")
    return str(own) if own.exists() else shutil.which("mpiexec")


def measure(n_ranks: int, batch: int, n_steps: int, kind: str) -> float:
    """Seconds of a step on ranks in namespaces 0..n_ranks."""
    own = [sys.executable, "-m", "bench.ranks", "steps", str(n_steps), str(batch), kind]
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
        command = [str(mpiexec())]
        for i in range(n_ranks):
            command += [":"] * (i > 0) + ["-n", "1", "ip", "netns", "exec", f"fbp{i}", *own]
        output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    else:
        processes = [
            subprocess.Popen(
                ["ip", "netns", "exec", f"fbp{i}", *own],
                env=environment | {"RANK": str(i)},
                stdout=subprocess.PIPE,
                text=True,
            )
            for i in range(n_ranks)
        ]
        output = "".join(process.communicate()[0] for process in processes)
    return float(json.loads(output.splitlines()[-1]))


def memory(units: int) -> None:
    """What each rank runs, and rank 0 prints: the growth of the largest memory, and the optimizer's state in it."""
    mpi = fb.distributed.MPI()
    before = _peak_megabytes()
    layers = [fb.Dense(units, "relu"), fb.Dense(units, "relu"), fb.Dense(10, "softmax")]
    model = fb.Model(layers, inputs=units, seed=0)
    trainer = fb.Trainer(
        model, "cross_entropy", batch_size=256, shards=SHARDS, distributed=mpi, n_threads=1, metrics=[]
    )
    trainer.fit(np.zeros((256, units), np.float32), np.arange(256) % 10)
    growth = _peak_megabytes() - before
    session = trainer.parts.state.session
    states = session.own_states() if mpi.n_ranks > 1 else session.get_state()
    own = sum(array.nbytes for _, array in states) / 2**20
    everyone = mpi.all_objects((own, growth), "the memory of all ranks")
    if mpi.rank == 0:
        weights = sum(array.nbytes for array in model.get_weights()) / 2**20
        shown = "; ".join(f"{state:.0f}, {growth:.0f}" for state, growth in everyone)
        print(f"{mpi.n_ranks} ranks, weights {weights:.0f} MB; each rank's state and growth in MB: {shown}", flush=True)


def _peak_megabytes() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    if sys.argv[1] == "memory":
        memory(int(sys.argv[2]))
    else:
        worker(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
