# SPDX-License-Identifier: AGPL-3.0-or-later
"""The Cyberfilter's figures for /metrics: one row each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from collector.contract.figure import Figure
from cyberfilter.contract.alert import AlertClass

_Row = tuple[str, str, Literal["gauge", "counter"], str]
_ROWS: Final[tuple[_Row, ...]] = (
    ("fact_number", "cyberfilter_fact_number", "gauge", "Newest fact that was taken"),
    ("index_values", "cyberfilter_index_values_total", "counter", "Index values judged since the start"),
    ("rows_owed", "cyberfilter_index_rows_owed", "gauge", "Index values that wait for the historian"),
    ("rows_lost", "cyberfilter_index_rows_lost_total", "counter", "Index values given up: the historian was away"),
    ("rows_refused", "cyberfilter_index_rows_refused_total", "counter", "Index values that the historian refused"),
    ("actions_refused", "cyberfilter_actions_refused_total", "counter", "Actions over MQTT that were refused"),
)


def figures(counts: Mapping[str, int], opened: Sequence[AlertClass]) -> list[Figure]:
    """Return the figures; `opened` holds the class of every open alert."""
    found = [Figure(name, kind, text, counts[key]) for key, name, kind, text in _ROWS]
    for alert_class in AlertClass:
        labels = {"class": alert_class.value}
        found.append(Figure("cyberfilter_alerts_open", "gauge", "Open alerts", opened.count(alert_class), labels))
    return found
