# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a demo found: the faults that really struck against the alerts that were raised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from collector.contract.codec import format_time
from cyberfilter.contract.alert import Alert, AlertClass
from firmware_sim.faults import FaultPlan

AFTER_S = 1_800.0
"""An alert belongs to a fault from its onset until so long after its end: what recovers changes, too."""


def summary(faults: Sequence[FaultPlan], alerts: Sequence[Alert]) -> dict[str, Any]:
    """Return found and missed faults and the alerts without one (contract 5). Calls are everyday, not alarms."""
    alarms = sorted((a for a in alerts if a.alert_class is not AlertClass.CALL), key=lambda alert: alert.raised_at)
    rows = []
    for fault in faults:
        found = next((alert for alert in alarms if _belongs(alert, fault)), None)
        rows.append(
            {
                "kind": str(fault.kind),
                "place": fault.place,
                "onset": format_time(fault.onset),
                "found_at": format_time(found.raised_at) if found else None,
                "alert": found.id if found else None,
            }
        )
    alone = [alert for alert in alarms if not any(_belongs(alert, fault) for fault in faults)]
    return {"faults": rows, "alerts_without_fault": len(alone), "alone": [_alone(alert) for alert in alone]}


def _belongs(alert: Alert, fault: FaultPlan) -> bool:
    return alert.place == fault.place and fault.onset <= alert.raised_at <= fault.onset + fault.lasts_s + AFTER_S


def _alone(alert: Alert) -> dict[str, Any]:
    return {"alert": alert.id, "place": alert.place, "kind": alert.kind, "raised_at": format_time(alert.raised_at)}


def in_words(told: dict[str, Any], faults: Sequence[FaultPlan], alerts: Sequence[Alert]) -> str:
    """Return the summary as a person reads it."""
    raised = {alert.id: alert for alert in alerts}
    found = [row for row in told["faults"] if row["alert"]]
    lines = [
        f"{len(told['faults'])} faults struck, {len(found)} were found, {len(told['faults']) - len(found)} missed:"
    ]
    for row, fault in zip(told["faults"], faults, strict=True):
        alert = raised.get(row["alert"] or "")
        after = f"found after {(alert.raised_at - fault.onset) / 60:.0f} min: {alert.why}" if alert else "missed"
        lines.append(f"  {row['kind']} at {row['place']}, {row['onset']}: {after}")
    lines.append(f"{told['alerts_without_fault']} alerts without a fault")
    lines += [f"  {row['kind']} at {row['place']}, {row['raised_at']}" for row in told["alone"]]
    return "\n".join(lines)
