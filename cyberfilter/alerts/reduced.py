# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a level above may see of an alert: that something hurts or pleases there, how urgent, and the clock."""

from __future__ import annotations

from typing import Any

from collector.contract.codec import format_time
from cyberfilter.contract.alert import Alert, shown
from cyberfilter.contract.index import Triple

_PASSED_ON = ("id", "class", "kind", "place", "index", "state", "raised_at", "acknowledged_at", "returned_at")


def reduced(alert: Alert, *, triple: Triple | None, now: float) -> dict[str, Any]:
    """Return the alert without raw values, notes and machine's words (contract 2).

    `urgency` is the share of the running level's time that is spent, 0..1; the triple is the index's newest.
    """
    full = shown(alert)
    spent, whole = now - alert.raised_at, (alert.deadline_at or now) - alert.raised_at
    hours = max(spent, 0.0) / 3600
    return {
        **{name: full[name] for name in _PASSED_ON},
        "closed_at": full["closed_at"],
        "raised_to": full["raised_to"],
        "deadline_at": full["deadline_at"],
        "urgency": round(min(max(spent / whole, 0.0), 1.0), 3) if whole > 0 else 1.0,
        "productivity": triple.productivity if triple else None,
        "latency": triple.latency if triple else None,
        "performance": triple.performance if triple else None,
        "why": f"{alert.place} has not recovered for {hours:.1f} h, since {format_time(alert.raised_at)}.",
        "reduced": True,
    }
