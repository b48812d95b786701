"""Links from a page to files of the repository that are no pages: to the page that shows them, or to the file itself.

The pages are read in the repository, too, where `../examples/xor.py` is right. On the site such a link leads to the
source's address, if FASTBP_SOURCE_URL names one (".../blob/main"); else it becomes the file's name, without a link.
"""

import os
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

ROOT = Path(__file__).resolve().parents[2]

# Files of the repository that a page of the site shows.
SHOWN = {
    "CHANGELOG.md": "changelog",
    "README.md": "index",
    "bench/results": "background/how-fast",
    "bench/README.md": "background/how-fast",
}


def repository_path(document: str, target: str) -> str | None:
    """The path in the repository that a link of a page means, or None if it is no file outside of docs/."""
    if "://" in target or target.startswith(("#", "mailto:")):
        return None
    named = target.partition("#")[0]
    place = Path(os.path.normpath((ROOT / "docs" / document).parent / named))  # `named` may be absolute
    for path in (place, place.with_name(f"{place.name}.md")):
        if path.exists() and ROOT in path.parents and ROOT / "docs" not in path.parents:
            return path.relative_to(ROOT).as_posix()
    return None


def page_that_shows(path: str) -> str | None:
    """The page of the site that shows a file of the repository, or None."""
    return next((page for start, page in SHOWN.items() if path.startswith(start)), None)


class RepositoryLinks(SphinxTransform):
    """Resolves such links before anything looks for them among the pages."""

    default_priority = 5

    def apply(self) -> None:
        document = self.env.docname
        for link in list(self.document.findall(addnodes.pending_xref)) + list(
            self.document.findall(addnodes.download_reference)
        ):
            target = link.get("reftarget", "")
            path = repository_path(document, target)
            if path is not None:
                link.replace_self(self.as_found(document, path, link.children))

    def as_found(self, document: str, path: str, children: list[nodes.Node]) -> nodes.Node:
        """A link to the page or to the source, or the text alone."""
        page = page_that_shows(path)
        if page is not None and page != document:
            inner = nodes.inline("", "", *children)
            return addnodes.pending_xref(
                "", inner, refdomain="std", reftype="doc", reftarget=f"/{page}", refexplicit=True, refdoc=document
            )
        source = os.environ.get("FASTBP_SOURCE_URL", "")
        if source:
            return nodes.reference("", "", *children, refuri=f"{source.rstrip('/')}/{path}", internal=False)
        return nodes.inline("", "", *children)


def setup(app: Sphinx) -> dict:
    app.add_transform(RepositoryLinks)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
