"""Results as a table, as JSON and as a chart."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_COLOURS = {
    "fastbp": "#c0392b",
    "fastbp-bf16": "#e67e73",
    "numpy": "#4c72b0",
    "sklearn": "#dd9b3a",
    "torch": "#7f5fa8",
    "torch-bf16": "#b9a3d3",
    "jax": "#4f9d69",
    "onnxruntime": "#6b7785",
}


@dataclass(frozen=True)
class Wording:
    """What differs between the reports of two comparisons."""

    title: str
    computation: str
    keys: tuple[str, ...]  # of a result, that a row of the table begins with
    step: str
    checked: str

    @property
    def header(self) -> tuple[str, ...]:
        """The columns of the table."""
        figures = (f"time a {self.step}", "GFLOP/s", "of the peak", "fastbp is faster", f"{self.checked} differ")
        return (*self.keys, "peer", *figures)


TRAINING = Wording(
    "Training the same network", "ReLU, softmax cross-entropy, Adam", ("workload", "threads"), "step", "losses"
)
PREDICT = Wording(
    "Predicting with the same network", "ReLU, softmax", ("workload", "rows", "threads"), "call", "outputs"
)


def format_seconds(seconds: float) -> str:
    """Three figures with the unit that suits: 13.4 us, 1.44 ms, 2.10 s."""
    for scale, unit in ((1e-6, "us"), (1e-3, "ms"), (1.0, "s")):
        value = seconds / scale
        if value < 999.5 or unit == "s":
            break
    return f"{value:.{max(0, 2 - len(str(int(value))) + 1)}f} {unit}"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns are padded, so that it reads well on a terminal too."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"

    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([line(header), rule, *map(line, rows)])


def comparison_rows(result: Mapping[str, Any], wording: Wording) -> list[list[str]]:
    """The table's rows for one workload on one number of threads, a peer each."""
    rows = []
    for peer, figures in result["peers"].items():
        fraction = figures["peak_fraction"]
        ratio = figures["ratio"] if peer != "fastbp" else None
        rows.append(
            [
                *(str(result[key]) for key in wording.keys),
                peer,
                format_seconds(figures["step_seconds"]["median"]),
                f"{figures['gflops']:.1f}",
                f"{fraction['median']:.2f}" if fraction else "-",
                f"{ratio['median']:.2f}x ({ratio['low']:.2f} to {ratio['high']:.2f})" if ratio else "-",
                _describe_agreement(result["agreement"], peer),
            ]
        )
    return rows


def _describe_agreement(agreement: Mapping[str, Any], peer: str) -> str:
    """How far what the peer computes is from the reference's; the report says why where they were not compared."""
    if peer == agreement["reference"]:
        return "reference"
    return f"{agreement['differences'][peer]:.0e}" if peer in agreement["differences"] else "not compared"


def comparison_table(results: Sequence[Mapping[str, Any]], wording: Wording) -> str:
    """One table of all results."""
    return markdown_table(wording.header, [row for result in results for row in comparison_rows(result, wording)])


def comparison_markdown(run: Mapping[str, Any], wording: Wording) -> str:
    """The whole report of a comparison."""
    networks = dict.fromkeys(f"`{result['workload']}` {result['network']}" for result in run["results"])
    settings = {peer: f["settings"] for result in run["results"] for peer, f in result["peers"].items()}
    notes = [
        f"`{result['workload']}`, {peer}: {figures['note']}, so its {wording.checked} are not compared"
        for result in run["results"]
        for peer, figures in result["peers"].items()
        if figures["note"]
    ]
    return "\n".join(
        [
            *preamble(wording.title, run),
            *(f"- {peer}: {text}" for peer, text in settings.items()),
            *(f"- {peer}: {reason}" for peer, reason in run["missing"].items()),
            *(f"- {note}" for note in dict.fromkeys(notes)),
            "",
            f"{wording.computation}, {run['settings']['dtype']}. " + "; ".join(networks) + ".",
            "",
            comparison_table(run["results"], wording),
            "",
        ]
    )


def preamble(title: str, run: Mapping[str, Any]) -> list[str]:
    """Title, command, machine and versions."""
    machine = run["machine"]
    quick = ["", "**A quick run: it shows that everything works. Its figures mean nothing.**"]
    return [
        f"# {title}",
        *(quick if run["settings"]["quick"] else []),
        "",
        f"    {run['command']}",
        "",
        f"- {run['date']}, {machine['cpu']}, {machine['cpus']} CPUs, {machine['system']}, Python {machine['python']}",
        f"- {', '.join(f'{name} {version}' for name, version in run['versions'].items())}",
    ]


def draw_comparison(run: Mapping[str, Any], path: Path) -> None:
    """Bars: the fraction of the FMA peak (GFLOP/s where there is none) of every peer, a picture a number of threads."""
    from matplotlib.figure import Figure

    threads = list(dict.fromkeys(result["threads"] for result in run["results"]))
    has_peaks = all(f["peak_fraction"] for result in run["results"] for f in result["peers"].values())
    figure = Figure(figsize=(9, 3.2 * len(threads)), layout="constrained")
    axes = figure.subplots(len(threads), squeeze=False)[:, 0]
    for ax, n_threads in zip(axes, threads, strict=True):
        results = [result for result in run["results"] if result["threads"] == n_threads]
        _draw_bars(ax, results, has_peaks)
        ax.set_title(f"{n_threads} thread{'s' if n_threads > 1 else ''}", loc="left")
        ax.set_ylabel("fraction of the FMA peak" if has_peaks else "GFLOP/s")
    axes[0].legend(frameon=False, ncols=len(_COLOURS), loc="lower right", bbox_to_anchor=(1, 1))
    figure.suptitle(f"{run['machine']['cpu']}, {run['settings']['dtype']}", fontsize=9)
    figure.savefig(path, dpi=120)


def _draw_bars(ax: Any, results: Sequence[Mapping[str, Any]], has_peaks: bool) -> None:
    """A group of bars a workload, a colour a peer."""
    peers = list(dict.fromkeys(peer for result in results for peer in result["peers"]))
    width, highest = 0.8 / max(1, len(peers)), 1.0
    for i, peer in enumerate(peers):
        places = [j for j, result in enumerate(results) if peer in result["peers"]]
        figures = [results[j]["peers"][peer] for j in places]
        heights = [f["peak_fraction"]["median"] if has_peaks else f["gflops"] for f in figures]
        ax.bar([j - 0.4 + (i + 0.5) * width for j in places], heights, width, label=peer, color=_COLOURS[peer])
        highest = max(highest, *heights)
    ax.set_xticks(range(len(results)), [_bar_label(result) for result in results], fontsize=6)
    ax.spines[["top", "right"]].set_visible(False)
    if has_peaks:
        ax.set_ylim(0, highest)  # products in bfloat16 pass the peak of float32
        if highest > 1:
            ax.axhline(1, color="black", linewidth=0.8)


def _bar_label(result: Mapping[str, Any]) -> str:
    rows = [f"{result['rows']} row{'s' if result['rows'] > 1 else ''}"] if "rows" in result else []
    return "\n".join([result["workload"], *result["network"].split(", "), *rows])


def write(
    run: Mapping[str, Any], output: Path, stem: str, markdown: str, draw: Callable[[Mapping[str, Any], Path], None]
) -> list[str]:
    """Write JSON, Markdown and the chart into a directory.

    Returns
    -------
    list of str
        A sentence for everything that was written, or could not be.
    """
    output.mkdir(parents=True, exist_ok=True)
    (output / f"{stem}.json").write_text(json.dumps(run, indent=1) + "\n")
    (output / f"{stem}.md").write_text(markdown)
    messages = [f"wrote {output / stem}.json", f"wrote {output / stem}.md"]
    try:
        draw(run, output / f"{stem}.png")
        return [*messages, f"wrote {output / stem}.png"]
    except ModuleNotFoundError as error:
        return [*messages, f"no chart: {error.name} is not installed: pip install matplotlib"]
