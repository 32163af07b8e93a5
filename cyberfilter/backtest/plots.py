# SPDX-License-Identifier: AGPL-3.0-or-later
"""The report's plots, drawn as SVG; each says what it shows to who listens, and each mark its figures to who points."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Final

from cyberfilter.backtest.faults import Found, Recall
from cyberfilter.backtest.forecasts import PIT_BINS, Calibration
from cyberfilter.backtest.report import Report
from cyberfilter.indices.catalogue import CATALOGUE

LANE: Final = 14
LANES_MAX: Final = 120
"""Places in the timeline."""
TICKS_MAX: Final = 8
HOUR_S: Final = 3_600.0
DAY_S: Final = 86_400.0
DELAYS_S: Final = (
    *(30.0, 60.0, 120.0, 300.0, 600.0, 1_200.0, 1_800.0),
    *(HOUR_S * hours for hours in (1, 2, 5, 10)),
    *(DAY_S * days for days in (1, 2, 5, 10, 20, 50, 100, 200, 500)),
)
"""Ticks of delays (s)."""
SIZES_SIGMA: Final = tuple(k * 10.0**power for power in range(-2, 7) for k in (1, 2, 5))
STEPS_S: Final = tuple(HOUR_S * h for h in (1, 3, 6, 12)) + tuple(DAY_S * d for d in (1, 2, 7, 14, 28, 91, 364))
"""Distances of a timeline's ticks (s)."""


def moment(ts: float) -> str:
    """Return a time (Unix s) as people read it, in UTC.

    >>> moment(1_795_399_200.0)
    '23 Nov 2026, 02:00'
    """
    at = datetime.fromtimestamp(ts, UTC)
    return f"{at.day} {at:%b %Y, %H:%M}"


def lasted(seconds: float) -> str:
    """Return a duration in its largest unit.

    >>> lasted(30.0), lasted(312.0), lasted(7_200.0), lasted(172_800.0)
    ('30 s', '5.2 min', '2 h', '2 d')
    """
    units = (("d", DAY_S), ("h", HOUR_S), ("min", 60.0), ("s", 1.0))
    name, unit_s = next(((name, unit_s) for name, unit_s in units if seconds >= unit_s), units[-1])
    return f"{round(seconds / unit_s, 1):g} {name}"


def called(index: str) -> str:
    """Return what people call an index; what is none keeps its name.

    >>> called("heater_effort_w"), called("silence")
    ('Heater effort', 'silence')
    """
    return CATALOGUE[index].word.replace("_", " ").capitalize() if index in CATALOGUE else index


def recalls(rows: Sequence[Recall]) -> str:
    """Return bars of recall with their intervals, one for each class of size."""
    if not rows:
        return "<p>No fault had a size.</p>"
    base, height, left, step = 165.0, 150.0, 44.0, 66.0
    width = max(left + step * len(rows) + 6, 260.0)
    parts = [_line(left, base - height * k / 4, width - 6, base - height * k / 4, "grid") for k in range(5)]
    parts += [_text(left - 5, base - height * k / 4 + 4, f"{25 * k} %", "end") for k in range(5)]
    for number, row in enumerate(rows):
        x, low, high = left + step * (number + 0.5), base - height * row.share.lo, base - height * row.share.hi
        told = f"{row.label}: {row.found} of {row.count} found, 95 % interval {_percent(row)}"
        parts += [
            _box(x - 20, base - height * row.share.value, 40, height * row.share.value, "bar", told),
            _line(x, low, x, high),
            *(_line(x - 5, y, x + 5, y) for y in (low, high)),
            _text(x, base + 15, row.label, "middle"),
            _text(x, base + 29, f"{row.found} of {row.count}", "middle"),
        ]
    return _svg(width, 200, "".join(parts), "recall by size")


def _percent(row: Recall) -> str:
    return f"{100 * row.share.lo:.0f} to {100 * row.share.hi:.0f} %"


def delays(found: Sequence[Found]) -> str:
    """Return a point for each fault that was found: its size across, its delay up, both logarithmic."""
    points = [(each, max(each.delay_s, DELAYS_S[0])) for each in found if each.alarm and each.fault.size_sigma > 0]
    if not points:
        return "<p>Nothing with a size was found.</p>"
    left, right, base, top = 52.0, 410.0, 190.0, 12.0
    sizes = ticks([each.fault.size_sigma for each, _ in points], SIZES_SIGMA)
    waits = ticks([delay_s for _, delay_s in points], DELAYS_S)
    across, up = _log_scale(sizes, left, right), _log_scale(waits, base, top)
    parts = [_line(across(size), base, across(size), top, "grid") for size in sizes]
    parts += [_line(left, up(wait), right, up(wait), "grid") for wait in waits]
    parts += [_text(across(size), base + 16, f"{size:g} σ", "middle") for size in _few(sizes)]
    parts += [_text(left - 5, up(wait) + 4, lasted(wait), "end") for wait in _few(waits)]
    for each, delay_s in points:
        fault = each.fault
        told = f"{fault.kind} at {fault.place}, {fault.size_sigma:.1f} σ, found after {lasted(each.delay_s)}"
        at = f'cx="{across(fault.size_sigma):.1f}" cy="{up(delay_s):.1f}"'
        parts.append(f'<circle class="dot" {at} r="4"><title>{escape(told)}</title></circle>')
    return _svg(430, 212, "".join(parts), "delay by size")


def ticks(values: Sequence[float], steps: Sequence[float]) -> list[float]:
    """Return the steps around all values, at least two: so one value alone stands on an axis, too.

    >>> ticks([7.0], (1, 2, 5, 10, 20)), ticks([5.0, 6.0], (1, 2, 5, 10, 20)), ticks([5.0], (1, 2, 5, 10, 20))
    ([5, 10], [5, 10], [2, 5, 10])
    """
    first = max(bisect_right(steps, min(values)) - 1, 0)
    last = min(bisect_left(steps, max(values)), len(steps) - 1)
    if first == last:
        first, last = max(first - 1, 0), min(last + 1, len(steps) - 1)
    return list(steps[first : last + 1])


def _few(found: Sequence[float]) -> Sequence[float]:
    return found[:: 1 + (len(found) - 1) // TICKS_MAX]


def _log_scale(marks: Sequence[float], first: float, last: float) -> Callable[[float], float]:
    low, high = math.log(marks[0]), math.log(marks[-1])
    return lambda value: first + (last - first) * min(max((math.log(value) - low) / (high - low), 0.0), 1.0)


def pit(row: Calibration) -> str:
    """Return the histogram of where values fell in their forecasts: flat where those are right."""
    base, height, step = 96.0, 88.0, 30.0
    most = max(*row.pit, 2 / PIT_BINS)
    told = [f"{100 * share:.1f} % of the values, 10 % is right" for share in row.pit]
    parts = [
        _box(10 + step * n, base - height * share / most, step - 3, height * share / most, "bar", told[n])
        for n, share in enumerate(row.pit)
    ]
    even = base - height / PIT_BINS / most
    parts += [_line(10, even, 10 + step * PIT_BINS, even)]
    parts += [_text(10, 112, "below"), _text(160, 112, "as forecast", "middle"), _text(310, 112, "above", "end")]
    return _svg(320, 118, "".join(parts), f"where values of {called(row.index)} fell in their forecasts")


def timeline(report: Report) -> str:
    """Return a lane for each place: faults as bars (filled: found, hollow: missed), alarms without one as lines."""
    found = report.found or ()
    places = sorted({each.fault.place for each in found} | {alarm.place for alarm in report.alone})[:LANES_MAX]
    if not places:
        return "<p>Nothing happened.</p>"
    width, top = 720.0, 22.0
    left = 12 + 6.5 * min(max(len(_short(place)) for place in places), 22)
    lane = {place: top + LANE * number for number, place in enumerate(places)}
    scale = (width - left - 24) / max(report.end - report.start, 1.0)
    bottom = top + LANE * len(places)
    parts = _days(report, lambda ts: left + scale * (ts - report.start), bottom)
    parts += [_text(left - 6, y + 9, _short(place), "end", place) for place, y in lane.items()]
    parts += [_line(left, y + LANE - 2, width - 24, y + LANE - 2, "grid") for y in lane.values()]
    for each in found:
        fault = each.fault
        if fault.place in lane:
            x = left + scale * (fault.onset - report.start)
            fate = f"found after {lasted(each.delay_s)}" if each.alarm is not None else "missed"
            told = f"{fault.kind} ({fault.shape}), {moment(fault.onset)}, {fate}"
            css = "found" if each.alarm is not None else "missed"
            parts.append(_box(x, lane[fault.place], scale * (fault.end - fault.onset), LANE - 4, css, told))
    for alarm in report.alone:
        if alarm.place in lane:
            x, told = left + scale * (alarm.ts - report.start), f"{called(alarm.index)}, {moment(alarm.ts)}"
            parts.append(_box(x - 1, lane[alarm.place] - 1, 3, LANE - 2, "alone", told))
    drawn = _svg(width, bottom + 4, "".join(parts), "faults and alarms over time", least=560)
    return f'<div class="wide" tabindex="0" role="group" aria-label="timeline">{drawn}</div>'


def _short(place: str) -> str:
    return place.rpartition("/")[2]


def _days(report: Report, across: Callable[[float], float], bottom: float) -> list[str]:
    """Return the marks of days, or of hours where there are few days."""
    span_s = report.end - report.start
    step_s = next((step for step in STEPS_S if span_s / step <= TICKS_MAX), STEPS_S[-1])
    times = [step_s * n for n in range(math.ceil(report.start / step_s), math.floor(report.end / step_s) + 1)]
    parts = []
    for ts in times:
        at = datetime.fromtimestamp(ts, UTC)
        day = f"{at.day} {at:%b}" if ts % DAY_S == 0 else f"{at:%H:%M}"
        parts += [_line(across(ts), 16, across(ts), bottom, "grid"), _text(across(ts), 11, day, "middle")]
    return parts


def _svg(width: float, height: float, body: str, label: str, *, least: float = 0) -> str:
    """Return the drawing: as wide as there is room, at most a third larger than drawn, at least `least` px."""
    size = f"max-width:{width * 4 / 3:.0f}px" + (f";min-width:{least:.0f}px" if least else "")
    box = f'viewBox="0 0 {width:.0f} {height:.0f}" style="{size}"'
    return f'<svg {box} role="img" aria-label="{escape(label)}">{body}</svg>'


def _text(x: float, y: float, words: str, anchor: str = "start", told: str = "") -> str:
    title = f"<title>{escape(told)}</title>" if told else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}{title}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, css: str = "line") -> str:
    return f'<line class="{css}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _box(x: float, y: float, width: float, height: float, css: str, told: str) -> str:  # noqa: PLR0917 - SVG's
    size = f'width="{max(width, 1.0):.1f}" height="{height:.1f}"'
    return f'<rect class="{css}" x="{x:.1f}" y="{y:.1f}" {size}><title>{escape(told)}</title></rect>'
