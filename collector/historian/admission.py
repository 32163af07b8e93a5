# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a row must be to be kept: every historian gives the same answer, and cuts time into the same microseconds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from collector.contract.limits import NUMBER_ABS_MAX, TOPIC_BYTES_MAX
from collector.contract.ports import IndexRow, ReadingRow, RefusedRow

Row = ReadingRow | IndexRow

TIME_S_MAX: Final = 9.2e9
"""Latest time, and earliest with a minus: nanoseconds in 64 bits end in the year 2262."""
TEXT_BYTES_MAX: Final = TOPIC_BYTES_MAX
"""Longest address or name: it came in a topic."""


def admit(rows: Sequence[Row]) -> tuple[list[Row], list[RefusedRow]]:
    """Return the rows that can be kept, in their order, and the others with their reason."""
    admitted: list[Row] = []
    refused: list[RefusedRow] = []
    for row in rows:
        reason = why_not(row)
        if reason is None:
            admitted.append(row)
        else:
            refused.append(RefusedRow(row, reason))
    return admitted, refused


def why_not(row: Row) -> str | None:
    """Return why the row can never be kept, or None where it can.

    >>> why_not(ReadingRow("commons/mk4", "mk4", "nozzle_degc", 0.0, float("nan")))
    'value = nan is not a number within ±1e+15 (name: nozzle_degc)'
    """
    if not -TIME_S_MAX <= row.ts <= TIME_S_MAX:
        return f"ts = {row.ts} is not a time within ±{TIME_S_MAX:g} s of 1970 (name: {row.name!r})"
    if not -NUMBER_ABS_MAX <= row.value <= NUMBER_ABS_MAX:
        return f"value = {row.value} is not a number within ±{NUMBER_ABS_MAX:g} (name: {row.name})"
    reason = why_not_text("place", row.place) or why_not_text("name", row.name)
    if reason is None and isinstance(row, ReadingRow):
        return why_not_text("device", row.device)
    return reason or _why_not_band(row)


def _why_not_band(row: Row) -> str | None:
    if isinstance(row, IndexRow):
        for what, bound in (("lo95", row.lo95), ("hi95", row.hi95)):
            if bound is not None and not -NUMBER_ABS_MAX <= bound <= NUMBER_ABS_MAX:
                return f"{what} = {bound} is not a number within ±{NUMBER_ABS_MAX:g} (name: {row.name})"
    return None


@lru_cache(maxsize=65_536)
def why_not_text(what: str, text: str) -> str | None:
    r"""Return why an address or a name cannot be kept, or None where it can.

    Refused is what line protocol has no escape for: characters without a printed form (line breaks among them)
    and the backslash, which would swallow the separator behind it.

    >>> why_not_text("place", "taller/höhe 3, mk4=a")
    >>> why_not_text("name", "a\n")
    "name = 'a\\n' has a character that cannot be printed"
    """
    if not text:
        return f"{what} is empty"
    if not text.isprintable():
        return f"{what} = {text[:80]!r} has a character that cannot be printed"
    if "\\" in text:
        return f"{what} = {text[:80]!r} has a backslash"
    bytes_count = len(text.encode())
    if bytes_count > TEXT_BYTES_MAX:
        return f"{what} = {text[:80]!r}… has {bytes_count} bytes, at most {TEXT_BYTES_MAX} are kept"
    return None


def micros(ts: float) -> int:
    """Return Unix seconds as whole microseconds: the time under which a row is kept.

    >>> micros(1700000000.1234567)
    1700000000123457
    """
    return round(ts * 1e6)


def micros_bound(ts: float) -> int:
    """Return a bound of a range in microseconds, rounded as rows are; infinite ones lie just outside every row."""
    return micros(min(max(ts, -TIME_S_MAX - 1.0), TIME_S_MAX + 1.0))
