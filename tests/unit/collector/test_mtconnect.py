# SPDX-License-Identifier: AGPL-3.0-or-later
# tidy: one story after another, each short
"""What MTConnect agents say: the words of three machines in three forms, and stories of faults."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector.contract.errors import Refusal
from collector.contract.event import JobEnded, Outcome, PartCounted, State, StateSeen
from collector.contract.limits import PAYLOAD_BYTES_MAX
from collector.contract.reading import Fact, Samples
from collector.dialects import DIALECTS, Heard, recognise
from collector.jobs import JobTrack, follow, settle

WORDS = Path(__file__).parents[2] / "data/dialects/mtconnect.jsonl"
MTCONNECT = DIALECTS["mtconnect"]
T0 = 1_795_410_000.0


def story(messages: Iterable[Heard]) -> list[Fact]:
    """What becomes of a machine, its memory through JSON after each message."""
    memory, track, facts = MTCONNECT.state(), JobTrack(), []
    for message in messages:
        memory, said = MTCONNECT.decode(memory, message)
        memory = msgspec.json.decode(msgspec.json.encode(memory), type=MTCONNECT.state)
        track, more = follow(track, said)
        facts.extend(more)
    return [*facts, *settle(track, math.inf).facts]


def written(uuid: str) -> list[Heard]:
    rows = (json.loads(line) for line in WORDS.read_text().splitlines())
    found = [(recognise(row["topic"]), row) for row in rows]
    return [
        Heard(known[1].rest, row["payload"].encode(), row["retain"] and row["topic"].endswith(uuid), row["ts"])
        for known, row in found
        if known is not None and known[1].prefix == f"MTConnect/{uuid}"
    ]


def iso(at: float) -> str:
    return datetime.fromtimestamp(T0 + at, UTC).isoformat()


def told(
    at: float, kind: str, value: str | None, sequence: int, /, item: str = "", *, skew: float = 0.0, **more: Any
) -> Heard:
    """One observation of an entity sink at `at` (s after T0), stamped then."""
    item = item or kind.lower()
    body = {"dataItemId": item, "type": kind, "timestamp": iso(at + skew), "sequence": sequence, **more}
    if value is not None:
        body["result"] = value
    return Heard(f"Observations/{item}", json.dumps(body).encode(), False, T0 + at)


def document(at: float, instance: int, *observations: tuple[str, float, str, int], skew: float = 0.0) -> Heard:
    events = [
        {kind: {"dataItemId": kind, "timestamp": iso(when + skew), "sequence": sequence, "value": value}}
        for kind, when, value, sequence in observations
    ]
    stream = {"ComponentStream": {"component": "Path", "Events": events}}
    body = {
        "Header": {"instanceId": instance, "creationTime": iso(at + skew)},
        "Streams": [{"DeviceStream": {"ComponentStreams": [stream]}}],
    }
    return Heard("Current", json.dumps({"MTConnectStreams": body}).encode(), False, T0 + at)


def condition(at: float, level: str, sequence: int, message: str = "") -> Heard:
    return told(at, "SYSTEM", None, sequence, category="CONDITION", level=level, message=message)


def states(facts: Iterable[Fact]) -> list[State]:
    return [fact.state for fact in facts if isinstance(fact, StateSeen)]


def ends(facts: Iterable[Fact]) -> list[JobEnded]:
    return [fact for fact in facts if isinstance(fact, JobEnded)]


def ready() -> list[Heard]:
    return [told(0, "AVAILABILITY", "AVAILABLE", 1), told(0, "EXECUTION", "READY", 2), told(1, "PROGRAM", "a.nc", 3),
            told(10, "EXECUTION", "ACTIVE", 4)]  # fmt: skip


def test_json_of_version_2_tells_jobs_holds_parts_and_measures() -> None:
    facts = story(written("LATHE-17"))
    first, second = ends(facts)
    assert (first.file, first.started_at, first.ts, first.outcome) == (
        "/nc/bush-12.nc",
        T0 + 5.104,
        T0 + 29.7,
        Outcome.DONE,
    )
    assert first.held_s == pytest.approx(3.0)
    assert (second.outcome, second.cause, second.ts) == (Outcome.FAILED, "coolant pressure low", T0 + 40.62)
    assert [(fact.good, fact.scrap) for fact in facts if isinstance(fact, PartCounted)] == [(1, 0)]
    assert {name for fact in facts if isinstance(fact, Samples) for name in fact.values} == {
        "spindle_load_pct",
        "spindle_rpm",
        "power_w",
    }


def test_xml_tells_a_hold_between_two_documents() -> None:
    (end,) = ends(story(written("cnc-mill-2")))
    assert (end.file, end.started_at, end.ts) == ("/home/shop/plate.ngc", T0 + 4.25, T0 + 29.25)
    assert end.held_s == pytest.approx(1.5)


def test_single_observations_tell_the_same_as_documents() -> None:
    facts = story(written("ROUTER-4"))
    (end,) = ends(facts)
    assert (end.file, end.outcome) == ("sign-board.tap", Outcome.DONE)
    assert states(facts) == [State.UNKNOWN, State.IDLE, State.RUNNING, State.IDLE, State.FAULT, State.IDLE]


def test_documents_of_version_1_are_read_like_those_of_version_2() -> None:
    begins = (("Program", 5, "b.nc", 3), ("Execution", 5, "ACTIVE", 2))
    facts = story([document(0, 7, ("Execution", -1, "READY", 1)), document(9, 7, *begins),
                   document(20, 7, ("Execution", 18, "PROGRAM_COMPLETED", 4))])  # fmt: skip
    (end,) = ends(facts)
    assert (end.file, end.started_at, end.ts, end.outcome) == ("b.nc", T0 + 5, T0 + 18, Outcome.DONE)


def test_current_that_tells_old_words_again_says_nothing() -> None:
    words = [("Execution", 5.0, "ACTIVE", 2)]
    messages = [document(0, 7, ("Execution", -1, "READY", 1)), *(document(10.0 * n, 7, *words) for n in range(1, 9))]
    assert states(story(messages)) == [State.IDLE, State.RUNNING]


def test_agent_that_starts_anew_counts_from_one_again() -> None:
    messages = [document(0, 7, ("Execution", -1, "READY", 900)), document(50, 8, ("Execution", 45, "ACTIVE", 1))]
    assert states(story(messages)) == [State.IDLE, State.RUNNING]
    assert states(story([*messages, *(m._replace(at=m.at + 600) for m in messages)])) == [State.IDLE, State.RUNNING]


def test_machine_that_runs_when_we_come_is_a_job_without_a_start() -> None:
    facts = story(
        [document(0, 7, ("Execution", -7200, "ACTIVE", 1)), document(60, 7, ("Execution", 59, "PROGRAM_COMPLETED", 2))]
    )
    (end,) = ends(facts)
    assert (end.started_at, end.ts) == (None, T0 + 59)
    assert next(fact.ts for fact in facts if isinstance(fact, StateSeen)) == T0 - 60


def test_emergency_stop_breaks_the_job_and_shows_until_it_is_armed() -> None:
    facts = story([*ready(), told(20, "EMERGENCY_STOP", "TRIGGERED", 5), told(20.1, "EXECUTION", "INTERRUPTED", 6),
                   told(90, "EMERGENCY_STOP", "ARMED", 7), told(91, "EXECUTION", "READY", 8)])  # fmt: skip
    (end,) = ends(facts)
    assert (end.outcome, end.cause, end.ts) == (Outcome.FAILED, "emergency stop", T0 + 20)
    assert states(facts)[-3:] == [State.FAULT, State.HELD, State.IDLE]


def test_fault_beside_a_running_program_shows_and_ends_no_job() -> None:
    facts = story([*ready(), condition(20, "FAULT", 5, "lube low"), condition(60, "NORMAL", 6),
                   told(70, "EXECUTION", "PROGRAM_COMPLETED", 7)])  # fmt: skip
    (end,) = ends(facts)
    assert (end.outcome, end.started_at, end.ts) == (Outcome.DONE, T0 + 10, T0 + 70)
    assert states(facts)[-3:] == [State.FAULT, State.RUNNING, State.WAITING_PERSON]


def test_program_that_stops_under_a_fault_failed_in_the_machines_words() -> None:
    facts = story([*ready(), condition(20, "FAULT", 5, "spindle overload"), told(20.4, "EXECUTION", "STOPPED", 6)])
    (end,) = ends(facts)
    assert (end.outcome, end.cause) == (Outcome.FAILED, "spindle overload")


def test_warning_is_no_fault() -> None:
    assert State.FAULT not in states(story([*ready(), condition(20, "WARNING", 5, "filter old")]))


def test_program_that_a_person_stopped_is_cancelled() -> None:
    (end,) = ends(story([*ready(), told(20, "EXECUTION", "STOPPED", 5)]))
    assert (end.outcome, end.ts) == (Outcome.CANCELLED, T0 + 20)


def test_machine_that_is_unavailable_behind_a_living_agent_is_offline() -> None:
    facts = story([*ready(), told(20, "AVAILABILITY", "UNAVAILABLE", 5), told(20, "EXECUTION", "UNAVAILABLE", 6),
                   told(40, "AVAILABILITY", "AVAILABLE", 7), told(40, "EXECUTION", "ACTIVE", 8),
                   told(60, "EXECUTION", "PROGRAM_COMPLETED", 9)])  # fmt: skip
    (end,) = ends(facts)
    assert (end.started_at, end.ts, end.outcome) == (T0 + 10, T0 + 60, Outcome.DONE)
    assert State.OFFLINE in states(facts)


def test_last_will_is_offline_until_the_agent_is_heard_again() -> None:
    will = Heard("Availability", b"UNAVAILABLE", False, T0 + 30)
    facts = story([*ready(), will, told(45, "LINE_NUMBER", "7", 5), told(60, "EXECUTION", "PROGRAM_COMPLETED", 6)])
    assert states(facts)[-3:] == [State.OFFLINE, State.RUNNING, State.WAITING_PERSON]
    (end,) = ends(facts)
    assert end.ts == T0 + 60
    (lost,) = ends(story([*ready(), will]))
    assert (lost.outcome, lost.cause) == (Outcome.UNKNOWN, "agent lost (last will)")


def test_clock_that_is_hours_off_gives_way_to_the_arrival() -> None:
    facts = story(
        [
            document(0, 7, ("Execution", -1, "READY", 1), skew=-7200),
            document(10, 7, ("Execution", 9, "ACTIVE", 2), skew=-7200),
        ]
    )
    assert [fact.ts for fact in facts if isinstance(fact, StateSeen)] == [T0, T0 + 10]


def test_counts_of_targets_and_loads_of_axes_say_nothing() -> None:
    before = story(ready())
    more = [told(11, "PART_COUNT", "500", 5, subType="TARGET"), told(12, "LOAD", "12.5", 6, item="x_load")]
    assert story([*ready(), *more]) == before


def test_probe_says_whose_load_a_single_observation_is() -> None:
    probe = next(message for message in written("LATHE-17") if message.topic == "Probe")
    (sample,) = [fact for fact in story([probe, told(1, "LOAD", "42.5", 9, item="ld")]) if isinstance(fact, Samples)]
    assert sample.values == {"spindle_load_pct": (42.5,)}


def test_agents_own_words_are_not_the_machines() -> None:
    word = '<Availability dataItemId="a" sequence="1">UNAVAILABLE</Availability>'
    text = f'<M><ComponentStream component="Agent"><Events>{word}</Events></ComponentStream></M>'
    assert State.OFFLINE not in states(story([Heard("Current", text.encode(), False, T0)]))


def test_encoding_that_nobody_knows_is_read_as_utf8() -> None:
    text = '<?xml version="1.0" encoding="d"?><M><Execution dataItemId="e" sequence="1">ACTIVE</Execution></M>'
    assert states(story([Heard("Current", text.encode(), False, T0)])) == [State.RUNNING]


@pytest.mark.parametrize(
    "payload",
    [
        b'<!DOCTYPE a [<!ENTITY b "cc">]><a dataItemId="x">&b;</a>',
        b"<a>" * 40,
        b'<?xml version="" encoding="d"?>',
        b"<a>",
        b"<a/><a/>",
        b"<" + b"x" * PAYLOAD_BYTES_MAX,
        b'<a xmlns:x="u"><y:b/></a>',
        b"<a>" + b"<b/>" * 20_000 + b"</a>",
        b"[" * 40,
        b'{"a":[' + b"{}," * 20_000 + b"{}]}",
        b'{"a":' + b'[{"dataItemId":"x"}' + b',{"dataItemId":"x"}' * 4096 + b"]}",
    ],
)
def test_broken_dangerous_or_endless_documents_are_refused(payload: bytes) -> None:
    with pytest.raises(Refusal):
        MTCONNECT.decode(MTCONNECT.state(), Heard("Current", payload, False, T0))


@pytest.mark.parametrize("level", [[], {}, None, 1])
def test_level_that_is_no_word_is_no_condition(level: object) -> None:
    body = {"dataItemId": "x", "type": "EXECUTION", "value": "ACTIVE", "level": level}
    assert states(story([Heard("Current", json.dumps(body).encode(), False, T0)])) == [State.RUNNING]


def test_memory_is_bounded_whatever_a_probe_or_a_document_holds() -> None:
    long = "\U0001f916" * 150
    items = [{"id": f"i{n:031}", "type": "LOAD", "category": "SAMPLE"} for n in range(100)]
    probe = {"Devices": {"Device": [{"Components": {"Rotary": [{"DataItems": {"DataItem": items}}]}}]}}
    memory, _ = MTCONNECT.decode(MTCONNECT.state(), Heard("Probe", json.dumps(probe).encode(), False, T0))
    for n in range(200):
        for message in (
            condition(n, "FAULT", n, long),
            told(n, "LOAD", "1", n, f"{n}{long}", category="CONDITION", level="FAULT", message=long),
        ):
            memory, _ = MTCONNECT.decode(memory, message)
    assert len(msgspec.json.encode(memory)) < 16 * 1024


def test_topics_are_recognised() -> None:
    rows = {
        "MTConnect/Sample/m-1": ("MTConnect/m-1", "Sample"),
        "MTConnect/Probe/m-1/Availability": ("MTConnect/m-1", "Availability"),
        "MTConnect/Devices/m-1/Observations/x/y": ("MTConnect/m-1", "Observations/x/y"),
    }
    for topic, found in rows.items():
        assert MTCONNECT.recognise(topic) == found
    for topic in ("MTConnect/Sample", "MTConnect/Nothing/m-1", "MTConnect/Sample/m-1/Availability"):
        assert MTCONNECT.recognise(topic) is None
    assert MTCONNECT.filters("MTConnect/m-1") == ("MTConnect/+/m-1/#",)
