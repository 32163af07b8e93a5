# SPDX-License-Identifier: AGPL-3.0-or-later
"""The report as one HTML file: each figure with how to read it; it fetches nothing, so it opens offline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from statistics import median
from typing import Final

from cyberfilter.backtest import plots
from cyberfilter.backtest.faults import Found, Recall, by_kind, by_size, confusion, material, sure
from cyberfilter.backtest.forecasts import LEVELS, Calibration
from cyberfilter.backtest.lookback import Dated
from cyberfilter.backtest.plots import called, lasted, moment
from cyberfilter.backtest.report import TOLD_MAX, Report

_STYLE: Final = """
:root{color-scheme:light dark}body{font:15px/1.45 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{line-height:1.2}h2{margin:2rem 0 .3rem}.how{opacity:.8;max-width:46rem;margin:.2rem 0 .8rem}.lead{font-size:1.15rem}
.wide{overflow-x:auto}.wide:focus-visible{outline:2px solid}
table{border-collapse:collapse;margin:.5rem 0}thead th{border-bottom:1px solid}
th,td{padding:.15rem .7rem;text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
th:first-child,td:first-child,.words th,.words td{text-align:left;font-weight:400}
thead th,.words thead th{font-weight:600}td b{text-decoration:underline}
svg{display:block;width:100%;height:auto}text{font:11px system-ui,sans-serif;fill:currentColor}
.many{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,17rem),1fr));gap:.8rem 2rem}figure{margin:0}
.bar,.found,.dot{fill:#3b78b5}.dot{fill-opacity:.7}.line{stroke:currentColor;fill:none}
.grid{stroke:currentColor;opacity:.18}.missed{fill:none;stroke:currentColor;stroke-width:1.2}.alone{fill:#d0482f}
.key svg{display:inline-block;width:1rem;height:.75rem;margin:0 .4rem 0 0}
.key span{margin-right:1.4rem;white-space:nowrap}
@media(prefers-color-scheme:dark){.bar,.found,.dot{fill:#5f9bd8}.alone{fill:#f0694f}}
@media(max-width:30rem){body{margin:1rem auto}th,td{padding:.15rem .45rem}}
"""
_HOW: Final = {
    "recall": "Bars: the share of faults for which there was an alert; the thin line is the range in which the true "
    "share lies with 95 % chance, wide where faults were few. σ is the usual size of the noise: a fault of 5 σ moves "
    "the index by five times as much as it moves by itself.",
    "delay": "Each point is a fault that was found: further right it was larger, further up it took longer.",
    "types": "Rows: what truly happened. Columns: what the alert called it; the right word is underlined.",
    "when": "Times are UTC. Point at a mark to read what it was.",
    "alone": "Nothing is known to have been wrong there. The oldest come first.",
    "unknown": "What really happened is not known here, so each may be right. The oldest come first.",
    "back": "When an index changed, to one who has read its whole history: what lasts, and is large enough for "
    "an alert. What is brief is not seen here. The oldest come first.",
    "forecasts": "Before a value comes the filter says where it expects it: with 50, 80 and 95 % chance within so "
    "much. As many values should have been inside. CRPS measures how wrong the whole forecast was, over that of “as "
    "last time”: below 1 is better.",
    "pit": "Where the values fell: bars along the line are right, high ends say that the bands are too narrow, a high "
    "middle that they are too wide, one high side that values came out lower or higher than expected.",
}


def page(report: Report) -> str:
    """Return the whole page."""
    parts = [_summary(report)]
    if report.found:
        parts += [
            _section("How much was found", "recall", plots.recalls(by_size(report.found)), _recalls(report.found)),
            _section("How soon", "delay", plots.delays(report.found)),
            _section("Which type was told", "types", _types(report.found)),
        ]
    parts += [_section("When and where", "when", _key(report), plots.timeline(report))]
    if report.alone:
        known = report.found is not None
        title, how = ("Alarms without a fault", "alone") if known else ("Alarms", "unknown")
        parts += [_section(title, how, _alone(report))]
    if report.looked_back:
        parts += [_section("Changes found looking back", "back", _looked_back(report.looked_back))]
    if report.calibration:
        drawn = "".join(
            f"<figure><figcaption>{escape(called(row.index))}</figcaption>{plots.pit(row)}</figure>"
            for row in report.calibration
            if math.isfinite(row.pit[0])
        )
        pit = f'<p class="how">{_HOW["pit"]}</p><div class="many">{drawn}</div>'
        parts += [_section("How good the forecasts were", "forecasts", _calibrations(report.calibration), pit)]
    title = escape(report.title)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Backtest: {title}</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{_STYLE}</style></head>'
        f"<body><main><h1>Backtest: {title}</h1>{''.join(parts)}</main></body></html>\n"
    )


def _section(title: str, how: str, *parts: str) -> str:
    return f'<section><h2>{escape(title)}</h2><p class="how">{_HOW[how]}</p>{"".join(parts)}</section>'


def _summary(report: Report) -> str:
    """Return the answer first: how much was found, how soon, how often for nothing; then of what."""
    rate, alone = report.rate, f"{len(report.alone):,} alarms"
    lead = f"{alone}."
    if report.found is not None:
        waits = [each.delay_s for each in report.found if each.alarm is not None]
        soon = f", half of them within {lasted(median(waits))}" if waits else ""
        unseen = f"; {report.unseen_count:,} more came while nothing was measured" if report.unseen_count else ""
        lead = f"{len(waits):,} of {len(report.found):,} faults found{soon}{unseen}. {alone} without a fault."
    return (
        f'<p class="lead">{lead}</p><p>That is {rate.value:.2f} per 50 machines and week '
        f"(95 % interval {rate.lo:.2f} to {rate.hi:.2f}).</p>"
        f"<p>{report.machines:,} machines from {moment(report.start)} to {moment(report.end)} UTC "
        f"({lasted(report.end - report.start)}), {report.values_count:,} values, filter {escape(report.filter)}.</p>"
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], label: str, css: str = "") -> str:
    """Return a table that scrolls by itself where the page is narrow; cells are HTML."""
    top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>{"".join(f"<td>{cell}</td>" for cell in row[1:])}</tr>' for row in rows
    )
    table = f'<table class="{css}"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="wide" tabindex="0" role="group" aria-label="{escape(label)}">{table}</div>'


def _recalls(found: Sequence[Found]) -> str:
    rows = [*by_size(found), sure(found), material(found), *by_kind(found)]
    head = ("size or kind", "faults", "found", "share", "95 %", "half within", "type right")
    return _table(head, [_cells(row) for row in rows if row.count], "how much was found")


def _cells(row: Recall) -> tuple[str, ...]:
    return (
        escape(row.label),
        f"{row.count:,}",
        f"{row.found:,}",
        f"{100 * row.share.value:.0f} %",
        f"{100 * row.share.lo:.0f}–{100 * row.share.hi:.0f} %",
        lasted(row.delay_s) if row.found else "–",
        f"{100 * row.right_share.value:.0f} %" if row.typed else "–",
    )


def _types(found: Sequence[Found]) -> str:
    told = confusion(found)
    words = sorted({word for _, word in told})
    truths = sorted({true for true, _ in told})

    def cell(true: str, word: str) -> str:
        count = f"{told.get((true, word), 0):,}"
        return f"<b>{count}</b>" if true == word else count

    rows = [(escape(true), *(cell(true, word) for word in words)) for true in truths]
    return _table(("truly", *words), rows, "types as told")


def _key(report: Report) -> str:
    """Return what the marks of the timeline mean, those that are there."""
    found = report.found or ()
    shown = (
        ("found", "a fault that was found", any(each.alarm is not None for each in found)),
        ("missed", "a fault that was missed", any(each.alarm is None for each in found)),
        ("alone", "an alarm" if report.found is None else "an alarm without a fault", bool(report.alone)),
    )
    drawn = '<svg viewBox="0 0 16 12" aria-hidden="true"><rect class="{}" x="{}" y="1" width="{}" height="10"/></svg>'
    marks = [
        f"<span>{drawn.format(css, *((6, 3) if css == 'alone' else (1, 14)))}{words}</span>"
        for css, words, there in shown
        if there
    ]
    return f'<p class="key">{"".join(marks)}</p>' if marks else ""


def _alone(report: Report) -> str:
    rows = [
        (moment(alarm.ts), escape(alarm.place), escape(called(alarm.index)), escape(alarm.type) or "–")
        for alarm in report.alone[:TOLD_MAX]
    ]
    return _table(("when, UTC", "where", "what", "told as"), rows, "alarms", "words") + _more(report.alone)


def _looked_back(changes: Sequence[Dated]) -> str:
    head = ("since, UTC", "where", "what", "median before", "after", "probability")
    rows = [
        (
            moment(change.ts),
            escape(change.place),
            escape(called(change.index)),
            f"{change.before:.4g}",
            f"{change.after:.4g}",
            f"{100 * change.p:.0f} %",
        )
        for change in changes[:TOLD_MAX]
    ]
    return _table(head, rows, "changes found looking back", "words") + _more(changes)


def _more(told: Sequence[object]) -> str:
    left = len(told) - TOLD_MAX
    return f"<p>And {left:,} more.</p>" if left > 0 else ""


def _calibrations(rows: Sequence[Calibration]) -> str:
    head = ("index", "values", *(f"in {100 * level:.0f} %" for level in LEVELS), "CRPS")
    return _table(
        head,
        [
            (
                escape(called(row.index)),
                f"{row.count:,}",
                *(f"{100 * cover:.1f} %" if math.isfinite(cover) else "–" for cover in row.cover),
                f"{row.crps_ratio:.2f}" if math.isfinite(row.crps_ratio) else "–",
            )
            for row in rows
        ],
        "forecasts",
    )
