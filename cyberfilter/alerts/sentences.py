# SPDX-License-Identifier: AGPL-3.0-or-later
"""Why an alert was raised: one English sentence with figures. Other languages say it from the same facts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from cyberfilter.alerts.signal import Begins
from cyberfilter.contract.index import Verdict
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
    """Return what changed, since when, by how much, how surely, by which clock, against what."""
    row = CATALOGUE[index]
    unit = "" if row.unit == "1" else f" {row.unit}"
    whose = f"{facts['count']} of {facts['like']} machines at {name}" if "members" in facts else name
    subject = f"{row.word.replace('_', ' ').capitalize()} of {whose}"
    did = _DID.get(Verdict(str(facts["change"])), _moved)(facts, unit, share=row.materiality.relative)
    times = f", {float(facts['sigma']):.1f} times its usual spread" if "sigma" in facts else ""
    sure = f", {_sure(float(facts['probability']))} sure" if "probability" in facts else ""
    clock = f", by a clock of {float(facts['clock_s']) / 60:g} min" if "clock_s" in facts else ""
    since = f" since {_moment(_text(facts, 'since'))}"
    together = f"; together: {facts['members']}" if "members" in facts else ""
    return f"{subject} {did}{since}{times}{sure}{clock}; {_usual(facts, unit)}{together}."


def _moved(facts: Facts, unit: str, *, share: bool) -> str:
    size, ratio = float(facts["size"]), facts.get("size_ratio")
    rises = ("rose", "is rising") if size > 0 else ("fell", "is falling")
    verb = rises[0] if facts["change"] == Verdict.STEP else rises[1]
    of = f" ({abs(float(ratio)):.0%})" if ratio is not None and share else ""
    give = f" ± {_figure(float(facts['sd']))}" if "sd" in facts else ""
    return f"{verb} by {_figure(abs(size))}{give}{unit}{of} to {_figure(float(facts['level']))}{unit}"


def _scatters(facts: Facts, unit: str, *, share: bool) -> str:  # noqa: ARG001 - one signature for all
    return f"scatters by {_figure(float(facts['level']))}{unit} instead of {_figure(float(facts['expected']))}{unit}"


def _stands(facts: Facts, unit: str, *, share: bool) -> str:  # noqa: ARG001
    return f"has not moved from {_figure(float(facts['level']))}{unit}"


def _lost_season(facts: Facts, unit: str, *, share: bool) -> str:  # noqa: ARG001
    return f"no longer follows its season, and stands at {_figure(float(facts['level']))}{unit}"


_DID: Final = {Verdict.NOISE: _scatters, Verdict.STUCK: _stands, Verdict.SEASON: _lost_season}


def _usual(facts: Facts, unit: str) -> str:
    learned = f", learned from {facts['learned']} values" if "learned" in facts else ""
    if facts["change"] == Verdict.NOISE:
        return f"usual is at most {_figure(float(facts['hi']))}{unit}{learned}"
    return f"usual is {_figure(float(facts['lo']))} to {_figure(float(facts['hi']))}{unit}{learned}"


def _sure(probability: float) -> str:
    """Return a probability in whole per cent, short of certainty.

    >>> _sure(0.973), _sure(0.99999)
    ('97%', '99%')
    """
    return f"{min(math.floor(100 * probability), 99)}%"


def _figure(value: float) -> str:
    return f"{value:.3g}"


def _text(facts: Facts, key: str) -> str:
    return str(facts.get(key, ""))


def _moment(stamp: str) -> str:
    """Return an RFC 3339 stamp as people read it, whole seconds."""
    return f"{stamp[:10]} {stamp[11:19]} UTC" if len(stamp) > len("2026-11-23T10:00:00") else stamp
