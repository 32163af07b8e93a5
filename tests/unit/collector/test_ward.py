# SPDX-License-Identifier: AGPL-3.0-or-later
"""Quarantine is bounded, and an offender can't push out the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector import quarantine
from collector.drain import Drain
from collector.historian.memory import MemoryHistorian
from collector.log_figures import figures
from collector.spool import Spool
from collector.turn import Quarantined, Turn
from collector.ward import Size
from deploy.clock import FileClock


def refused(device: str, payload: bytes = b"x") -> Quarantined:
    return Quarantined.of("t", payload, device=device, reason="r", detail="d", at=1.0)


def kept(spool: Spool) -> list[str]:
    return [item.device for item in reversed(quarantine.items(spool))]


def opened(path: Path, items: int = 8, size_bytes: int = 1_000) -> Spool:
    return Spool(path / "facts.db", ward=Size(items, size_bytes))


def test_offender_pushes_out_itself_alone(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.commit(Turn(quarantined=[refused("quiet"), *[refused("loud")] * 5]))
    assert kept(spool) == ["quiet", "loud", "loud"]
    assert spool.counts() == {("loud", "dropped"): 3}
    spool.close()


def test_bytes_of_one_device_are_bounded_at_a_quarter(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.commit(Turn(quarantined=[refused("a", b"x" * 125), refused("a", b"x" * 125)]))
    assert spool.ward() == Size(2, 250)
    spool.commit(Turn(quarantined=[refused("a", b"y")]))
    assert spool.ward() == Size(2, 126)
    spool.close()


def test_oldest_goes_where_all_together_are_too_many(tmp_path: Path) -> None:
    spool = opened(tmp_path, items=8)
    spool.commit(Turn(quarantined=[refused(device) for device in "aabbccdde"]))
    assert kept(spool) == list("abbccdde")
    spool.close()


def test_sizes_and_losses_are_known_after_a_restart(tmp_path: Path) -> None:
    first = opened(tmp_path)
    first.commit(Turn(quarantined=[refused("a", b"xyz")] * 3))
    first.close()
    again = opened(tmp_path)
    assert (again.ward(), again.counts()) == (Size(2, 6), {("a", "dropped"): 1})
    again.close()


def test_turn_that_fails_leaves_the_sizes_as_they_are_on_disk(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    turn = Turn(quarantined=[refused("a")])
    turn.counts["a", "received"] = object()  # type: ignore[assignment]
    with pytest.raises(Exception, match="type"):
        spool.commit(turn)
    assert (spool.ward(), kept(spool)) == (Size(0, 0), [])
    spool.close()


def test_what_was_let_go_is_a_figure(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.commit(Turn(quarantined=[refused("loud")] * 5))
    told = {f.name: (f.value, f.labels) for f in figures(spool, Drain(spool, MemoryHistorian(), FileClock(1.0)))}
    assert told["cybersyn_quarantine_dropped"] == (3, {"device": "loud"})
    assert told["cybersyn_quarantine_items"][0] == 2
    spool.close()
