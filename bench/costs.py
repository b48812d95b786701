"""What a feature costs: the same training with it and without it, in fastbp and in PyTorch, turn by turn."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Any

from .compare import spread
from .report import format_seconds, markdown_table, preamble
from .rounds import choose_epoch, make_plans, take_turns
from .worker import Worker
from .workloads import Workload

DEFAULT_WORKLOADS = ("tabular",)
FEATURES = ("dropout", "layer_norm", "batch_norm", "clip_value", "clip_norm", "ema", "label_smoothing")


def measure(
    workload: Workload, feature: str, peers: Iterable[str], n_threads: int, dtype: str, rounds: int, turn_seconds: float
) -> dict[str, Any]:
    """Every peer trains with the feature and without, each in a process of its own.

    Returns
    -------
    dict
        "workload", "network", "feature", "threads"; "versions"; "plain" and "cost", a dict from peer to median and
        quartiles: the time of a step without the feature, and how many times as long it is with it, in the same round.
    """
    variants = {f"{peer} {name}": (peer, name) for peer in peers for name in ("plain", feature)}
    versions: dict[str, str] = {}
    with ExitStack() as stack:
        workers = {}
        for key, (peer, name) in variants.items():
            workers[key] = stack.enter_context(closing(Worker(n_threads)))
            about = workers[key].set_up("costs", peer, replace(workload, feature=name), dtype)
            versions |= about["versions"]
        estimates = [worker.ask("estimate")["step_seconds"] for worker in workers.values()]
        n_batches = choose_epoch(workload.n_batches, estimates, turn_seconds)
        turns = take_turns(workers, make_plans(workers, n_batches, turn_seconds), None, rounds)
    seconds = {(turn.peer, turn.round): turn.step_seconds for turn in turns}
    return {
        "workload": workload.name,
        "network": workload.describe(),
        "feature": feature,
        "threads": n_threads,
        "versions": versions,
        "plain": {peer: spread(seconds[f"{peer} plain", i] for i in range(rounds)) for peer in peers},
        "cost": {
            peer: spread(seconds[f"{peer} {feature}", i] / seconds[f"{peer} plain", i] for i in range(rounds))
            for peer in peers
        },
    }


def costs_table(results: Sequence[Mapping[str, Any]]) -> str:
    """A row a feature, number of threads and peer."""
    header = ("workload", "threads", "feature", "peer", "time a step without", "the feature costs")
    return markdown_table(header, [row for result in results for row in _rows(result)])


def _rows(result: Mapping[str, Any]) -> list[list[str]]:
    return [
        [
            result["workload"],
            str(result["threads"]),
            result["feature"],
            peer,
            format_seconds(result["plain"][peer]["median"]),
            "{median} ({low} to {high})".format(**{name: f"{value - 1:+.1%}" for name, value in cost.items()}),
        ]
        for peer, cost in result["cost"].items()
    ]


def costs_markdown(run: Mapping[str, Any]) -> str:
    """The whole report."""
    networks = dict.fromkeys(f"`{result['workload']}` {result['network']}" for result in run["results"])
    return "\n".join(
        [
            *preamble("What a feature costs", run),
            *(f"- {peer}: {reason}" for peer, reason in run["missing"].items()),
            "",
            f"ReLU, softmax cross-entropy, Adam, {run['settings']['dtype']}. " + "; ".join(networks) + ".",
            "",
            costs_table(run["results"]),
            "",
        ]
    )


def draw_costs(run: Mapping[str, Any], path: Any) -> None:
    """Bars: what each feature costs in each peer, in percent of a step, a picture a number of threads."""
    from matplotlib.figure import Figure

    threads = list(dict.fromkeys(result["threads"] for result in run["results"]))
    figure = Figure(figsize=(9, 3 * len(threads)), layout="constrained")
    axes = figure.subplots(len(threads), squeeze=False)[:, 0]
    for ax, n_threads in zip(axes, threads, strict=True):
        results = [result for result in run["results"] if result["threads"] == n_threads]
        peers = list(results[0]["cost"])
        for i, peer in enumerate(peers):
            places = [j + (i - (len(peers) - 1) / 2) * 0.35 for j in range(len(results))]
            ax.bar(places, [100 * (result["cost"][peer]["median"] - 1) for result in results], 0.3, label=peer)
        ax.set_xticks(range(len(results)), [f"{r['workload']}\n{r['feature']}" for r in results], fontsize=7)
        ax.set_title(f"{n_threads} thread{'s' if n_threads > 1 else ''}", loc="left")
        ax.set_ylabel("% of a step")
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].legend(frameon=False)
    figure.savefig(path, dpi=120)
