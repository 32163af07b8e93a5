# SPDX-License-Identifier: AGPL-3.0-or-later
"""What facts and values say about alerts: something begins, something ends."""

from __future__ import annotations

from typing import Literal, NamedTuple

from cyberfilter.alerts.lifecycle import Happening
from cyberfilter.contract.alert import AlertClass


class Whose(NamedTuple):
    """The device that a signal is about, and the place that owns it; a place twice: it is about what is below it."""

    device: str
    place: str


class Begins(NamedTuple):
    """Something asks for a person: `what` is the index or the kind, of which one episode is open at a time.

    `how` says what it does to an alert that is open already: it is worse, it is of another sort than was said, or more
    machines have joined.
    """

    alert_class: AlertClass
    kind: str
    what: str
    ts: float
    facts: dict[str, float | str]
    index_name: str | None = None
    how: Literal[Happening.WORSE, Happening.CORRECT, Happening.JOIN] | None = None


class Ends(NamedTuple):
    """What had asked for a person does so no more: recovered by itself, or answered by somebody's act."""

    what: str
    ts: float
    how: Happening


Signal = Begins | Ends
