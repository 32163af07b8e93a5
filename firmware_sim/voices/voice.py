# SPDX-License-Identifier: AGPL-3.0-or-later
"""What every voice does: turn a printer's doings into MQTT publications, by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from firmware_sim.machines.machine import Machine
from firmware_sim.machines.printer import Printer
from firmware_sim.truth import Happening

M_contra = TypeVar("M_contra", bound=Machine, contravariant=True)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Made once: json.dumps with options of its own makes an encoder a message.
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False, ensure_ascii=False)


class Publication(NamedTuple):
    """One message on its way to the broker."""

    topic: str
    payload: bytes
    qos: int
    retain: bool


class Speech(Protocol[M_contra]):
    """A dialect of one device. Real time (`real_s`) is monotonic and only paces; `ts` is the plant's time."""

    @property
    def will(self) -> Publication:
        """Return what the broker shall say when the device is gone."""

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """Return the topics that the device listens to."""

    def connected(self, machine: M_contra, real_s: float, /) -> None:
        """Say what has to be said after a connect."""

    def happened(self, happening: Happening, machine: M_contra, real_s: float, /) -> None:
        """Say that a state changed, or that a job began or ended."""

    def sampled(self, machine: M_contra, real_s: float, /) -> None:
        """Measure, and say so when it is time."""

    def received(self, topic: str, payload: bytes, real_s: float) -> None:
        """Hear a message on a subscription."""

    def take(self, room: int, real_s: float) -> list[Publication]:
        """Return up to `room` publications that are due, in the order in which they shall go out."""


class Voice(Speech[Printer], Protocol):
    """A dialect that printers speak."""


def stamp(ts: float) -> str:
    """Return the time as RFC 3339 in UTC with milliseconds.

    >>> stamp(1795399265.8051)
    '2026-11-23T02:01:05.805Z'
    """
    moment = _EPOCH + timedelta(milliseconds=round(ts * 1000))
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def text(body: dict[str, Any]) -> bytes:
    """Return the body as strict JSON; a number that is not finite is our own mistake."""
    return _ENCODER.encode(body).encode()
