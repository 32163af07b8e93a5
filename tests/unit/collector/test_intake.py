# SPDX-License-Identifier: AGPL-3.0-or-later
"""Decide one message: facts, a duplicate, or a refusal with its reason."""

import json

import pytest

from collector.contract.event import JobEnded, JobStarted, State, StateSeen
from collector.contract.ports import Delivery
from collector.contract.reading import Samples
from collector.contract.topics import Kind
from collector.contract.tree import read_plant
from collector.decision import Accepted, Decision, Device, Duplicate, Refused
from collector.intake import decide, decide_posted
from collector.order import Boot
from collector.registry import Registry

BOOT = "9f1c6b0e2d7a4415"
REGISTRY = Registry(
    read_plant(
        {
            "machines": {
                "mk4": {"place": "commons/mk4", "cadence_s": 5.0},
                "octo": {"place": "commons/octo", "dialect": "octoprint", "prefix": "octoPrint"},
            }
        }
    )
)

NOW = 1_795_400_000.0


class Remembered:
    """What a collector remembers, as a test needs it."""

    listening_since = 0.0

    def __init__(self) -> None:
        self.devices: dict[str, Device] = {}
        self.boots: dict[tuple[str, str], Boot] = {}
        self.events: set[tuple[str, str]] = set()
        self.brought: dict[str, set[str]] = {}

    def device(self, device: str) -> Device | None:
        return self.devices.get(device)

    def boot(self, device: str, boot: str) -> Boot:
        return self.boots.get((device, boot), Boot())

    def event_known(self, device: str, event: str) -> bool:
        return (device, event) in self.events

    def newcomer_count(self) -> int:
        return sum(record.place is None for record in self.devices.values())

    def names(self, device: str) -> set[str]:
        return self.brought.setdefault(device, set())

    def series_count(self) -> int:
        return sum(map(len, self.brought.values()))

    def learn(self, decision: Decision) -> Decision:
        if not isinstance(decision, Refused):
            self.devices[decision.record.device] = decision.record
        if isinstance(decision, Accepted) and decision.boot is not None:
            self.boots[decision.record.device, decision.boot[0]] = decision.boot[1]
        if isinstance(decision, Accepted) and decision.event is not None:
            self.events.add((decision.record.device, decision.event))
        if isinstance(decision, Accepted):
            self.names(decision.record.device).update(decision.names)
        return decision


@pytest.fixture
def memory() -> Remembered:
    return Remembered()


def say(memory: Remembered, topic: str, body: object, *, at: float = NOW, retained: bool = False) -> Decision:
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    return memory.learn(decide(Delivery(topic, payload, retained, at), memory, REGISTRY))


def reading(seq: int, **m: object) -> dict[str, object]:
    return {"v": 1, "boot": BOOT, "seq": seq, "ts": round(1_000 * NOW), "m": m or {"power_w": 1.0}}


def test_reading_becomes_samples_of_its_device_at_its_place(memory: Remembered) -> None:
    decision = say(memory, "cybersyn/v1/reading/@mk4", reading(0))
    assert isinstance(decision, Accepted)
    assert decision.batch is not None
    assert (decision.batch.device, decision.batch.place, decision.batch.seq) == ("mk4", "commons/mk4", 0)
    assert decision.batch.facts == (Samples((NOW,), {"power_w": (1.0,)}),)


def test_same_seq_of_a_boot_counts_once_under_either_address(memory: Remembered) -> None:
    assert isinstance(say(memory, "cybersyn/v1/reading/@mk4", reading(7)), Accepted)
    assert isinstance(say(memory, "cybersyn/v1/reading/commons/mk4", reading(7)), Duplicate)


def test_unnumbered_reading_is_taken_every_time(memory: Remembered) -> None:
    body = {"v": 1, "m": {"power_w": 1}}
    assert all(isinstance(say(memory, "cybersyn/v1/reading/@mk4", body), Accepted) for _ in range(2))


def test_value_off_the_scale_goes_aside_alone(memory: Remembered) -> None:
    decision = say(memory, "cybersyn/v1/reading/@mk4", reading(0, nozzle_degc=9_999, power_w=5))
    assert isinstance(decision, Accepted)
    assert decision.batch is not None
    assert decision.batch.facts == (Samples((NOW,), {"nozzle_degc": (None,), "power_w": (5.0,)}),)
    assert [(aside.reason, aside.replayable) for aside in decision.aside] == [("off_scale", False)]


@pytest.mark.parametrize(
    ("topic", "body", "reason"),
    [
        ("cybersyn/v1/reading/@mk4", b"\xff\xfe", "not_json"),
        ("cybersyn/v1/reading/@mk4", [1], "wrong_shape"),
        ("cybersyn/v1/reading/@mk4", {"v": 1, "m": {"power_w": "hot"}}, "wrong_shape"),
        ("cybersyn/v1/reading/@mk4", b'{"v":1,"m":' + b"[" * 3_000 + b"]" * 3_000 + b"}", "too_deep"),
        ("cybersyn/v1/reading/@mk4", b'{"v":1,"m":{},"x":"' + b"x" * 300_000 + b'"}', "too_large"),
        ("cybersyn/v1/reading/@mk4", {"v": 1, "device": "mk5", "m": {}}, "mis_addressed"),
        ("cybersyn/v1/reading/@octo", {"v": 1, "m": {}}, "mis_addressed"),
        ("cybersyn/v1/reading/-x/y", {"v": 1, "m": {}}, "bad_topic"),
        ("cybersyn/v1/alert/commons/mk4", {"v": 1}, "bad_topic"),
        ("elsewhere/x", {"v": 1}, "bad_topic"),
    ],
)
def test_what_breaks_the_contract_is_refused_with_a_reason(
    memory: Remembered, topic: str, body: object, reason: str
) -> None:
    decision = say(memory, topic, body)
    assert isinstance(decision, Refused)
    assert (decision.reason, bool(decision.detail)) == (reason, True)


def test_state_is_a_fact_only_when_it_changes(memory: Remembered) -> None:
    body = {"v": 1, "state": "running", "ts": round(1_000 * NOW) - 100_000}
    first, again = (say(memory, "cybersyn/v1/state/@mk4", body) for _ in range(2))
    assert isinstance(first, Accepted)
    assert isinstance(again, Accepted)
    assert first.batch is not None
    assert first.batch.facts == (StateSeen(NOW - 100.0, State.RUNNING),)
    assert again.batch is None


def test_last_will_counts_at_its_arrival(memory: Remembered) -> None:
    decision = say(memory, "cybersyn/v1/state/@mk4", {"v": 1, "state": "offline", "ts": 1}, at=2_000.0)
    assert isinstance(decision, Accepted)
    assert decision.batch is not None
    assert decision.batch.facts == (StateSeen(2_000.0, State.OFFLINE),)


def test_native_job_is_one_job_whatever_is_said_twice(memory: Remembered) -> None:
    started = {"v": 1, "id": "e1", "event": "job_started", "ts": round(1_000 * NOW), "job": "j1", "file": "a.gcode"}
    ended = {
        "v": 1,
        "id": "e2",
        "event": "job_ended",
        "ts": round(1_000 * NOW) + 60_000,
        "job": "j1",
        "outcome": "done",
    }
    said = [say(memory, "cybersyn/v1/event/@mk4", body) for body in (started, started, ended, ended)]
    facts = [fact for d in said if isinstance(d, Accepted) and d.batch for fact in d.batch.facts]
    assert [type(fact) for fact in facts] == [JobStarted, JobEnded]
    assert [isinstance(d, Duplicate) for d in said] == [False, True, False, True]


def test_foreign_words_are_decoded_for_the_machine_of_their_prefix(memory: Remembered) -> None:
    decision = say(memory, "octoPrint/temperature/tool0", {"actual": 210.5, "target": 210.0, "_timestamp": 1_000})
    assert isinstance(decision, Accepted)
    assert decision.batch is not None
    assert (decision.batch.device, decision.batch.dialect) == ("octo", "octoprint")


def test_body_over_http_must_say_whose_it_is(memory: Remembered) -> None:
    nobody = decide_posted(Kind.READING, b'{"v":1,"m":{"a_w":1}}', memory, REGISTRY, now=1.0)
    bad = decide_posted(Kind.READING, b'{"v":1,"place":"../etc","m":{"a_w":1}}', memory, REGISTRY, now=1.0)
    good = decide_posted(Kind.READING, b'{"v":1,"device":"mk4","m":{"a_w":1}}', memory, REGISTRY, now=1.0)
    assert isinstance(nobody, Refused)
    assert isinstance(bad, Refused)
    assert isinstance(good, Accepted)
    assert good.record.place == "commons/mk4"
