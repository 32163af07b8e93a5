# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a dialect is: how a foreign machine speaks, as one row with a pure decoder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from collector.contract.event import State
from collector.contract.reading import Fact
from collector.signs import Sign


class Heard(NamedTuple):
    """A message of a foreign machine: `topic` is the part below its prefix, `at` the arrival (Unix s).

    `retained` says that the broker had kept it: an old word, of which nobody knows how old. A recording's own
    `retain` is how the message was published, and says nothing of the kind.
    """

    topic: str
    payload: bytes
    retained: bool
    at: float


class Dialect(NamedTuple):
    """A row of the table of dialects.

    `state` is a frozen struct, small, bounded, JSON as it stands; `state()` is where a machine begins.
    `decode` raises Refusal and nothing else; what it does not know it passes over. `recognise` returns the prefix
    (without its last slash) of a topic that has this dialect's form. In the states `talks_in` a machine keeps the
    cadence that was declared for it; in all others its silence means nothing.
    """

    name: str
    filters: Callable[[str], tuple[str, ...]]
    state: type[msgspec.Struct]
    decode: Callable[[Any, Heard], tuple[Any, tuple[Fact | Sign, ...]]]
    recognise: Callable[[str], str | None]
    talks_in: frozenset[State]
