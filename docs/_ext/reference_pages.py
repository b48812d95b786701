"""The pages of the reference, one for each group of public names, written before the site is built."""

import inspect
from pathlib import Path
from types import ModuleType

import make_features
import public_names
from sphinx.application import Sphinx

import fastbp

# What is said before the list of a group. A group that is not here has a list alone.
LEADS = {
    "activations": 'Each is named by its short form, too: ``Dense(64, "relu")`` is ``Dense(64, fb.ReLU())``.',
    "losses": "Pass one as ``loss`` of :class:`fastbp.Trainer`: the object, or its short form.",
    "optimizers": "Pass one as ``optimizer`` of :class:`fastbp.Trainer`: the object, or its short form.",
    "schedules": "Pass one in place of a number: as a learning rate, a weight decay or the rate of a dropout.",
    "metrics": "Pass them as ``metrics`` of :class:`fastbp.Trainer`: objects, or their short forms.",
    "initializers": "Pass one as ``initializer`` of :class:`fastbp.Dense`: the object, or its short form.",
}
SHORT = {cls: name for registry in make_features.REGISTRIES.values() for name, cls in registry.items()}


def slug(title: str) -> str:
    return title.replace(" ", "-")


def _first_sentence(value: object) -> str:
    paragraph = (inspect.getdoc(value) or "").split("\n\n")[0]
    text = " ".join(paragraph.split()).replace("|", "\\|").replace("*", "\\*").replace("``", "\x00")
    return text.replace("`", "\\`").replace("\x00", "``")


def _row(full: str, value: object) -> str:
    role = "mod" if isinstance(value, ModuleType) else "class" if inspect.isclass(value) else "func"
    known = inspect.isclass(value) and value in SHORT and "a " not in SHORT[value]
    short = f'``"{SHORT[value]}"``: ' if known else ""
    return f"   * - :py:{role}:`~{full}`\n     - {short}{_first_sentence(value)}\n"


def _table(entries: dict[str, object]) -> str:
    rows = "".join(_row(full, value) for full, value in entries.items())
    return f".. list-table::\n   :widths: 28 72\n   :class: names\n\n{rows}\n"


def _entry(full: str, value: object) -> str:
    if isinstance(value, ModuleType):
        inside = {f"{full}.{name}": getattr(value, name) for name in public_names.own_names(value)}
        return f".. automodule:: {full}\n\n{_table(inside)}\n" + "\n".join(_entry(*each) for each in inside.items())
    if not inspect.isclass(value):
        return f".. autofunction:: {full}\n"
    shown = public_names.methods(value)
    members = f"   :members: {', '.join(shown)}\n" if shown else ""
    return f".. autoclass:: {full}\n{members}"


def page(title: str, entries: dict[str, object]) -> str:
    """One page, as reStructuredText."""
    heading = title[0].upper() + title[1:]
    head = f"{heading}\n{'=' * len(heading)}\n\n{LEADS.get(title, '')}\n\n{_table(entries)}\n"
    return head + "\n".join(_entry(full, value) for full, value in entries.items())


def pages() -> dict[str, str]:
    """All pages by their names."""
    found = {
        slug(title): page(title, {f"fastbp.{name}": getattr(fastbp, name) for name in names})
        for title, names in public_names.groups().items()
    }
    estimators = {
        name: value for name, value in public_names.everything().items() if name.startswith("fastbp.sklearn.")
    }
    return found | {"scikit-learn": page("scikit-learn's interface", estimators)}


def index(names: list[str]) -> str:
    """The list of the pages, for the sidebar."""
    listed = "".join(f"   {name}\n" for name in names)
    return f"Every public name\n=================\n\n.. toctree::\n   :maxdepth: 1\n\n{listed}"


def write(app: Sphinx) -> None:
    """Write what has changed, and take away what no longer belongs there."""
    folder = Path(app.srcdir) / "reference" / "names"
    folder.mkdir(exist_ok=True)
    texts = pages()
    texts["index"] = index(list(texts))
    for path in folder.glob("*.rst"):
        if path.stem not in texts:
            path.unlink()
    for name, text in texts.items():
        path = folder / f"{name}.rst"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict:
    app.connect("builder-inited", write)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
