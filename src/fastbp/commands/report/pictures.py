"""Figures of matplotlib as SVG inside the page: they follow its colours, its fonts and its width.

Letters stay letters: a browser has fonts for names that matplotlib's lacks, and "$" is no mathematics.
"""

from __future__ import annotations

import html
import io
import re
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from fastbp.commands.report.fonts import families_for
from fastbp.support.plot_style import TRAINING, VALIDATION

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw"]

_INK = "#1c2734"  # of letters and axes: replaced by the colour of the page's text
_NARROWEST = 560  # pixels, of a wide picture on a phone: less, and its letters are too small
_PAGE_COLOURS = {_INK: "currentColor", TRAINING: "var(--training)", VALIDATION: "var(--validation)"}

_STYLE = {
    "axes.edgecolor": _INK,
    "axes.facecolor": "none",
    "axes.labelcolor": _INK,
    "axes.titlesize": "medium",
    "figure.facecolor": "none",
    "font.size": 9.0,
    "legend.frameon": False,
    "legend.fontsize": "small",
    "savefig.facecolor": "none",
    "savefig.edgecolor": "none",
    "svg.fonttype": "none",
    "text.color": _INK,
    "text.parse_math": False,
    "xtick.color": _INK,
    "xtick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.color": _INK,
    "ytick.major.size": 0,
    "ytick.minor.size": 0,
}


def draw(
    paint: Callable[[Figure], None],
    size: tuple[float, float],
    title: str,
    names: Sequence[str] = (),
    wide: bool = False,
) -> str:
    """Return a picture as an <svg> to stand in the page.

    Parameters
    ----------
    paint : callable
        Draws into a figure.
    size : (float, float)
        Width and height in inches, of 96 pixels of the page.
    title : str
        What it shows, for those who cannot see it.
    names : sequence of str
        Names of the user that are written in it: for each letter a font is looked for.
    wide : bool
        Whether it is as large on a phone and moves sideways, instead of shrinking.
    """
    from matplotlib import style
    from matplotlib.figure import Figure  # no pyplot: neither a display nor global state is needed

    with style.context(["default", {**_STYLE, "font.family": families_for("".join(names)), "svg.hashsalt": title}]):
        figure = Figure(figsize=size, layout="constrained")
        with warnings.catch_warnings():
            # The browser has the glyph, or another sign for it.
            warnings.filterwarnings("ignore", message=r"Glyph .* missing from", category=UserWarning)
            paint(figure)
            buffer = io.BytesIO()
            figure.savefig(buffer, format="svg", metadata={"Date": None})
    svg = _for_page(buffer.getvalue().decode(), round(96 * size[0]), title, wide)
    return f'<div class="scroll">{svg}</div>' if wide else svg


def _for_page(svg: str, width: int, title: str, wide: bool) -> str:
    """Return the file of a picture as a part of a page: without what the page has, in the page's colours and font."""
    view = re.search(r'viewBox="([^"]*)"', svg)
    assert view is not None
    body = svg[svg.index(">", svg.index("<svg")) + 1 : svg.rindex("</svg>")]
    body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", body, flags=re.DOTALL)
    parts = re.split(r"(<[^>]+>)", body)  # text and tags in turn; a name of the user may look like anything
    texts = [text if text.strip() else "\n" * ("\n" in text) for text in parts[::2]]
    tags = [*_in_page_colours(_named_apart(parts[1::2], title)), ""]
    sizes = f"min-width: {min(width, _NARROWEST)}px; max-width: {width}px" if wide else f"max-width: {width}px"
    label = html.escape(title)
    start = f'<svg viewBox="{view[1]}" role="img" aria-label="{label}" style="width: 100%; {sizes}">'
    return start + "".join(text + tag for text, tag in zip(texts, tags, strict=True)) + "</svg>"


def _named_apart(tags: list[str], title: str) -> list[str]:
    """Keep only those ids that are referred to, and let them differ from those of other pictures."""
    tags = [tag.replace("xlink:href", "href") for tag in tags]
    used = {name for tag in tags for name in re.findall(r'(?:url\(#|href="#)([^")]+)', tag)}
    prefix = re.sub(r"\W+", "-", title.lower())

    def rename(tag: str) -> str:
        tag = re.sub(r' id="([^"]*)"', lambda found: f' id="{prefix}-{found[1]}"' if found[1] in used else "", tag)
        return re.sub(r'(url\(#|href="#)', rf"\g<1>{prefix}-", tag)

    return [rename(tag) for tag in tags]


def _in_page_colours(tags: list[str]) -> list[str]:
    """Let the page choose the font, and the colours by the reader's system."""
    result = []
    for tag in tags:
        tag = re.sub(r'font: ?(?:\w+ )*?([\d.]+)px [^;"]*', r"font-size: \1px", tag)  # of matplotlib before 3.11
        tag = re.sub(r'font-family: ?[^;"]*;? ?', "", tag)
        for colour, of_page in _PAGE_COLOURS.items():
            tag = tag.replace(colour, of_page)
        result.append(tag)
    return result
