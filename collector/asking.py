# SPDX-License-Identifier: AGPL-3.0-or-later
"""Messages that somebody waits for: over HTTP, or out of quarantine. The loop decides them."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Final, TypeVar

from collector.contract.errors import Refusal, Unavailable
from collector.decision import Decision

_ANSWER_S: Final = 20.0
_T = TypeVar("_T")


class Asked:
    """One message, how it is decided, and who waits for the answer; `sender` and `size_bytes` are for its quota."""

    def __init__(self, decide: Callable[[], Decision], *, sender: str = "", size_bytes: int = 0) -> None:
        self.decide = decide
        self.sender, self.size_bytes = sender, size_bytes
        self.over: str | None = None
        self._answer: Future[str] = Future()

    def answer(self, found: Refusal | str) -> None:
        """Tell who waits: whose message was kept, or why it was not."""
        if isinstance(found, Refusal):
            self._answer.set_exception(found)
        else:
            self._answer.set_result(found)

    def wait(self) -> str:
        """Return whose message was kept. Raises Refusal, or Unavailable where nobody answered in time."""
        try:
            return self._answer.result(timeout=_ANSWER_S)
        except TimeoutError:
            raise Unavailable("the collector could not keep the message in time; send it again") from None


def emptied(waiting: queue.Queue[_T]) -> Iterator[_T]:
    """Yield what waits in the queue now."""
    while True:
        try:
            yield waiting.get_nowait()
        except queue.Empty:
            return
