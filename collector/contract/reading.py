# SPDX-License-Identifier: Apache-2.0
"""One accepted message's facts: measured values and events of one device, as they stand in the fact log."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from collector.contract.event import JobEnded, JobStarted, Noted, PartCounted, StateSeen, Trouble


class Samples(msgspec.Struct, frozen=True, tag="samples", omit_defaults=True):
    """Measured values: column i of every indicator was measured at times[i] (Unix s); None is no sample.

    `assigned` says that the sender gave no usable time and the arrival time stands in.
    """

    times: tuple[float, ...]
    values: dict[str, tuple[float | None, ...]]
    assigned: bool = False


PEOPLE: Final = "people"
"""The dialect of a batch that people said of a unit where no machine stands."""

Fact = Samples | StateSeen | JobStarted | JobEnded | PartCounted | Noted | Trouble


class Batch(msgspec.Struct, frozen=True, omit_defaults=True):
    """The facts of one accepted message of one device; `place` is None for a newcomer without a place.

    `at` is the arrival on the collector's clock (Unix s); `boot` and `seq` are the sender's, where it numbers.
    """

    device: str
    place: str | None
    dialect: str
    at: float
    facts: tuple[Fact, ...]
    boot: str | None = None
    seq: int | None = None


class Numbered(NamedTuple):
    """A batch with its number in the fact log (from 1, without end, never reused)."""

    n: int
    batch: Batch


def address(device: str, place: str | None) -> str:
    """Return where a device's history is kept: its place, or `@device` while it has none."""
    return place if place is not None else "@" + device
