# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a row must be to be kept: every historian gives the same answer, and cuts time into the same microseconds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Final, NamedTuple

from collector.contract.limits import NUMBER_ABS_MAX, TOPIC_BYTES_MAX
from collector.contract.ports import IndexRow, ReadingColumn, ReadingRow, RefusedRow

Row = ReadingRow | IndexRow
Rows = Sequence[ReadingRow | IndexRow | ReadingColumn]

TIME_S_MAX: Final = 9.2e9
"""Latest time, and earliest with a minus: nanoseconds in 64 bits end in the year 2262."""
TEXT_BYTES_MAX: Final = TOPIC_BYTES_MAX
"""Longest address or name: it came in a topic."""


class Run(NamedTuple):
    """Samples of one series, in the order in which they came; `device` is None for an index, which alone has a band."""

    place: str
    device: str | None
    name: str
    times_us: list[int]
    values: list[float]
    lows: list[float | None]
    highs: list[float | None]

    def row(self, position: int) -> Row:
        """Return one of them as the row that it came in, its time cut to the microsecond."""
        ts, value = self.times_us[position] / 1e6, self.values[position]
        if self.device is None:
            return IndexRow(self.place, self.name, ts, value, self.lows[position], self.highs[position])
        return ReadingRow(self.place, self.device, self.name, ts, value)

    def in_order(self) -> tuple[list[int], list[float]]:
        """Return times and values, oldest first; of equal times the later one still comes last."""
        ordered = sorted(self.times_us)
        if ordered == self.times_us:
            return self.times_us, self.values
        pairs = sorted(zip(self.times_us, self.values, strict=True), key=itemgetter(0))
        return ordered, [value for _, value in pairs]


_Runs = dict[tuple[str, str | None, str], Run]


def admit(rows: Rows) -> tuple[list[Run], list[RefusedRow]]:
    """Return what can be kept, by series, and the other rows with their reason."""
    runs: _Runs = {}
    refused: list[RefusedRow] = []
    for row in rows:
        if isinstance(row, ReadingColumn):
            _admit_column(row, runs, refused)
            continue
        if isinstance(row, ReadingRow):
            place, device, name, ts, value = row
            run = runs.get((place, device, name))
            if run is not None and -TIME_S_MAX <= ts <= TIME_S_MAX and -NUMBER_ABS_MAX <= value <= NUMBER_ABS_MAX:
                run.times_us.append(round(ts * 1e6))
                run.values.append(float(value))
                continue
        _admit_row(row, runs, refused)
    return list(runs.values()), refused


def _admit_row(row: Row, runs: _Runs, refused: list[RefusedRow]) -> None:
    reason = why_not(row)
    if reason is not None:
        refused.append(RefusedRow(row, reason))
        return
    if isinstance(row, ReadingRow):
        run = _run(runs, row.place, row.device, row.name)
    else:
        run = _run(runs, row.place, None, row.name)
        run.lows.append(None if row.lo95 is None else float(row.lo95))
        run.highs.append(None if row.hi95 is None else float(row.hi95))
    run.times_us.append(micros(row.ts))
    run.values.append(float(row.value))


def _run(runs: _Runs, place: str, device: str | None, name: str) -> Run:
    key = place, device, name
    found = runs.get(key)
    if found is None:
        found = runs[key] = Run(*key, [], [], [], [])
    return found


def _admit_column(column: ReadingColumn, runs: _Runs, refused: list[RefusedRow]) -> None:
    """Take a column whole where all of it can be kept, else row by row."""
    place, device, name, times, values = column
    if len(times) != len(values):
        raise ValueError(f"{len(values)} values for {len(times)} times (name: {name!r})")
    texts = why_not_text("place", place) or why_not_text("device", device) or why_not_text("name", name)
    if texts is None and _within(times, TIME_S_MAX) and _within(values, NUMBER_ABS_MAX):
        run = _run(runs, place, device, name)
        run.times_us.extend([round(ts * 1e6) for ts in times])
        run.values.extend(map(float, values))
        return
    for row in rows_of_column(column):
        _admit_row(row, runs, refused)


def rows_of_column(column: ReadingColumn) -> Iterator[ReadingRow]:
    """Yield the rows that the column stands for."""
    place, device, name, times, values = column
    for ts, value in zip(times, values, strict=True):
        yield ReadingRow(place, device, name, ts, value)


def _within(numbers: Sequence[float], most: float) -> bool:
    """Tell whether all are numbers within ±`most`; the sum is none where one of them is none."""
    total = sum(numbers)
    return not numbers or (total == total and -most <= min(numbers) and max(numbers) <= most)  # noqa: PLR0124


def why_not(row: Row) -> str | None:
    """Return why the row can never be kept, or None where it can.

    >>> why_not(ReadingRow("commons/mk4", "mk4", "nozzle_degc", 0.0, float("nan")))
    'value = nan is not a number within ±1e+15 (name: nozzle_degc)'
    """
    if not -TIME_S_MAX <= row.ts <= TIME_S_MAX:
        return f"ts = {row.ts} is not a time within ±{TIME_S_MAX:g} s of 1970 (name: {row.name[:80]!r})"
    if not -NUMBER_ABS_MAX <= row.value <= NUMBER_ABS_MAX:
        return f"value = {row.value} is not a number within ±{NUMBER_ABS_MAX:g} (name: {row.name[:80]})"
    reason = why_not_text("place", row.place) or why_not_text("name", row.name)
    if reason is None and isinstance(row, ReadingRow):
        return why_not_text("device", row.device)
    return reason or _why_not_band(row)


def _why_not_band(row: Row) -> str | None:
    if isinstance(row, IndexRow):
        for what, bound in (("lo95", row.lo95), ("hi95", row.hi95)):
            if bound is not None and not -NUMBER_ABS_MAX <= bound <= NUMBER_ABS_MAX:
                return f"{what} = {bound} is not a number within ±{NUMBER_ABS_MAX:g} (name: {row.name[:80]})"
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
