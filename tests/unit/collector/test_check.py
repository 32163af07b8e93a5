# SPDX-License-Identifier: AGPL-3.0-or-later
"""`machine check`: what it says of a machine's silence, and of one that nobody registered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from collector.check import Heard, Line, lines
from collector.contract.tree import Plant
from collector.listing import machines
from collector.memory import Memory
from collector.newcomers import Sighting
from collector.registry import Registry
from collector.spool import Spool

ROW = {
    "place": "hall/x1", "dialect": "octoprint", "state": "idle", "why": None, "last_seen": "2026-11-23T10:00:00.000Z",
    "lag_s": None, "numbered": False, "missing_count": 0, "account": {},
}  # fmt: skip


def checked(row: dict[str, Any]) -> list[Line]:
    return lines(Heard("x1", row, [], [], registered=True, has_password=True))


@pytest.mark.parametrize(
    ("cadence_s", "silent_after_s", "told", "has_step"),
    [
        (10.0, 30.0, "it is missed after 30 s without a word", False),
        (0.0, None, "its silence means nothing: cadence_s = 0 in the plant file", False),
        (None, None, "it is not missed now: it is at rest, or its rhythm is not known yet", True),
        (10.0, None, "it is not missed now: as it is, it need not speak", False),
    ],
)
def test_a_machine_s_silence_is_told(
    cadence_s: float | None, silent_after_s: float | None, told: str, has_step: bool
) -> None:
    row = ROW | {"cadence_s": cadence_s, "silent_after_s": silent_after_s}
    (line,) = (each for each in checked(row) if each.about == "silence")
    assert (line.text, bool(line.step)) == (told, has_step)


def test_a_machine_that_nobody_registered_can_be_checked(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "facts.db")
    seen = Sighting("hall/x1", "octoprint", 100.0, 100.0)
    (row,) = machines(Memory(spool), Registry(Plant({}, {})), spool, sighted=[seen])
    spool.close()
    assert "heard" in [line.about for line in checked(row)]
