# SPDX-License-Identifier: AGPL-3.0-or-later
"""Figures in a machine's words: what is a number, what of it can be, and the samples that they make."""

from __future__ import annotations

from collector.contract.indicator import known
from collector.contract.limits import TIME_S_MAX
from collector.contract.reading import Samples

Values = dict[str, tuple[float | None, ...]]
"""One column of samples by indicator."""


def number_of(found: object, most: float = TIME_S_MAX) -> float | None:
    """Return a finite number of at most this magnitude; None for all else.

    >>> number_of(3), number_of(True), number_of("3"), number_of(float("nan"))
    (3.0, None, None, None)
    """
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    return float(found) if abs(found) <= most else None


def put(values: Values, name: str, value: float | None) -> None:
    """Put a value among the others where there is one, and the catalogue holds it possible."""
    row = known(name)
    if value is not None and row is not None and row.low <= value <= row.high:
        values[name] = (value,)


def measured(at: float, values: Values) -> tuple[Samples, ...]:
    """Return the values as samples of their arrival (Unix s); none where there are none."""
    return (Samples((at,), values, assigned=True),) if values else ()


def estimate_of(found: float | None) -> float | None:
    """Return an estimate (s) that the catalogue holds possible; else None."""
    row = known("estimate_s")
    return found if found is not None and row is not None and 0 < found <= row.high else None
