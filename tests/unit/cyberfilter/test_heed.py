# SPDX-License-Identifier: AGPL-3.0-or-later
"""What people say is done in order and once; what cannot be kept is done later; nonsense is counted."""

import pytest

from collector.bus.local import LocalBroker, LocalBus
from collector.contract.errors import Refusal, Unavailable
from collector.contract.ports import Delivery
from cyberfilter.heed import Ears, read_intervention

BODY = b'{"v":1,"id":"w1","ts":1000,"index":"energy_w","action":"uncertain"}'


class Still:
    """A clock that stands."""

    def now(self) -> float:
        return 0.0

    def real_s(self, plant_s: float) -> float:
        return plant_s


def ears(*said: tuple[str, bytes]) -> Ears:
    broker = LocalBroker()
    found = Ears(LocalBus(broker, "cyberfilter", Still(), persistent=True), "cybersyn")
    mouth = LocalBus(broker, "person", Still(), persistent=False)
    for topic, payload in said:
        mouth.publish(topic, payload)
    return found


def test_actions_and_interventions_are_heard_in_order() -> None:
    found = ears(("cybersyn/v1/action/a/_1", b"1"), ("cybersyn/v1/intervention/a", b"2"))
    heard: list[bytes] = []
    assert found.heed(lambda delivery: heard.append(delivery.payload), 0.0) is None
    assert heard == [b"1", b"2"]


def test_what_is_refused_is_counted_and_the_next_is_done() -> None:
    found = ears(("cybersyn/v1/intervention/a", b"1"), ("cybersyn/v1/intervention/a", b"2"))
    heard: list[bytes] = []

    def do(delivery: Delivery) -> None:
        if delivery.payload == b"1":
            raise Refusal("unknown_index", "there is none")
        heard.append(delivery.payload)

    found.heed(do, 0.0)
    assert (heard, found.refused_count) == ([b"2"], 1)


def test_what_cannot_be_kept_now_is_done_in_the_next_turn() -> None:
    found = ears(("cybersyn/v1/intervention/a", b"1"))

    def away(_: Delivery) -> None:
        raise Unavailable("disk is full")

    assert found.heed(away, 0.0) == "disk is full"
    heard: list[bytes] = []
    found.heed(lambda delivery: heard.append(delivery.payload), 0.0)
    assert heard == [b"1"]


def test_the_topic_says_the_place_and_may_say_the_id() -> None:
    for topic in ("cybersyn/v1/intervention/a/b", "cybersyn/v1/intervention/a/b/_w1"):
        assert read_intervention(Delivery(topic, BODY, retained=False, at=0.0), root="cybersyn").place == "a/b"


@pytest.mark.parametrize("topic", ["intervention/@device", "action/a/_w1", "intervention/a/_w2"])
def test_another_topic_is_refused(topic: str) -> None:
    with pytest.raises(Refusal):
        read_intervention(Delivery(f"cybersyn/v1/{topic}", BODY, retained=False, at=0.0), root="cybersyn")
