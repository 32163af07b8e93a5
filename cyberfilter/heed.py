# SPDX-License-Identifier: AGPL-3.0-or-later
"""What people say over MQTT: taken in order, done once; what cannot be kept now is done in the next turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from collector.contract.codec import decode_json
from collector.contract.errors import Refusal, Unavailable
from collector.contract.ports import Bus, Delivery
from collector.contract.topics import Kind, parse_topic
from cyberfilter.contract import intervention
from cyberfilter.contract.intervention import Intervention, Wire

PER_TURN_MAX: Final = 100
_DECODER: Final = msgspec.json.Decoder(Wire)


class Ears:
    """The topics on which people speak; `refused_count` of what they said could not be done."""

    def __init__(self, bus: Bus, root: str) -> None:
        self._bus = bus
        self._waiting: list[Delivery] = []
        self.refused_count = 0
        bus.subscribe([f"{root}/v1/{kind}/#" for kind in (Kind.ACTION, Kind.INTERVENTION)])

    def heed(self, do: Callable[[Delivery], None], wait_s: float) -> str | None:
        """Do what was said; waits at most so long (real s) for more. Returns the trouble that stopped it, if any."""
        if not self._waiting:
            self._waiting = self._bus.take(most=PER_TURN_MAX, wait_s=wait_s)
        while self._waiting:
            try:
                do(self._waiting[0])
            except Refusal:
                self.refused_count += 1
            except Unavailable as error:
                return str(error)
            self._bus.acknowledge([self._waiting.pop(0)])
        return None


def read_intervention(delivery: Delivery, *, root: str) -> Intervention:
    """Return what a message on an `intervention` topic says; raises Refusal."""
    topic = parse_topic(delivery.topic, root=root)
    if topic.kind is not Kind.INTERVENTION or topic.place is None:
        raise Refusal("bad_topic", f"topic {delivery.topic[:80]!r} is not {root}/v1/intervention/<place>")
    said = intervention.read(decode_json(delivery.payload, _DECODER.decode), place=topic.place)
    if topic.id not in {None, said.id}:
        raise Refusal("bad_id", f"id = {said.id[:80]!r} is not the topic's {topic.id}")
    return said
