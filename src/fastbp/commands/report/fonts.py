"""Fonts that have the letters of users' names."""

from __future__ import annotations

from typing import Any

__all__ = ["families_for"]

_FIRST = "DejaVu Sans"  # comes with matplotlib
_WIDE = (  # fonts with Chinese, Japanese and Korean letters, and others with many scripts, of Linux, macOS and Windows
    ("Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans CJK TC", "Noto Sans CJK KR", "Noto Sans JP", "Noto Sans SC")
    + ("Source Han Sans", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Droid Sans Fallback", "IPAGothic", "NanumGothic")
    + ("Hiragino Sans", "PingFang SC", "PingFang HK", "Heiti TC", "Apple SD Gothic Neo", "AppleGothic")
    + ("Yu Gothic", "Meiryo", "MS Gothic", "Microsoft YaHei", "SimHei", "SimSun", "Malgun Gothic")
    + ("Arial Unicode MS", "Unifont", "Noto Sans", "Noto Sans Devanagari", "Noto Sans Thai", "Segoe UI", "Nirmala UI")
)


def families_for(text: str) -> list[str]:
    """Return matplotlib's font, and installed ones that have the letters which it lacks, as far as there are any."""
    from matplotlib.font_manager import FontProperties, fontManager, get_font

    missing = {letter for letter in text if not letter.isspace()}
    missing -= _letters_of(get_font(fontManager.findfont(FontProperties(family=_FIRST))))
    families = [_FIRST]
    files = {entry.name: entry.fname for entry in fontManager.ttflist} if missing else {}
    for name in _WIDE:
        if not missing:
            break
        found = missing & _letters_of(get_font(files[name])) if name in files else set()
        if found:
            families.append(name)
            missing -= found
    return families


def _letters_of(font: Any) -> set[str]:
    return set(map(chr, font.get_charmap()))
