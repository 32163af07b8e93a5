# SPDX-License-Identifier: AGPL-3.0-or-later
"""The loop that writes the production book: read facts, take them, keep them, let go of what is too old.

Records and the number of the last fact are kept in one transaction; whoever kills the process at any moment and starts
it again gets the same book.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, Final

from collector.contract import limits
from collector.contract.errors import Unavailable
from collector.contract.figure import Figure
from collector.contract.ports import Chronicle, Clock, FactLog
from collector.contract.reading import Batch
from collector.contract.tree import Plant
from cyberfilter.ahead import Wish, ahead
from cyberfilter.production.answers import Question, answer
from cyberfilter.production.book import Book
from cyberfilter.production.lookup import DAY_S

READER: Final = "production"
SAVE_EVERY_S: Final = 60.0
"""How long (real s) facts wait to be written together while nobody asks: a restart reads them again."""
ASKED_EVERY_S: Final = 2.0
"""How long they wait while somebody looks, who asked within the last minute or two."""
LOOKS_S: Final = 150.0
UNSAVED_FACTS_MAX: Final = 5_000
FORGET_EVERY_S: Final = 60.0
FORGOTTEN_AT_ONCE_MAX: Final = 1_000


class Bookkeeping:
    """One thread turns; any thread may ask."""

    def __init__(self, *, facts: FactLog, chronicle: Chronicle, clock: Clock, plant: Plant, kept_days: int) -> None:
        self._facts, self._chronicle, self._clock = facts, chronicle, clock
        self._plant, self._kept_days = plant, kept_days
        self._book = Book(chronicle)
        self._saved_s = time.monotonic()
        self._forgot_s = self._asked_s = float("-inf")
        self._trouble: str | None = None
        facts.passed(READER, self._book.n)

    def turn(self, wait_s: float) -> int:
        """Take new facts; return how many batches were read. Waits at most `wait_s` real seconds."""
        try:
            found = self._facts.read_from(self._book.n + 1, most=limits.FACTS_PAGE_MAX, wait_s=wait_s)
            if not found and (last := self._facts.last()) < self._book.n:
                raise Unavailable(f"the fact log ends at {last}, before fact {self._book.n} of the book")
            self._book.take(found)
            self._save_when_due()
            self._forget_when_due()
            self._trouble = None
        except Unavailable as error:
            self._trouble = str(error)
            time.sleep(wait_s)
            return 0
        return len(found)

    def replant(self, plant: Plant) -> None:
        """Go by this plant from now on. Any thread may call."""
        self._plant = plant

    def rehearse(self, batches: Iterable[Batch]) -> None:
        """Take old batches that have no number, each given once. Raises Unavailable."""
        self._book.rehearse(batches)

    def ask(self, question: Question) -> list[dict[str, Any]]:
        """Return the items of a question, newest first. Raises Refusal, Unavailable."""
        self._asked_s = time.monotonic()
        return answer(self._chronicle, self._plant, question, self._clock.now())

    def outlook(self, wish: Wish) -> dict[str, Any]:
        """Return what an indicator comes to until the end of a day. Raises Refusal, Unavailable."""
        return ahead(self._plant, wish, self._clock.now(), self.ask)

    def now(self) -> float:
        """Return the plant's time (Unix s)."""
        return self._clock.now()

    def knows(self, place: str) -> bool:
        """Tell whether the place is one of the plant."""
        return place in self._plant.units

    def ready(self) -> str | None:
        """Return None where all is well, else what is in trouble."""
        return None if self._trouble is None else f"production book: {self._trouble}"

    def figures(self) -> list[Figure]:
        """Return its figures for /metrics."""
        return [Figure("cyberfilter_production_fact_number", "gauge", "Newest fact in the book", self._book.saved_n)]

    def close(self) -> None:
        """Write what was taken; the chronicle stays open, it is not ours."""
        try:
            self._save()
        except Unavailable as error:
            self._trouble = str(error)

    def _save_when_due(self) -> None:
        waiting, now_s = self._book.n - self._book.saved_n, time.monotonic()
        every_s = min(ASKED_EVERY_S, SAVE_EVERY_S) if now_s - self._asked_s < LOOKS_S else SAVE_EVERY_S
        if waiting >= UNSAVED_FACTS_MAX or (waiting and now_s - self._saved_s >= every_s):
            self._save()

    def _save(self) -> None:
        self._book.save()
        self._saved_s = time.monotonic()
        self._facts.passed(READER, self._book.saved_n)

    def _forget_when_due(self) -> None:
        if not self._kept_days or time.monotonic() - self._forgot_s < FORGET_EVERY_S:
            return
        before = self._clock.now() - self._kept_days * DAY_S
        if self._chronicle.forget(before, most=FORGOTTEN_AT_ONCE_MAX) < FORGOTTEN_AT_ONCE_MAX:
            self._forgot_s = time.monotonic()
