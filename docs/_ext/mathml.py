"""Formulas as MathML, made while the site is built: every browser draws them and every screen reader says them.

No script and no font has to be loaded, so that the pages work without a network.
"""

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util.math import wrap_displaymath

NAME = "mathml"


def _inline(translator, node: nodes.math) -> None:
    translator.body.append(convert(node.astext()))
    raise nodes.SkipNode


def _display(translator, node: nodes.math_block) -> None:
    latex = node.astext()
    if "\\\\" in latex and "\\begin" not in latex:
        latex = wrap_displaymath(latex, None, False).replace("split", "aligned")
        latex = latex[latex.index("\\begin{aligned}") : latex.rindex("\\end{aligned}") + len("\\end{aligned}")]
    number = f'<span class="eqno">({node["number"]})</span>' if node.get("number") else ""
    identity = f' id="{node["ids"][0]}"' if node.get("ids") else ""
    translator.body.append(f'<div class="math-block"{identity}>{number}{convert(latex, display="block")}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict:
    app.add_html_math_renderer(NAME, (_inline, None), (_display, None))
    app.config.html_math_renderer = NAME
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
