# SPDX-License-Identifier: AGPL-3.0-or-later
"""Values beyond an agreed limit, and smoke: stated once an excursion, of whatever dialect (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple

import msgspec

from collector.contract.event import Noted, Trouble
from collector.contract.indicator import unit_of
from collector.contract.limits import JOB_TEXT_CHARS_MAX
from collector.contract.reading import Fact, Samples
from collector.contract.tree import Limits

SMOKE: Final = "smoke_ratio"
SMOKE_LIMITS: Final = Limits(high=0.5)
"""Where the plant agreed none: a detector that says yes or no says 0 or 1."""
BACK_SHARE: Final = 0.02
"""An excursion is over when the value is inside by this share of the range (of the bound, where there is one)."""


class Judged(msgspec.Struct, frozen=True, array_like=True):
    """An indicator's newest sample that was judged: when it was measured (Unix s), and where it is out now."""

    at: float
    side: Literal["", "low", "high"] = ""


class Look(NamedTuple):
    """What is remembered from now on, and what is to be stated."""

    judged: Mapping[str, Judged]
    troubles: tuple[Trouble, ...]


def look(before: Mapping[str, Judged], facts: Iterable[Fact], agreed: Mapping[str, Limits]) -> Look:
    """Return the troubles that a message's facts begin: limits by `agreed`, smoke by value or by event.

    Samples are judged in their own order of time; what is older than the newest judged one is not.
    """
    judged: dict[str, Judged] | None = None
    troubles: list[Trouble] = []
    for fact in facts:
        if isinstance(fact, Samples):
            for name in _watched(fact, agreed):
                judged = dict(before) if judged is None else judged
                limits = agreed.get(name, SMOKE_LIMITS)
                judged[name] = _judge(name, fact, limits, judged.get(name, Judged(float("-inf"))), troubles)
        elif isinstance(fact, Noted) and fact.event == "smoke":
            troubles.append(Trouble(fact.ts, "smoke", _words(fact)))
    return Look(before if judged is None else judged, tuple(troubles))


def _watched(samples: Samples, agreed: Mapping[str, Limits]) -> list[str]:
    if not agreed and SMOKE not in samples.values:
        return []
    return [name for name in samples.values if name in agreed or name == SMOKE]


def _judge(name: str, samples: Samples, limits: Limits, known: Judged, troubles: list[Trouble]) -> Judged:
    for ts, value in sorted(zip(samples.times, samples.values[name], strict=False), key=lambda cell: cell[0]):
        if value is None or ts <= known.at:
            continue
        side = _side(value, limits, known.side)
        if side and side != known.side:
            troubles.append(_trouble(name, ts, value, limits, side))
        known = Judged(ts, side)
    return known


def _side(value: float, limits: Limits, before: str) -> Literal["", "low", "high"]:
    low, high = limits.low, limits.high
    if high is not None and value > high:
        return "high"
    if low is not None and value < low:
        return "low"
    margin = BACK_SHARE * (high - low if high is not None and low is not None else abs(high or low or 0.0))
    if before == "high" and high is not None and value > high - margin:
        return "high"
    if before == "low" and low is not None and value < low + margin:
        return "low"
    return ""


def _trouble(name: str, ts: float, value: float, limits: Limits, side: str) -> Trouble:
    bound = limits.high if side == "high" else limits.low
    assert bound is not None
    unit = "" if unit_of(name) == "1" else f" {unit_of(name)}"
    than = "above" if side == "high" else "below"
    why = f"{name} = {value:g}{unit} is {than} {bound:g}{unit}"
    return Trouble(ts, "smoke" if name == SMOKE else "limit", why, name, value, bound)


def _words(fact: Noted) -> str:
    told = fact.body.get("why") or fact.body.get("detail")
    return told[:JOB_TEXT_CHARS_MAX] if isinstance(told, str) else "smoke input"
