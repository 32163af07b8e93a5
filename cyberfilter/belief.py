# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the filter believes of one index, why, and how it did on it: all that a person may ask, in one answer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from collector.contract.codec import format_time
from collector.contract.errors import Refusal
from cyberfilter.alerts.watched import Watch
from cyberfilter.contract import intervention
from cyberfilter.contract.alert import Alert, AlertState
from cyberfilter.contract.alert import shown as shown_alert
from cyberfilter.contract.index import IndexValue
from cyberfilter.contract.index import shown as shown_index
from cyberfilter.filter import Belief
from cyberfilter.floor import Floor
from cyberfilter.indices.catalogue import CATALOGUE
from cyberfilter.indices.regimes import NO_JOB, UNNAMED_JOB
from cyberfilter.judge import Series
from cyberfilter.record import DAY_S, DAYS, Record, Showing, showing
from cyberfilter.service import Cyberfilter

USUAL_MAX: Final = 8
"""Regimes whose usual levels are told: the present one, then those known from the most values."""
ALERTS_MAX: Final = 5
"""Alerts told one by one, newest first; the counts tell of all."""
TOLD_MAX: Final = 5
"""Interventions told, newest first."""
_JOBS: Final = {NO_JOB: "no_job", UNNAMED_JOB: "unnamed"}


class _Seen(NamedTuple):
    """What the floor knows of an index."""

    value: IndexValue
    believed: list[Belief]
    watch: Watch
    showing: Showing
    files: dict[float, str]


def belief(cyberfilter: Cyberfilter, place: str, index: str) -> dict[str, Any]:
    """Return the answer, null where something is not known; raises Refusal `unknown_index`.

    Figures are in the index's unit, times RFC 3339. Record and alerts are of the 30 days up to its newest value.
    """
    seen = cyberfilter.between(lambda floor: _seen(floor, place, index), changes=False)
    value = seen.value
    since = value.at - DAYS * DAY_S
    alerts = [a for a in cyberfilter.alerts(place=place) if (a.place, a.index) == (place, index)]
    return {
        **shown_index(value),
        "value": value.actuality,
        "level": _mean([(b.probability, b.level) for b in seen.believed]),
        "sigma": _root(_mean([(b.probability, b.sigma**2) for b in seen.believed])),
        "believed": [_believed(one) for one in seen.believed],
        "usual": _usual(value.index, seen.watch, seen.files),
        "record": _record(seen.showing),
        "alerts": _alerts(alert for alert in alerts if alert.raised_at >= since),
        "interventions": [intervention.told(said) for said in cyberfilter.interventions(place, index)[:TOLD_MAX]],
    }


def _seen(floor: Floor, place: str, index: str) -> _Seen:
    devices = [name for name, one in floor.machines.items() if one.place == place and index in one.newest]
    if not devices:
        raise Refusal("unknown_index", f"there is no index {index[:80]!r} at {place[:200]!r}")
    device = max(devices, key=lambda name: floor.machines[name].newest[index].at)
    machine = floor.machines[device]
    return _Seen(
        machine.newest[index],
        floor.judge.beliefs(Series(device, index)),
        machine.watches.get(index, Watch()),
        showing(machine.records.get(index, Record())),
        machine.fold.files,
    )


def _believed(one: Belief) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "since": format_time(one.since) if math.isfinite(one.since) else None,
        "probability": one.probability,
        "size": _known(one.size),
        "sd": _known(one.sd),
        "before": _known(one.before),
    }


def _usual(index: str, watch: Watch, files: Mapping[float, str]) -> list[dict[str, Any]]:
    """Return the usual level and spread of each regime: a target, or a job's file with its name where that is kept."""
    by = CATALOGUE[index].by
    homes = sorted(watch.homes.items(), key=lambda known: (known[0] != watch.regime, -known[1].count))
    return [
        {
            "regime": regime,
            "by": _JOBS.get(regime, by) if by == "file" else by,
            "file": files.get(regime) if by == "file" else None,
            "now": regime == watch.regime,
            "mean": home.mean,
            "sd": math.sqrt(home.variance),
            "count": home.count,
            "ripe": home.ripe,
        }
        for regime, home in [known for known in homes if known[1].count][:USUAL_MAX]
    ]


def _record(found: Showing) -> dict[str, Any]:
    return {
        "since": format_time(found.since) if found.since is not None else None,
        "count": found.count,
        "coverage": found.coverage,
        "error": found.error,
        "error_ratio": found.error_ratio,
        "words": found.words,
    }


def _alerts(found: Iterable[Alert]) -> dict[str, Any]:
    """Return how many were raised, went back to normal, and were closed; and the newest."""
    alerts = sorted(found, key=lambda alert: -alert.raised_at)
    return {
        "raised": len(alerts),
        "returned": sum(alert.returned_at is not None for alert in alerts),
        "closed": sum(alert.state is AlertState.CLOSED for alert in alerts),
        "newest": [shown_alert(alert) for alert in alerts[:ALERTS_MAX]],
    }


def _known(figure: float) -> float | None:
    return figure if math.isfinite(figure) else None


def _mean(weighed: list[tuple[float, float]]) -> float | None:
    return _known(math.fsum(weight * figure for weight, figure in weighed)) if weighed else None


def _root(variance: float | None) -> float | None:
    return None if variance is None else math.sqrt(variance)
