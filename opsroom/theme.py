# SPDX-License-Identifier: AGPL-3.0-or-later
"""Colour only for the abnormal, and never as the only code: the tokens that CSS and charts share."""

from __future__ import annotations

from typing import Final, NamedTuple


class Theme(NamedTuple):
    """The colours of one theme; every pair of ink and ground that is used together has a contrast of 4.5 or more."""

    name: str
    scheme: str
    ground: str
    panel: str
    sunk: str
    line: str
    ink: str
    muted: str
    data: str
    band: str
    hazard: str
    hazard_ink: str
    algedonic: str
    algedonic_ink: str
    call: str
    call_ink: str
    pleased: str
    focus: str


GREY: Final = Theme(
    name="grey",
    scheme="light",
    ground="#d6d8da",
    panel="#e6e7e9",
    sunk="#caccd0",
    line="#9a9da3",
    ink="#1c1f24",
    muted="#4a4e55",
    data="#2f4a63",
    band="#b3bac3",
    hazard="#b3121d",
    hazard_ink="#ffffff",
    algedonic="#f2b705",
    algedonic_ink="#1c1f24",
    call="#2456a6",
    call_ink="#ffffff",
    pleased="#3a5f8a",
    focus="#0a3d91",
)
CYBERSYN: Final = Theme(
    name="cybersyn",
    scheme="dark",
    ground="#17130f",
    panel="#221c16",
    sunk="#120f0b",
    line="#5f5143",
    ink="#f6ead8",
    muted="#c3b29b",
    data="#ffb454",
    band="#4a3b29",
    hazard="#ff5a4f",
    hazard_ink="#17130f",
    algedonic="#ffd23f",
    algedonic_ink="#17130f",
    call="#8ec7ff",
    call_ink="#17130f",
    pleased="#9fd6c2",
    focus="#ffffff",
)
THEMES: Final = (GREY, CYBERSYN)


def theme(name: str | None) -> Theme:
    """Return the theme of that name, else the default grey (ISA-101)."""
    return next((row for row in THEMES if row.name == name), GREY)


def css() -> str:
    """Return the tokens of every theme as CSS custom properties; the document's `data-theme` chooses."""
    return "\n".join(_block(row) for row in THEMES)


def _block(row: Theme) -> str:
    properties = "".join(
        f"--{name.replace('_', '-')}:{colour};"
        for name, colour in row._asdict().items()
        if name not in {"name", "scheme"}
    )
    return f'[data-theme="{row.name}"]{{color-scheme:{row.scheme};{properties}}}'


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two #rrggbb colours, 1..21 (WCAG 2.2, 1.4.3).

    >>> round(contrast("#ffffff", "#000000"))
    21
    """
    bright, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    channels = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)  # noqa: PLR2004
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
