# SPDX-License-Identifier: AGPL-3.0-or-later
"""The columns of many series in panels, so that a panel is one stretch of memory: a whole one is worked on in place."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from cyberfilter.filter.model import Floats, is_all

Indices = NDArray[np.int64]


class Panels:
    """`count` columns of `height` numbers, `width` columns in a panel; only the last one may be narrower.

    Rows that lie far apart are slow to copy: in one block of all series that was a third of a row's time.
    """

    def __init__(self, height: int, width: int) -> None:
        self._height, self._width = height, width
        self._panels: list[Floats] = []
        self.count = 0

    def join(self, count: int, fresh: Callable[[int], Floats]) -> None:
        """Add so many columns, as `fresh` makes them; a narrow last panel grows by doubling."""
        wanted, full = self.count + count, self._width
        while wanted > self._room:
            last = self._panels.pop() if self._panels and self._panels[-1].shape[1] < full else np.empty((0, 0))
            kept = last.shape[1]
            grown = fresh(min(full, max(wanted - self._room, 2 * kept)))
            if kept:
                grown[:, :kept] = last
            self._panels.append(grown)
        self.count = wanted

    def fill(self, panels: list[Floats]) -> None:
        """Take these panels, as `used` returned them, for all there is."""
        self._panels, self.count = panels, sum(panel.shape[1] for panel in panels)

    @property
    def _room(self) -> int:
        return sum(panel.shape[1] for panel in self._panels)

    def used(self) -> list[Floats]:
        """Return the panels without the columns that are kept for newcomers."""
        starts = range(0, self.count, self._width)
        return [panel[:, : self.count - at] for at, panel in zip(starts, self._panels, strict=False)]

    def spans(self, index: Indices) -> Iterator[slice]:
        """Cut a row of series into stretches of a panel's width, at the panels' ends where they are neighbours."""
        at, count = 0, len(index)
        while at < count:
            end = min(count, at + self._width - int(index[at]) % self._width)
            if end < count and not _neighbours(index[at : end + 1]):
                end = min(count, at + self._width)
            yield slice(at, end)
            at = end

    def row(self, row: int, index: Indices) -> Floats:
        """Return a copy of one row of these series."""
        if len(self._panels) == 1:
            return np.asarray(self._panels[0][row].take(index))
        number, column = np.divmod(index, self._width)
        found = np.empty(len(index))
        for each in np.unique(number).tolist():
            where = number == each
            found[where] = self._panels[each][row].take(column[where])
        return found

    def put_row(self, row: int, index: Indices, figures: Floats) -> None:
        """Write one row of these series."""
        number, column = np.divmod(index, self._width)
        for each in np.unique(number).tolist():
            where = number == each
            self._panels[each][row, column[where]] = figures[where]

    def take(self, index: Indices) -> Floats:
        """Return the columns (height, k; contiguous): the panel itself where they are all of one, else a copy."""
        panel, where = self._within(index)
        if panel is not None:
            return panel if len(index) == panel.shape[1] else panel[:, where].copy()
        number, column = np.divmod(index, self._width)
        found = np.empty((self._height, len(index)))
        for each in np.unique(number).tolist():
            theirs = np.flatnonzero(number == each)
            found[:, theirs] = np.take(self._panels[each], column[theirs], axis=1)
        return found

    def put(self, index: Indices, columns: Floats) -> None:
        """Write the columns that were taken, changed, into their places."""
        panel, where = self._within(index)
        if panel is None:
            number, column = np.divmod(index, self._width)
            for each in np.unique(number).tolist():
                theirs = np.flatnonzero(number == each)
                self._panels[each][:, column[theirs]] = columns[:, theirs]
        elif panel is not columns:
            panel[:, where] = columns

    def _within(self, index: Indices) -> tuple[Floats | None, slice]:
        """Return the panel in which these series are neighbours, and where; None where there is none."""
        if len(index) == 0 or not _neighbours(index):
            return None, slice(0, 0)
        number, at = divmod(int(index[0]), self._width)
        end = at + len(index)
        return (self._panels[number] if end <= self._width else None), slice(at, end)


def _neighbours(index: Indices) -> bool:
    """Tell whether the series (one or more) are one after the other."""
    count = len(index)
    if int(index[-1]) - int(index[0]) != count - 1:
        return False
    return count == 1 or is_all(index[1:] - index[:-1] == 1)
