# SPDX-License-Identifier: AGPL-3.0-or-later
"""What is found at fixed thresholds, as shipped: nothing is tuned to the noise at hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from headline import Row, judge
from judging import Bools
from ours import Heard
from scenarios import CHANGES
from table import Session, number, share, show

LIMITS: Final = (0.5, 0.9)
WANTED: Final = (
    ("step 2", 0.98, 4.0),
    ("step 1", 0.85, 20.0),
    ("drift 0.05", 0.98, 30.0),
    ("sd x2", 0.95, 12.0),
    ("flat", 0.98, 10.0),
    ("season stops", 0.90, 96.0),
)
"""Goal 3 at P > .5: change, share found, median delay."""


def run(session: Session, kept: Mapping[str, list[Heard]]) -> None:
    """Print the table of what our filters said of the headline's cells, and note goal 3."""
    rows: dict[str, Row] = {}
    for name, cells in kept.items():
        for limit in LIMITS:
            alarms = {c.name: _alarms(heard, c.kind, limit) for c, heard in zip(CHANGES, cells, strict=True)}
            rows[f"{name}, P > {limit}"] = judge(alarms["nothing"], alarms)
        calls = {c.name: heard.calls() for c, heard in zip(CHANGES, cells, strict=True)}
        rows[f"{name}, verdict"] = judge(calls["nothing"], calls)
    _print(rows)
    session.found["fixed"] = {
        name: {"false_per_1000": row.false} | {cell: list(one) for cell, one in row.cells.items()}
        for name, row in rows.items()
    }
    own = rows["hypotheses, P > 0.5"]
    for name, least, latest in WANTED:
        cell = own.cells[name]
        session.goal(
            f"3 P > .5: {name} ≥ {share(least)} % ≤ {latest:.0f} rows",
            f"{share(cell.found)} %, {number(cell.delay, 0)} rows",
            bool(cell.found >= least and cell.delay <= latest),
        )
    spikes = {name: own.cells[name].found for name in ("spike 4", "spike 6", "spike 10")}
    session.goal(
        "3 P > .5: spikes called a change ≤ 5 % (within 3 rows)",
        "/".join(share(value) for value in spikes.values()) + " %",
        max(spikes.values()) <= 0.05,
    )


def _alarms(heard: Heard, kind: str, limit: float) -> Bools:
    """Return where P is above the limit; the rules for a stuck sensor and a lost season speak by their word."""
    alarms = heard.p_change > limit
    return alarms | heard.calls() if kind in {"flat", "season"} else alarms


def _print(rows: Mapping[str, Row]) -> None:
    names = [change.name for change in CHANGES[1:]]
    show(
        "fixed thresholds: found in 100 rows, %, / median delay in rows",
        ("filter", "FA/1000", *names, "10σ<100"),
        [
            (
                name,
                number(row.false),
                *(
                    share(row.cells[cell].found)
                    + (f"/{row.cells[cell].delay:.0f}" if row.cells[cell].found > 0.5 else "")
                    for cell in names
                ),
                share(row.after_spike),
            )
            for name, row in rows.items()
        ],
    )
