"""The page of the command line, written from the parser that reads it: reference/commands.rst."""

import argparse
from pathlib import Path

from sphinx.application import Sphinx

from fastbp.cli import make_parser

HEAD = """\
Command line
============

``fastbp COMMAND --help`` prints the same. This page is written from the parser of the command.

"""


def commands(parser: argparse.ArgumentParser) -> dict[str, tuple[str, argparse.ArgumentParser]]:
    """Each command with its line of help and its own parser."""
    (choices,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    helps = {choice.dest: choice.help or "" for choice in choices._choices_actions}
    return {name: (helps.get(name, ""), each) for name, each in choices.choices.items()}


def _literal(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.splitlines())


def _expanded(action: argparse.Action) -> str:
    text = action.help or ""
    return " ".join((text % (vars(action) | {"prog": "fastbp"})).split())


def _option(action: argparse.Action) -> str:
    if not action.option_strings:
        return str(action.metavar or action.dest)
    if action.nargs == 0:
        return ", ".join(action.option_strings)
    value = action.metavar or (
        "{" + ",".join(map(str, action.choices)) + "}" if action.choices else action.dest.upper()
    )
    return ", ".join(f"{each} {value}" for each in action.option_strings)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("*", "\\*").replace("`", "\\`").replace("|", "\\|")


def _group(group: argparse._ArgumentGroup) -> str:
    actions = [each for each in group._group_actions if each.help != argparse.SUPPRESS and each.dest != "help"]
    if not actions:
        return ""
    rows = "".join(f"``{_option(each)}``\n    {_escaped(_expanded(each)) or _option(each)}\n\n" for each in actions)
    return f".. rubric:: {(group.title or '').capitalize()}\n\n{rows}"


def page(parser: argparse.ArgumentParser) -> str:
    """The whole page, as reStructuredText."""
    parts = [HEAD]
    for name, (line, command) in commands(parser).items():
        title = f"fastbp {name}"
        about = _escaped(" ".join((command.description or line).split()))
        usage = command.format_usage().removeprefix("usage: ")
        heading = f".. _command-{name}:\n\n{title}\n{'-' * len(title)}\n\n{about}"
        parts.append(f"{heading}\n\n.. code-block:: text\n\n{_literal(usage)}\n")
        parts.extend(_group(group) for group in command._action_groups)
        if command.epilog:
            parts.append(f".. code-block:: text\n\n{_literal(command.epilog)}\n")
    return "\n".join(parts)


def write(app: Sphinx) -> None:
    """Write the page if it has changed, so that a second build has nothing to do."""
    path = Path(app.srcdir) / "reference" / "commands.rst"
    text = page(make_parser())
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict:
    app.connect("builder-inited", write)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
