"""What a user may have meant by a name that does not exist: by case, by other libraries' names, by spelling.

Everything here runs for error messages only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

__all__ = ["closest", "did_you_mean", "listed"]

Foreign = Mapping[str, tuple[str, ...]]

_NONE: Foreign = {}
_LEAST_LETTERS = 3  # of the beginning of a name that stands for it


def closest(
    wrong: str | int, names: Iterable[str | int], foreign: Foreign = _NONE, spelling: bool = True
) -> list[str | int]:
    """Return the names that a wrong one most likely stands for: one, several if it is several in one, or none.

    Names that differ in case, blanks, hyphens and underscores alone come first; then what other libraries mean by it;
    then a name that begins with the wrong one, if there is only one; then the closest spelling.

    Parameters
    ----------
    wrong : str or int
    names : iterable of str or int
        Those that exist.
    foreign : dict, default _NONE
        A table of ``foreign_names``.
    spelling : bool, default True
        Whether the beginning and the spelling count.
    """
    known = {_plain(name): name for name in names}
    plain = _plain(wrong)
    if plain in known:
        return [known[plain]]
    for meant in foreign.get(plain, ()):
        together = list(map(_plain, meant.split(" and ")))
        if all(name in known for name in together):
            return [known[name] for name in together]
    if not spelling or not isinstance(wrong, str):
        return []
    texts = [text for text, name in known.items() if isinstance(name, str)]
    beginning = [text for text in texts if len(plain) >= _LEAST_LETTERS and text.startswith(plain)]
    if len(beginning) != 1:
        most = min(max(1, len(plain) // 3), len(plain) - 1)  # a letter at least is the same
        distances = {text: _distance(plain, text) for text in texts if abs(len(text) - len(plain)) <= most}
        beginning = [text for text, distance in distances.items() if distance == min(distances.values()) <= most][:1]
    return [known[text] for text in beginning]


def did_you_mean(wrong: str | int, names: Iterable[str | int], foreign: Foreign = _NONE) -> str:
    """Return the question whether another name was meant; empty text if none is close; as ``closest`` finds it.

    >>> did_you_mean("Chrun", ["age", "churn"])
    "Did you mean 'churn'?"
    """
    meant = closest(wrong, names, foreign)
    return f"Did you mean {' and '.join(map(repr, meant))}?" if meant else ""


def listed(names: Collection[str | int], most: int = 10) -> str:
    """Return names as text, the first of them if there are many.

    >>> listed(["a", "b", "c"], most=2)
    "'a', 'b' and 1 more"
    """
    first = ", ".join(repr(name) for name, _ in zip(names, range(most), strict=False))
    return first if len(names) <= most else f"{first} and {len(names) - most:,} more"


def _plain(name: str | int) -> str:
    return "".join(letter for letter in str(name).casefold() if letter not in " _-\t")


def _distance(a: str, b: str) -> int:
    """Return how many letters have to be put in, left out, changed, or swapped with the next to make a of b."""
    two_before, before = [0] * (len(b) + 1), list(range(len(b) + 1))
    for i, letter in enumerate(a, 1):
        row = [i]
        for j, other in enumerate(b, 1):
            row.append(min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != other)))
            if i > 1 and j > 1 and letter == b[j - 2] and other == a[i - 2]:
                row[j] = min(row[j], two_before[j - 2] + 1)
        two_before, before = before, row
    return before[-1]
