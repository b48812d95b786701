"""Links within a built site: each page, file and anchor that is named is there, and nothing is loaded from elsewhere.

python .ci/check_links.py build/site
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# What a browser loads by itself, which must not need a network; a link that a reader follows may.
LOADED = {("script", "src"), ("img", "src"), ("link", "href"), ("source", "src"), ("iframe", "src")}
NAMED_ONLY = {"canonical", "author", "next", "prev", "index", "search"}  # kinds of <link> that load nothing


class Page(HTMLParser):
    """The links, the loaded files and the anchors of one page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.anchors |= {found[key] for key in ("id", "name") if found.get(key)}
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        for name in ("src", "href"):
            named = tag == "link" and found.get("rel") in NAMED_ONLY
            if (tag, name) in LOADED and found.get(name) and not named:
                self.loaded.append(found[name])


def problems(site: Path) -> list[str]:
    """One sentence for every link that leads nowhere."""
    pages = {
        path: Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html") if path.parent.name != "_static"
    }
    found = []
    for path, page in pages.items():
        where = path.relative_to(site)
        for link in page.loaded:
            if urlsplit(link).netloc:
                found.append(f"{where}: loads {link}")
        for link in {*page.links, *page.loaded}:
            why = wrong(link, path, pages)
            found += [f"{where}: {link} {why}"] * bool(why)
    return found


def wrong(link: str, path: Path, pages: dict[Path, Page]) -> str:
    """What is wrong with a link of a page; empty if it leads out of the site or to what is there."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return ""
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not target.exists():
        return "is not there"
    if parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
        return "has no such anchor"
    return ""


def main() -> None:
    site = Path(sys.argv[1]).resolve()
    n_pages = len(list(site.rglob("*.html")))
    found = problems(site) if n_pages else [f"{site} has no page"]
    print("\n".join(found) or f"links: {n_pages} pages, nothing missing, nothing loaded from elsewhere")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
