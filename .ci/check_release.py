"""Check that a tag, the package's version and the changelog say the same: python .ci/check_release.py v1.2.3"""

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def version_of(text):
    """The literal __version__ of the package: the one place that has it."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__version__":
            return ast.literal_eval(node.value)
    raise LookupError("src/fastbp/__init__.py has no __version__")


def problems_of(tag, version, changelog):
    """What is wrong, as sentences."""
    problems = []
    if tag != f"v{version}":
        problems.append(f"the tag is {tag!r} and the version {version!r}; expected the tag 'v{version}'")
    sections = re.split(r"^## ", changelog, flags=re.MULTILINE)[1:]
    own = [section for section in sections if section.startswith(f"[{version}]")]
    if len(own) != 1:
        problems.append(f"CHANGELOG.md has {len(own)} sections '## [{version}] - date'; expected one")
    elif not re.match(r"\[\S+\] - \d{4}-\d{2}-\d{2}\n", own[0]) or not re.search(r"^- ", own[0], re.MULTILINE):
        problems.append(f"the section of {version} in CHANGELOG.md has no date or no entry; expected both")
    return problems


def main(tag):
    version = version_of((ROOT / "src" / "fastbp" / "__init__.py").read_text(encoding="utf-8"))
    problems = problems_of(tag, version, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    print("\n".join(problems) or f"{tag}: version and changelog are as they should be")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
