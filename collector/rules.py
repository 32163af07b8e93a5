# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a well-formed message must keep to all the same: plausible times, few series, counters that count (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

from msgspec.structs import replace

from collector.contract.codec import format_time
from collector.contract.errors import Refusal
from collector.contract.event import Noted
from collector.contract.indicator import COUNTERS
from collector.contract.limits import AHEAD_S_MAX, CLOCK_SET_S_MIN, SERIES_MAX, SERIES_PER_DEVICE_MAX
from collector.contract.reading import Samples
from collector.contract.reading_codec import SetAside

Counted = tuple[float, float, str | None]
"""A counter's newest sample: its time, its value, the sender's boot."""


class Rules(NamedTuple):
    """The bounds: seconds that a stamp may lie ahead, days that are kept (0: for ever), numbers of series."""

    ahead_s_max: float = AHEAD_S_MAX
    kept_days: int = 0
    series_per_device_max: int = SERIES_PER_DEVICE_MAX
    series_max: int = SERIES_MAX


DEFAULT: Final = Rules()


def check_times(oldest: float, newest: float, *, now: float, rules: Rules) -> None:
    """Refuse a message whose stamps cannot be: `clock_ahead` or `too_old` (Unix s)."""
    if newest > now + rules.ahead_s_max:
        ahead = f"{newest - now:.0f} s ahead of our clock, at most {rules.ahead_s_max:g} s are taken"
        raise Refusal("clock_ahead", f"ts = {format_time(newest)} is {ahead}")
    if oldest < CLOCK_SET_S_MIN:
        raise Refusal(
            "too_old",
            f"ts = {format_time(oldest)} is before 2000: the clock was never set. Leave ts out, or register the "
            'machine with clock = "none": arrival times stand in',
        )
    if rules.kept_days and oldest < now - 86_400.0 * rules.kept_days:
        raise Refusal("too_old", f"ts = {format_time(oldest)} is older than the {rules.kept_days} days that are kept")


def is_plain(samples: Samples, names: AbstractSet[str]) -> bool:
    """Tell whether there is nothing to sift: every indicator is known, and none is a counter."""
    return samples.values.keys() <= names and COUNTERS.isdisjoint(samples.values)


class Sifted(NamedTuple):
    """Samples that keep to the rules, and what became of the others."""

    samples: Samples
    aside: tuple[SetAside, ...] = ()
    new_names: tuple[str, ...] = ()
    counters: Mapping[str, Counted] | None = None
    notes: tuple[Noted, ...] = ()


def sift(
    samples: Samples,
    names: AbstractSet[str],
    counters: Mapping[str, Counted],
    *,
    boot: str | None,
    series_count: int,
    rules: Rules,
) -> Sifted:
    """Return the samples without series beyond the bounds and without counters that fell.

    `names` are the indicators that the device has brought, `series_count` those of all devices; `counters` are the
    newest samples of its counters.
    """
    fresh = samples.values.keys() - names
    room = max(0, min(rules.series_per_device_max - len(names), rules.series_max - series_count))
    ordered = sorted(fresh)
    beyond = ordered[room:]
    aside: list[SetAside] = []
    if beyond:
        most = f"{rules.series_per_device_max} of a device, {rules.series_max} in all"
        aside.append(SetAside("series_limit", f"{len(beyond)} new series ({beyond[0]} …), at most {most}"))
    values = {name: column for name, column in samples.values.items() if name not in beyond}
    after = dict(counters)
    notes: list[Noted] = []
    for name in COUNTERS & values.keys():
        values[name], fell = _count(name, samples.times, values[name], after, boot)
        aside += [SetAside("counter_decrease", told) for kept, told in fell if not kept]
        notes += [Noted(ts, "counter_reset", {"indicator": name, "detail": told}) for ts, told in _kept(samples, fell)]
    kept = replace(samples, values=values)
    return Sifted(kept, tuple(aside), tuple(ordered[:room]), after, tuple(notes))


def _kept(samples: Samples, fell: list[tuple[bool, str]]) -> Iterator[tuple[float, str]]:
    return ((max(samples.times), told) for kept, told in fell if kept)


def _count(
    name: str,
    times: tuple[float, ...],
    column: tuple[float | None, ...],
    counters: dict[str, Counted],
    boot: str | None,
) -> tuple[tuple[float | None, ...], list[tuple[bool, str]]]:
    """Return a counter's column without values that fell within one boot, and what fell: whether it was kept, and how.

    A new boot begins to count anew. A sender that tells no boot may have done so. What is older than the newest
    known sample can't be judged.
    """
    kept = list(column)
    fell: list[tuple[bool, str]] = []
    for position in sorted(range(len(times)), key=times.__getitem__):
        value, ts = column[position], times[position]
        if value is None:
            continue
        known = counters.get(name)
        if known is not None and ts <= known[0]:
            continue
        if known is not None and value < known[1]:
            same = boot is not None and boot == known[2]
            fell.append((not same, f"{name} = {value:g} after {known[1]:g}, {'the same boot' if same else 'anew'}"))
            if same:
                kept[position] = None
                continue
        counters[name] = (ts, value, boot)
    return tuple(kept), fell
