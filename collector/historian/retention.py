# SPDX-License-Identifier: AGPL-3.0-or-later
"""How long a historian keeps what: samples, their minutes, their hours."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from collector.contract.errors import Misconfigured

DAY_US: Final = 86_400_000_000
HOUR_US: Final = 3_600_000_000


@dataclass(frozen=True)
class Retention:
    """Days that samples, minutes and hours are kept; 0: for ever. What is coarser lasts at least as long.

    Raises Misconfigured where it does not.

    >>> Retention(minute_days=7)
    Traceback (most recent call last):
    collector.contract.errors.Misconfigured: minute_days = 7 is less than raw_days = 31; as many or more would work
    """

    raw_days: int = 31
    minute_days: int = 180
    hour_days: int = 0

    def __post_init__(self) -> None:
        spans = [("raw_days", self.raw_days), ("minute_days", self.minute_days), ("hour_days", self.hour_days)]
        for (finer, least), (coarser, days) in pairwise(spans):
            if days and (days < least or not least):
                text = "as many or more would work" if least else "0 would work"
                raise Misconfigured(f"{coarser} = {days} is less than {finer} = {least or 'for ever'}; {text}")


FOR_EVER: Final = Retention(0, 0, 0)
KEPT: Final = Retention()
"""What holds where nothing is said."""


def oldest_us(days: int, now_us: int) -> int | None:
    """Return the time before which nothing is kept, None where all is: a full hour, because hours go whole.

    >>> oldest_us(1, 2 * DAY_US + HOUR_US - 1), oldest_us(0, 5)
    (86400000000, None)
    """
    return (now_us - days * DAY_US) // HOUR_US * HOUR_US if days else None
