# SPDX-License-Identifier: AGPL-3.0-or-later
"""Why an alert was raised: one English sentence with figures. Other languages say it from the same facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cyberfilter.alerts.signal import Begins
from cyberfilter.indices.catalogue import CATALOGUE

Facts = Mapping[str, float | str]
_TEMPLATES: Final = {
    "fault": "{name} reports a fault since {since}{cause}.",
    "thermal": "{name} reports a thermal fault since {since}{cause}.",
    "smoke": "Smoke at {name} since {since}{measured}{cause}.",
    "limit": "{name} is beyond a limit since {since}{measured}{cause}.",
    "run_out": "{name} is out of material in the middle of{file_or_job} since {since}{cause}.",
    "plate_full": "{name} cannot go on since {since}: its plate is not clear{cause}.",
    "finished": "{name} has finished{file} and waits for a person since {since}{cause}.",
    "waiting": "{name} waits for a person in the middle of{file_or_job} since {since}{cause}.",
    "failed": "{name} ended{file_or_job} without success at {since}{after}{cause}.",
    "silence": "{name} is silent: nothing measured for {seconds} s, since {since}{cause}.",
}
_HAZARD: Final = "{name} is in danger since {since}{cause}."


def why(begins: Begins, name: str) -> str:
    """Return the sentence; `name` is what people call the place. It always holds a figure.

    >>> from cyberfilter.contract.alert import AlertClass
    >>> facts = {"since": "2026-11-23T10:00:00.000Z", "cause": "Thermal Runaway"}
    >>> why(Begins(AlertClass.HAZARD, "fault", "fault", 0.0, facts), "mk4-07")
    'mk4-07 reports a fault since 2026-11-23 10:00:00 UTC: Thermal Runaway.'
    """
    if begins.index_name is not None:
        return _change(begins.index_name, begins.facts, name)
    facts = begins.facts
    cause, file = _text(facts, "cause").rstrip("."), _text(facts, "file")
    return _TEMPLATES.get(begins.kind, _HAZARD).format(
        name=name,
        since=_moment(_text(facts, "since")),
        cause=f": {cause}" if cause else "",
        file=f" {file}" if file else "",
        file_or_job=f" {file}" if file else " a job",
        after=f" after {facts['seconds']} s" if "seconds" in facts else "",
        measured=_measured(facts),
        seconds=facts.get("seconds", 0.0),
    )


def _measured(facts: Facts) -> str:
    """Return the value that was beyond its bound, where a measured value said so."""
    if "indicator" not in facts:
        return ""
    unit = "" if facts.get("unit") in {"1", None} else f" {facts['unit']}"
    return f": {facts['indicator']} = {float(facts['value']):g}{unit}, the bound is {float(facts['bound']):g}{unit}"


def _change(index: str, facts: Facts, name: str) -> str:
    row = CATALOGUE[index]
    unit = "" if row.unit == "1" else f" {row.unit}"
    size, ratio = float(facts["size"]), facts.get("size_ratio")
    verb = (
        ("rose" if size > 0 else "fell") if facts["change"] == "step" else ("is rising" if size > 0 else "is falling")
    )
    share = f" ({abs(float(ratio)):.0%})" if ratio is not None and row.materiality.relative else ""
    times = f", {facts['sigma']} times its usual spread" if "sigma" in facts else ""
    return (
        f"{row.word.replace('_', ' ').capitalize()} of {name} {verb} by {_figure(abs(size))}{unit}{share}"
        f" to {_figure(float(facts['level']))}{unit} since {_moment(_text(facts, 'since'))}{times};"
        f" usual is {_figure(float(facts['lo']))} to {_figure(float(facts['hi']))}{unit}."
    )


def _figure(value: float) -> str:
    return f"{value:.3g}"


def _text(facts: Facts, key: str) -> str:
    return str(facts.get(key, ""))


def _moment(stamp: str) -> str:
    """Return an RFC 3339 stamp as people read it, whole seconds."""
    return f"{stamp[:10]} {stamp[11:19]} UTC" if len(stamp) > len("2026-11-23T10:00:00") else stamp
