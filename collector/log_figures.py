# SPDX-License-Identifier: AGPL-3.0-or-later
"""How the fact log and its way to the historian stand, as figures for /metrics."""

from __future__ import annotations

from collections.abc import Iterator

from collector.contract.figure import Figure
from collector.drain import Drain
from collector.spool import Spool


def figures(spool: Spool, drain: Drain) -> Iterator[Figure]:
    """Yield the log's size, bound, age and room, the drain's rate and trouble, and what quarantine holds."""
    state, ward = spool.state(), spool.ward()
    yield Figure("cybersyn_log_bytes", "gauge", "bytes in use of the fact log", state.bytes)
    yield Figure("cybersyn_log_bytes_max", "gauge", "bytes that the fact log may use", state.bytes_max)
    yield Figure("cybersyn_log_full", "gauge", "whether no message is taken for want of room", float(bool(state.full)))
    yield Figure("cybersyn_disk_free_bytes", "gauge", "free bytes of the fact log's disk", state.disk_free_bytes)
    yield Figure("cybersyn_drain_behind", "gauge", "batches that the historian lacks", state.behind)
    yield Figure("cybersyn_drain_age_seconds", "gauge", "age of the oldest of them", drain.age_s(state.oldest_at))
    yield Figure("cybersyn_drain_rate", "gauge", "batches a second into the historian, last minute", drain.rate_per_s)
    yield Figure("cybersyn_drain_waits", "gauge", "whether the historian is away", float(drain.waits is not None))
    yield Figure("cybersyn_quarantine_items", "gauge", "refused messages that are kept", ward.items)
    yield Figure("cybersyn_quarantine_bytes", "gauge", "bytes of them", ward.bytes)
    for (device, word), count in sorted(spool.counts().items()):
        if word == "dropped":
            text = "refused messages that had to make room for newer ones"
            yield Figure("cybersyn_quarantine_dropped", "counter", text, count, {"device": device})
