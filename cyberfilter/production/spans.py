# SPDX-License-Identifier: AGPL-3.0-or-later
"""Spans of time as sorted lists of (start, end) that do not touch: union, intersection, difference, length."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

Span = tuple[float, float]
"""From `start` to before `end`, Unix s."""


def union(spans: Iterable[Span]) -> list[Span]:
    """Return the time that is in any of the spans.

    >>> union([(3, 5), (0, 1), (4, 6), (1, 2)])
    [(0, 2), (3, 6)]
    """
    found: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def intersection(some: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """Return the time that is in both; each must be a union.

    >>> intersection([(0, 4), (6, 9)], [(2, 7)])
    [(2, 4), (6, 7)]
    """
    found: list[Span] = []
    n = m = 0
    while n < len(some) and m < len(others):
        start, end = max(some[n][0], others[m][0]), min(some[n][1], others[m][1])
        if start < end:
            found.append((start, end))
        if some[n][1] < others[m][1]:
            n += 1
        else:
            m += 1
    return found


def difference(some: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """Return the time that is in the first and not in the second; each must be a union.

    >>> difference([(0, 10)], [(2, 3), (8, 12)])
    [(0, 2), (3, 8)]
    """
    found: list[Span] = []
    n = 0
    for start, end in some:
        since = start
        while n < len(others) and others[n][1] <= since:
            n += 1
        m = n
        while m < len(others) and others[m][0] < end:
            if since < others[m][0]:
                found.append((since, others[m][0]))
            since = max(since, others[m][1])
            m += 1
        if since < end:
            found.append((since, end))
    return found


def length(spans: Iterable[Span]) -> float:
    """Return how long the spans are together (s); they must be a union."""
    return sum((end - start for start, end in spans), 0.0)


def within(spans: Sequence[Span], start: float, end: float) -> list[Span]:
    """Return the part of the spans in [start, end); they must be a union.

    >>> within([(0, 2), (3, 5), (8, 9)], 1, 4)
    [(1, 2), (3, 4)]
    """
    first = bisect_right(spans, start, key=lambda span: span[1])
    last = bisect_left(spans, end, key=lambda span: span[0])
    return [(max(since, start), min(until, end)) for since, until in spans[first:last]]
