# SPDX-License-Identifier: AGPL-3.0-or-later
"""The report as one HTML file: tables, and plots drawn here as SVG; it fetches nothing, so it opens offline."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import Final

from collector.contract.codec import format_time
from cyberfilter.backtest.faults import Found, Recall, by_kind, by_size, confusion, material, sure
from cyberfilter.backtest.forecasts import LEVELS, PIT_BINS, Calibration
from cyberfilter.backtest.report import Report

WIDTH: Final = 720
LANE: Final = 14
LANES_MAX: Final = 120
"""Places in the timeline; those with faults or alarms come first."""
_LEFT: Final = 150
_STYLE: Final = """
:root{color-scheme:light dark}body{font:15px/1.45 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;margin:.5rem 0}
th,td{padding:.15rem .7rem;text-align:right;font-variant-numeric:tabular-nums}
th:first-child,td:first-child{text-align:left}thead th{border-bottom:1px solid}svg{width:100%;height:auto}
text{font:11px system-ui,sans-serif;fill:currentColor}.bar{fill:#3b78b5}.line{stroke:currentColor;fill:none}
.grid{stroke:currentColor;opacity:.18}.found{fill:#3b78b5}.missed{fill:#b0b0b0}.alone{fill:#c4472f}.dot{fill:#3b78b5;opacity:.5}
"""


def page(report: Report) -> str:
    """Return the whole page."""
    parts = [_summary(report)]
    if report.found:
        parts += [
            _section("How much was found, by size", _recall_plot(by_size(report.found)), _recalls(report.found)),
            _section("How soon", _delay_plot(report.found)),
            _section("Which type was told", _types(report.found)),
        ]
    parts += [_section("When and where", _timeline(report))]
    if report.calibration:
        plots = "".join(_pit_plot(row) for row in report.calibration)
        parts += [_section("How good the forecasts were", _calibrations(report.calibration), plots)]
    title = escape(report.title)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Backtest: {title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body><h1>Backtest: {title}</h1>{''.join(parts)}</body></html>\n"
    )


def _section(title: str, *parts: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{''.join(parts)}</section>"


def _summary(report: Report) -> str:
    rate = report.rate
    what = f"{len(report.found)} faults, " if report.found is not None else ""
    return (
        f"<p>{report.machines} machines from {format_time(report.start)} to {format_time(report.end)}, "
        f"{report.values_count} values, filter {escape(report.filter)}.</p>"
        f"<p>{what}{len(report.alone)} alarms {'without a fault' if report.found is not None else ''}: "
        f"{rate.value:.2f} per 50 machines and week (95 % interval {rate.lo:.2f} to {rate.hi:.2f}).</p>"
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _recalls(found: Sequence[Found]) -> str:
    rows = [*by_size(found), sure(found), material(found), *by_kind(found)]
    head = ("", "faults", "found", "recall", "95 %", "median delay, min", "type right")
    return _table(head, [_cells(row) for row in rows if row.count])


def _cells(row: Recall) -> tuple[str, ...]:
    return (
        row.label,
        str(row.count),
        str(row.found),
        f"{100 * row.share.value:.0f} %",
        f"{100 * row.share.lo:.0f}–{100 * row.share.hi:.0f}",
        f"{row.delay_s / 60:.1f}" if row.found else "–",
        f"{100 * row.right_share.value:.0f} %" if row.typed else "–",
    )


def _types(found: Sequence[Found]) -> str:
    told = confusion(found)
    words = sorted({word for _, word in told})
    truths = sorted({true for true, _ in told})
    return _table(("truly \\ told", *words), [(t, *(str(told.get((t, word), 0)) for word in words)) for t in truths])


def _calibrations(rows: Sequence[Calibration]) -> str:
    head = ("index", "values", *(f"in {100 * level:.0f} %" for level in LEVELS), "CRPS / random walk")
    return _table(
        head,
        [
            (row.index, str(row.count), *(f"{100 * cover:.1f} %" for cover in row.cover), f"{row.crps_ratio:.3f}")
            for row in rows
        ],
    )


def _svg(height: float, body: str, label: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(label)}">{body}</svg>'


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, css: str = "line") -> str:
    return f'<line class="{css}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _box(x: float, y: float, width: float, height: float, css: str, told: str = "") -> str:  # noqa: PLR0917 - SVG's
    title = f"<title>{escape(told)}</title>" if told else ""
    size = f'width="{max(width, 1.0):.1f}" height="{height:.1f}"'
    return f'<rect class="{css}" x="{x:.1f}" y="{y:.1f}" {size}>{title}</rect>'


def _recall_plot(rows: Sequence[Recall]) -> str:
    """Return bars of recall with their intervals, one for each class of size."""
    if not rows:
        return "<p>No fault had a size.</p>"
    base, height, step = 170.0, 150.0, (WIDTH - 60) / len(rows)
    parts = [_line(40, base - height * k / 4, WIDTH - 10, base - height * k / 4, "grid") for k in range(5)]
    parts += [_text(36, base - height * k / 4 + 4, f"{25 * k} %", "end") for k in range(5)]
    for number, row in enumerate(rows):
        x, half = 50 + step * (number + 0.5), min(step * 0.3, 40)
        parts += [
            _box(x - half, base - height * row.share.value, 2 * half, height * row.share.value, "bar"),
            _line(x, base - height * row.share.lo, x, base - height * row.share.hi),
            _text(x, base + 15, f"{row.label}, {row.found} of {row.count}", "middle"),
        ]
    return _svg(195, "".join(parts), "recall by size")


def _delay_plot(found: Sequence[Found]) -> str:
    """Return a point for each fault that was found: its size across, its delay up, both logarithmic."""
    points = [(e.fault.size_sigma, max(e.delay_s / 60, 0.5)) for e in found if e.alarm and e.fault.size_sigma > 0]
    if not points:
        return "<p>Nothing with a size was found.</p>"
    across = _log_scale([size for size, _ in points], 50, WIDTH - 20)
    up = _log_scale([delay for _, delay in points], 190, 15)
    parts = [_line(50, 190, WIDTH - 20, 190), _line(50, 190, 50, 15)]
    parts += [_text(across(size), 206, f"{size:g} σ", "middle") for size in _ticks([size for size, _ in points])]
    parts += [_text(46, up(delay) + 4, f"{delay:g} min", "end") for delay in _ticks([delay for _, delay in points])]
    parts += [f'<circle class="dot" cx="{across(s):.1f}" cy="{up(d):.1f}" r="3"/>' for s, d in points]
    return _svg(212, "".join(parts), "delay by size")


def _log_scale(values: Sequence[float], first: float, last: float) -> Callable[[float], float]:
    low, high = math.log(min(values)), math.log(max(values))
    span = max(high - low, 1e-9)
    return lambda value: first + (last - first) * (math.log(value) - low) / span


def _ticks(values: Sequence[float]) -> list[float]:
    low, high = min(values), max(values)
    found = [k * 10.0**power for power in range(-1, 6) for k in (1, 2, 5) if low <= k * 10.0**power <= high]
    return found or [round(low, 1)]


def _pit_plot(row: Calibration) -> str:
    """Return the histogram of where values fell in their forecasts: flat where those are right."""
    base, height, step = 110.0, 90.0, 30.0
    most = max(*row.pit, 2 / PIT_BINS)
    parts = [_text(0, 12, f"{row.index}: where values fell in their forecasts (flat is right)")]
    parts += [
        _box(
            10 + step * n, base - height * share / most, step - 3, height * share / most, "bar", f"{100 * share:.1f} %"
        )
        for n, share in enumerate(row.pit)
    ]
    even = base - height / PIT_BINS / most
    parts += [_line(10, even, 10 + step * PIT_BINS, even)]
    return _svg(116, "".join(parts), f"PIT of {row.index}")


def _timeline(report: Report) -> str:
    """Return a lane for each place: faults as bars (blue found, grey missed), alarms without one as red ticks."""
    found = report.found or ()
    places = sorted({each.fault.place for each in found} | {alarm.place for alarm in report.alone})[:LANES_MAX]
    if not places:
        return "<p>Nothing happened.</p>"
    lane = {place: 20 + LANE * number for number, place in enumerate(places)}
    scale = (WIDTH - _LEFT - 10) / max(report.end - report.start, 1.0)
    parts = [_text(_LEFT, 10, format_time(report.start)), _text(WIDTH - 10, 10, format_time(report.end), "end")]
    parts += [_text(_LEFT - 6, y + 9, place.rpartition("/")[2], "end") for place, y in lane.items()]
    parts += [_line(_LEFT, y + LANE - 2, WIDTH - 10, y + LANE - 2, "grid") for y in lane.values()]
    for each in found:
        fault = each.fault
        if fault.place in lane:
            x = _LEFT + scale * (fault.onset - report.start)
            told = f"{fault.kind}, {fault.shape}, {format_time(fault.onset)}"
            css = "found" if each.alarm is not None else "missed"
            parts.append(_box(x, lane[fault.place], scale * (fault.end - fault.onset), LANE - 4, css, told))
    for alarm in report.alone:
        if alarm.place in lane:
            x = _LEFT + scale * (alarm.ts - report.start)
            parts.append(_box(x, lane[alarm.place], 2, LANE - 4, "alone", f"{alarm.index}, {format_time(alarm.ts)}"))
    return _svg(24 + LANE * len(places), "".join(parts), "faults and alarms over time")
