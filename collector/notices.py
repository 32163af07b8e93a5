# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the collector noticed, for people: the newest, and none more often than once an hour (pure)."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import Final, NamedTuple

from collector.contract.event import Noted, Trouble
from collector.contract.reading import Batch

EVERY_S: Final = 3_600.0
SHOWN_MAX: Final = 200
KEPT_MAX: Final = 10_000
"""Things remembered; beyond, the one that was told first may be told again."""


class Notice(NamedTuple):
    """Something noticed of a device, or of ourselves, at a time of the plant (Unix s)."""

    device: str
    at: float
    event: str
    detail: str


class Notices:
    """What was told, and when (plant's Unix s)."""

    def __init__(self) -> None:
        self._newest: deque[Notice] = deque(maxlen=SHOWN_MAX)
        self._told_at: OrderedDict[tuple[str, str], float] = OrderedDict()

    def is_due(self, what: tuple[str, str], at: float) -> bool:
        """Tell whether this should be told now, and note that it is."""
        told_at = self._told_at.get(what)
        if told_at is not None and 0.0 <= at - told_at < EVERY_S:
            return False
        self._told_at[what] = at
        self._told_at.move_to_end(what)
        if len(self._told_at) > KEPT_MAX:
            self._told_at.popitem(last=False)
        return True

    def add(self, made: Iterable[Batch]) -> None:
        """Take what the collector put into the log itself; states and jobs are no news of its own."""
        for batch in made:
            for fact in batch.facts:
                if isinstance(fact, Noted):
                    detail = ", ".join(str(value) for value in fact.body.values())
                    self._newest.append(Notice(batch.device, fact.ts, fact.event, detail[:300]))
                elif isinstance(fact, Trouble):
                    self._newest.append(Notice(batch.device, fact.ts, fact.kind, fact.why))

    def newest(self) -> list[Notice]:
        """Return the newest, oldest first."""
        return list(self._newest)
