# SPDX-License-Identifier: AGPL-3.0-or-later
"""How an alert lives and ends: one table, and an alert as the fold of what happened to it.

An alert that nobody saw and that recovers waits for a person (returned); one that somebody saw and that recovers is
closed. A call is answered by the act that it asked for. Acknowledging does not stop the clock; extending does, once.
What has become materially worse asks again, whoever has acknowledged it.
"""

from __future__ import annotations

from enum import StrEnum
from hashlib import blake2s
from typing import Any, Final, Literal, NamedTuple

import msgspec

from collector.contract.ports import Entry
from cyberfilter.contract.alert import Action, Alert, AlertState


class Happening(StrEnum):
    """What happens to an alert without a person's word."""

    RETURN = "return"
    AGAIN = "again"
    WORSE = "worse"
    CORRECT = "correct"
    JOIN = "join"
    ANSWER = "answer"
    ESCALATE = "escalate"


class Row(NamedTuple):
    """One row of the table: in `before`, `what` leads to `after`."""

    before: AlertState
    what: Action | Happening
    after: AlertState


_R, _A, _B, _C = AlertState.RAISED, AlertState.ACKNOWLEDGED, AlertState.RETURNED, AlertState.CLOSED
TRANSITIONS: Final = (
    Row(_R, Action.ACKNOWLEDGE, _A),
    Row(_R, Action.EXTEND, _R),
    Row(_R, Action.CLOSE, _C),
    Row(_R, Happening.RETURN, _B),
    Row(_R, Happening.ANSWER, _C),
    Row(_R, Happening.ESCALATE, _R),
    Row(_R, Happening.WORSE, _R),
    Row(_R, Happening.CORRECT, _R),
    Row(_R, Happening.JOIN, _R),
    Row(_A, Action.EXTEND, _A),
    Row(_A, Action.CLOSE, _C),
    Row(_A, Happening.RETURN, _C),
    Row(_A, Happening.ANSWER, _C),
    Row(_A, Happening.ESCALATE, _A),
    Row(_A, Happening.WORSE, _R),
    Row(_A, Happening.CORRECT, _A),
    Row(_A, Happening.JOIN, _A),
    Row(_B, Action.ACKNOWLEDGE, _C),
    Row(_B, Action.CLOSE, _C),
    Row(_B, Happening.AGAIN, _R),
    Row(_B, Happening.ANSWER, _C),
)
_NEXT: Final = {(row.before, row.what): row.after for row in TRANSITIONS}
_PREFIX: Final = "alert_"
RAISE: Final = _PREFIX + "raise"
JOIN: Final = _PREFIX + Happening.JOIN
CORRECT: Final = _PREFIX + Happening.CORRECT

Decision = Literal["done", "repeated", "impossible"]


def step(state: AlertState, what: Action | Happening) -> AlertState | None:
    """Return the next state, or None where the table has no such row.

    >>> step(AlertState.RAISED, Happening.RETURN)
    <AlertState.RETURNED: 'returned'>
    """
    return _NEXT.get((state, what))


def decide(alert: Alert, action: Action) -> Decision:
    """Tell whether a person's action has an effect now, had it already, or does not fit the alert's state."""
    had = {
        Action.ACKNOWLEDGE: alert.acknowledged_at is not None,
        Action.EXTEND: alert.extended,
        Action.CLOSE: alert.state is AlertState.CLOSED,
    }
    if had[action]:
        return "repeated"
    clockless = action is Action.EXTEND and alert.deadline_at is None
    return "impossible" if clockless or step(alert.state, action) is None else "done"


def alert_id(place: str, what: str, fact_ts: float) -> str:
    """Return the alert's id: the same place, index or kind, and fact's time give the same id, whenever it is asked."""
    return blake2s(f"{place}|{what}|{fact_ts:.3f}".encode(), digest_size=6).hexdigest()


def raise_entry(alert: Alert) -> Entry:
    """Return the journal entry that begins an alert; its id is the alert's, so a replay adds nothing."""
    return Entry(f"{alert.id}:raise", alert.raised_at, RAISE, alert.id, msgspec.to_builtins(alert))


def entry(alert: Alert, what: Action | Happening, *, ts: float, key: str = "", body: dict[str, Any]) -> Entry:
    """Return the journal entry of one happening; alert, happening and key make its id."""
    return Entry(f"{alert.id}:{what}{':' if key else ''}{key}", ts, _PREFIX + what, alert.id, body)


def fold(alert: Alert | None, entry: Entry) -> Alert | None:
    """Return the alert after the entry; an entry that the table does not know here leaves it as it is."""
    if entry.kind == RAISE:
        return alert or msgspec.convert(entry.body, Alert)
    what = _word(entry.kind)
    after = step(alert.state, what) if alert is not None and what is not None else None
    if alert is None or what is None or after is None:
        return alert
    changed = msgspec.structs.replace(alert, state=after, **_marks(alert, what, entry))
    ended = after is AlertState.CLOSED and changed.closed_at is None
    return msgspec.structs.replace(changed, closed_at=entry.ts) if ended else changed


def _word(kind: str) -> Action | Happening | None:
    word = kind.removeprefix(_PREFIX)
    if kind == word:
        return None
    for family in (Action, Happening):
        if word in family.__members__.values():
            return family(word)
    return None


def _marks(alert: Alert, what: Action | Happening, entry: Entry) -> dict[str, Any]:
    """Return the fields that the happening sets."""
    body = entry.body
    told: dict[str, Any] = {name: body[name] for name in ("why", "facts") if name in body}
    corrected = told | {name: body[name] for name in ("kind",) if name in body}
    marks: dict[Action | Happening, dict[str, Any]] = {
        Action.ACKNOWLEDGE: {"acknowledged_at": entry.ts, "acknowledged_note": body.get("note")},
        Action.EXTEND: {"extended": True, "deadline_at": body.get("deadline_at", alert.deadline_at)},
        Action.CLOSE: {},
        Happening.RETURN: {"returned_at": entry.ts},
        Happening.AGAIN: {"returned_at": None, "deadline_at": body.get("deadline_at")},
        Happening.WORSE: told | {"acknowledged_at": None, "acknowledged_note": None},
        Happening.CORRECT: corrected,
        Happening.JOIN: told,
        Happening.ANSWER: {"returned_at": alert.returned_at or entry.ts},
        Happening.ESCALATE: {"raised_to": body.get("raised_to"), "deadline_at": body.get("deadline_at")},
    }
    return marks[what]


def diagram() -> str:
    """Return the table as a Mermaid state diagram, for the README."""
    arrows = [f"    {row.before} --> {row.after}: {row.what}" for row in TRANSITIONS]
    return "\n".join(["stateDiagram-v2", f"    [*] --> {_R}", *arrows, f"    {_C} --> [*]"])
