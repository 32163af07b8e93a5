# SPDX-License-Identifier: AGPL-3.0-or-later
"""Our filters over many series at once: what a bank said of every row, as arrays (runs, rows)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from judging import Bools, Floats
from numpy.typing import NDArray

from cyberfilter.contract.index import Verdict
from cyberfilter.filter import Bank, Learned

WORDS: Final = ("", *(word.value for word in Verdict))
CHANGES: Final = ("step", "slope", "noise", "stuck", "season")
"""Verdicts that call a person: something is new, and it lasts."""
_NUMBERS: Final = ("p_change", "p_outlier", "change_since", "change_size", "forecast_mean", "forecast_sd", "score")
Said = Callable[[str], None]
LEARN: Final = 250
"""Rows that the default filter learns from."""


class Heard(NamedTuple):
    """What was said of each row, each (runs, rows): numbers, and words as places in WORDS."""

    p_change: Floats
    p_outlier: Floats
    change_since: Floats
    change_size: Floats
    forecast_mean: Floats
    forecast_sd: Floats
    score: Floats
    forecast_hi95: Floats
    surprise: Floats
    kind: NDArray[np.int8]
    verdict: NDArray[np.int8]

    def log_odds(self) -> Floats:
        """Return how likely a change is, on a scale that does not end at 1."""
        p = np.clip(self.p_change, 1e-12, 1 - 1e-12)
        return np.log(p) - np.log1p(-p)

    def calls(self) -> Bools:
        """Return where the default verdict calls a person."""
        return np.isin(self.verdict, [WORDS.index(word) for word in CHANGES])

    def some(self, where: slice) -> Heard:
        """Return the same of some of the runs."""
        return Heard._make(part[where] for part in self)


def hear(
    rows: Floats,
    name: str,
    said: Said = lambda _: None,
    times: Floats | None = None,
    given: Learned | None = None,
    **options: Any,
) -> Heard:
    """Return what a new bank of that filter, with its own defaults unless `options` say otherwise, says of the rows.

    `times` (runs, rows; s) are one apart where there are none; runs that end early are missing from there on. `given`
    is adopted before the first row.
    """
    runs, length = rows.shape
    bank = Bank(runs, filter=name, **options)
    if given is not None:
        bank.adopt(np.arange(runs), given)
    numbers = {field: np.full((runs, length), np.nan) for field in (*_NUMBERS, "forecast_hi95", "surprise")}
    words = {field: np.zeros((runs, length), dtype=np.int8) for field in ("change_kind", "verdict")}
    ends = _ends(rows)
    for at in range(length):
        here = np.flatnonzero(ends > at)
        clock = np.full(len(here), float(at)) if times is None else times[here, at]
        told = bank.update(here, clock, rows[here, at])
        for field, column in numbers.items():
            if hasattr(told, field):
                column[here, at] = getattr(told, field)
        for field, place in words.items():
            place[here, at] = _places(getattr(told, field))
        if at % 100 == 99:
            said(f"{name}: row {at + 1} of {length}, {runs} series")
    return Heard(**numbers, kind=words["change_kind"], verdict=words["verdict"])


def learn(rows: Floats) -> Learned:
    """Return what the default filter learns from the first of the rows, one apart."""
    bank, ends = Bank(len(rows), filter="hypotheses"), _ends(rows)
    for at in range(min(rows.shape[1], LEARN)):
        here = np.flatnonzero(ends > at)
        bank.update(here, np.full(len(here), float(at)), rows[here, at])
    return bank.learned(np.arange(len(rows)))


def _ends(rows: Floats) -> NDArray[np.int64]:
    """Return the row from which on each run is missing."""
    return np.asarray(np.where(np.isnan(rows), 0, np.arange(rows.shape[1]) + 1).max(axis=1))


def padded(rows: Sequence[Floats]) -> Floats:
    """Return the series as one array (runs, rows), missing where they have ended."""
    whole = np.full((len(rows), max(map(len, rows))), np.nan)
    for at, row in enumerate(rows):
        whole[at, : len(row)] = row
    return whole


def _places(column: NDArray[np.str_]) -> NDArray[np.int8]:
    """Return where in WORDS each word is; one that is not there yet is no word at all."""
    found = np.zeros(len(column), dtype=np.int8)
    for place, word in enumerate(WORDS[1:], 1):
        found[column == word] = place
    return found


def hear_cells(cells: Sequence[Floats], name: str, said: Said, **options: Any) -> list[Heard]:
    """Return what is said of each cell; those of one length go through one bank, which is faster."""
    heard: dict[int, Heard] = {}
    for length in sorted({cell.shape[1] for cell in cells}):
        alike = [at for at, cell in enumerate(cells) if cell.shape[1] == length]
        both = hear(np.concatenate([cells[at] for at in alike]), name, said, **options)
        start = 0
        for at in alike:
            heard[at] = both.some(slice(start, start + len(cells[at])))
            start += len(cells[at])
    return [heard[at] for at in range(len(cells))]
