# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the outputs need of others: indices and alerts, and a connection of the Sparkplug node's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from collector.contract.ports import Posting
from cyberfilter.contract.alert import Alert
from cyberfilter.contract.index import IndexValue
from cyberfilter.outputs.home_assistant import Home
from cyberfilter.outputs.sparkplug import Node
from cyberfilter.outputs.uns import Namespace


class Source(Protocol):
    """Who knows indices and alerts: the Cyberfilter."""

    def indices(self) -> list[IndexValue]:
        """Return the newest value of every index."""

    def alerts(self, *, is_open: bool | None = None) -> list[Alert]:
        """Return alerts, newest first."""


class Heard(Protocol):
    """A command from a host."""

    @property
    def payload(self) -> bytes:
        """Return its bytes."""


class Edge(Protocol):
    """The node's own connection."""

    @property
    def up(self) -> int | None:
        """Return the number of the connection that stands, None while there is none."""

    @property
    def number(self) -> int:
        """Return the number of the newest attempt."""

    def send(self, number: int, postings: Sequence[Posting]) -> None:
        """Publish on the connection of that number and no other, at QoS 0."""

    def take(self) -> Sequence[Heard]:
        """Return the commands that came since the last time."""

    def close(self) -> None:
        """Say our own death and leave."""


class Wanted(NamedTuple):
    """Which outputs there are: None is none."""

    home: Home | None = None
    namespace: Namespace | None = None
    node: Node | None = None

    @property
    def topics(self) -> tuple[str, ...]:
        """Return topic filters for all that we publish so."""
        return tuple(one.topics for one in self if one is not None)
