# SPDX-License-Identifier: AGPL-3.0-or-later
"""The usual levels of an index as people read them: regimes by name, levels in words and as a picture."""

from __future__ import annotations

from typing import Final, NamedTuple

from opsroom.believed import Belief, Usual
from opsroom.views.index import amount
from opsroom.words import Words, number

SPREADS: Final = 3.0
"""The picture reaches at least so many spreads to both sides of a level: within them a value is usual."""


class UsualRow(NamedTuple):
    """The usual level in one regime; as a picture, 0..1: from, to, and the present level where it is."""

    name: str
    level: str
    known: str
    lo: float
    hi: float
    here: float | None


def usual(found: Belief, words: Words) -> list[UsualRow]:
    """Return the usual levels on one scale, which holds the present level, too."""
    rows, level = found.usual, found.value if found.level is None else found.level
    edges = [edge for one in rows for edge in (one.mean - SPREADS * one.sd, one.mean + SPREADS * one.sd)]
    edges += [level] if level is not None and any(one.now for one in rows) else []
    low, high = min(edges, default=0.0), max(edges, default=1.0)
    nameless = sorted(one.regime for one in rows if one.by == "file" and one.file is None)

    def share(value: float) -> float:
        return (value - low) / (high - low) if high > low else 0.5

    return [
        UsualRow(
            words.say("belief.here", regime=_regime(one, nameless, words))
            if one.now
            else _regime(one, nameless, words),
            words.say("belief.much", size=number(one.mean, words.language), sd=amount(one.sd, found.unit, words)),
            number(one.count, words.language) if one.ripe else words.say("belief.count_few", number=one.count),
            share(one.mean - one.sd),
            share(one.mean + one.sd),
            share(level) if one.now and level is not None else None,
        )
        for one in rows
    ]


def _regime(one: Usual, nameless: list[float], words: Words) -> str:
    """Return what people call a regime; a file whose name is not kept is told by its place among those."""
    if one.by == "target":
        return amount(one.regime, "°C", words)
    if one.by != "file":
        return words.say(f"belief.regime.{one.by}")
    return words.say("belief.regime.file", n=nameless.index(one.regime) + 1) if one.file is None else one.file
