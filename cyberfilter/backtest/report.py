# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a backtest found, as data, as JSON and as a table of text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from collector.contract.codec import format_time
from cyberfilter.backtest.faults import Alarm, Found, Recall, by_kind, by_size, confusion, false_rate, material, sure
from cyberfilter.backtest.forecasts import LEVELS, Calibration
from cyberfilter.backtest.intervals import Interval
from cyberfilter.backtest.lookback import Dated

WEEK_S: Final = 7 * 86_400.0


class Report(NamedTuple):
    """A backtest of `machines` from `start` to `end` (Unix s).

    `found` has every fault that should be found, None where no truth is known (then every alarm is in `alone`);
    `alone` has the alarms that belong to no fault; `unseen_count` faults came while nothing could be measured;
    `looked_back` has when the indices changed, to one who has read their history to its end; None where
    nobody has.
    """

    title: str
    filter: str
    machines: int
    start: float
    end: float
    found: tuple[Found, ...] | None
    alone: tuple[Alarm, ...]
    calibration: tuple[Calibration, ...]
    unseen_count: int = 0
    values_count: int = 0
    looked_back: tuple[Dated, ...] | None = None

    @property
    def weeks(self) -> float:
        """Return how many weeks were judged."""
        return (self.end - self.start) / WEEK_S

    @property
    def rate(self) -> Interval:
        """Return the alarms that belong to no fault, per 50 machines and week."""
        return false_rate(len(self.alone), machines=self.machines, weeks=self.weeks)


def document(report: Report) -> dict[str, Any]:
    """Return the report as JSON has it: times RFC 3339, durations in seconds, what is not known null."""
    found = report.found or ()
    return {
        "title": report.title,
        "filter": report.filter,
        "machines": report.machines,
        "from": format_time(report.start),
        "to": format_time(report.end),
        "weeks": round(report.weeks, 4),
        "values": report.values_count,
        "truth": report.found is not None,
        "by_size": [_recall(row) for row in by_size(found)],
        "sure": _recall(sure(found)),
        "material": _recall(material(found)),
        "by_kind": [_recall(row) for row in by_kind(found)],
        "types": [{"true": true, "told": told, "count": n} for (true, told), n in sorted(confusion(found).items())],
        "unseen": report.unseen_count,
        "false_alarms": {"count": len(report.alone), **_interval("per_50_machine_weeks", report.rate)},
        "calibration": [_calibration(row) for row in report.calibration],
        "faults": [_fault(each) for each in found],
        "alarms_without_fault": [_alarm(alarm) for alarm in report.alone],
        "looking_back": None if report.looked_back is None else [_dated(change) for change in report.looked_back],
    }


def _known(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None


def _interval(name: str, interval: Interval) -> dict[str, float | None]:
    return {name: _known(interval.value), "lo95": _known(interval.lo), "hi95": _known(interval.hi)}


def _recall(row: Recall) -> dict[str, Any]:
    return {
        "label": row.label, "count": row.count, "found": row.found, **_interval("recall", row.share),
        "delay_s": _known(row.delay_s), "typed": row.typed, "type_right": row.right,
    }  # fmt: skip


def _calibration(row: Calibration) -> dict[str, Any]:
    covers = {f"cover_{round(100 * level)}": _known(share) for level, share in zip(LEVELS, row.cover, strict=True)}
    pit = [_known(share) for share in row.pit]
    return {"index": row.index, "series": row.series_count, "values": row.count, **covers, "pit": pit,
            "crps_ratio": _known(row.crps_ratio)}  # fmt: skip


def _fault(each: Found) -> dict[str, Any]:
    fault, alarm = each
    return {
        "kind": fault.kind, "place": fault.place, "index": fault.index, "onset": format_time(fault.onset),
        "end": format_time(fault.end), "shape": fault.shape, "size_sigma": _known(fault.size_sigma),
        "found_at": format_time(alarm.ts) if alarm is not None else None,
        "delay_s": _known(each.delay_s), "told": alarm.type or None if alarm is not None else None,
    }  # fmt: skip


def _alarm(alarm: Alarm) -> dict[str, Any]:
    return {"place": alarm.place, "index": alarm.index, "at": format_time(alarm.ts), "type": alarm.type or None}


def _dated(change: Dated) -> dict[str, Any]:
    return {
        "place": change.place, "index": change.index, "at": format_time(change.ts),
        "p": _known(change.p), "before": change.before, "after": change.after,
    }  # fmt: skip


def table(report: Report) -> str:
    """Return the report as a person reads it."""
    what = f"{report.machines} machines, {report.weeks:.2f} weeks, {report.values_count} values"
    lines = [f"{report.title}: {what}, filter {report.filter}"]
    if report.found is not None:
        unseen = f", {report.unseen_count} more came while nothing was measured" if report.unseen_count else ""
        lines += ["", f"{len(report.found)} faults{unseen}", *_recalls(report.found)]
    lines += ["", _false(report)]
    lines += [
        f"  {alarm.index} {alarm.type or ''} at {alarm.place}, {format_time(alarm.ts)}"
        for alarm in report.alone[:TOLD_MAX]
    ]
    if report.looked_back is not None:
        lines += ["", f"{len(report.looked_back)} changes found looking back"]
        lines += [_looked_back(change) for change in report.looked_back[:TOLD_MAX]]
    if report.calibration:
        lines += ["", f"{'forecasts of':<24}{'values':>9}{'in 50 %':>9}{'in 80 %':>9}{'in 95 %':>9}{'CRPS':>7}"]
        lines += [_forecast(row) for row in report.calibration]
        lines += ["CRPS over a random walk's; below 1 is better"]
    return "\n".join(lines)


TOLD_MAX: Final = 20
"""Lines of alarms, and of changes; JSON has all."""


def _looked_back(change: Dated) -> str:
    what = f"{change.before:.4g} to {change.after:.4g}, {100 * change.p:.0f} %"
    return f"  {change.index} at {change.place}, {format_time(change.ts)}: {what}"


def _false(report: Report) -> str:
    rate, word = report.rate, "alarms without a fault" if report.found is not None else "alarms"
    return (
        f"{len(report.alone)} {word}: {rate.value:.2f} per 50 machines and week "
        f"(95 % interval {rate.lo:.2f} to {rate.hi:.2f})"
    )


def _recalls(found: Sequence[Found]) -> list[str]:
    head = f"{'':<22}{'faults':>7}{'found':>7}{'recall':>8}{'95 %':>12}{'delay min':>11}{'type right':>12}"
    rows = [*by_size(found), sure(found), material(found), *by_kind(found)]
    return [head, *(_line(row) for row in rows if row.count)]


def _line(row: Recall) -> str:
    span = f"{100 * row.share.lo:.0f}–{100 * row.share.hi:.0f}"
    delay = f"{row.delay_s / 60:.1f}" if row.found else "–"
    right = f"{100 * row.right_share.value:.0f} %" if row.typed else "–"
    return f"{row.label:<22}{row.count:>7}{row.found:>7}{100 * row.share.value:>6.0f} %{span:>12}{delay:>11}{right:>12}"


def _forecast(row: Calibration) -> str:
    covers = "".join(f"{100 * cover:>7.1f} %" if math.isfinite(cover) else f"{'–':>9}" for cover in row.cover)
    ratio = f"{row.crps_ratio:>7.2f}" if math.isfinite(row.crps_ratio) else f"{'–':>7}"
    return f"{row.index:<24}{row.count:>9}{covers}{ratio}"
