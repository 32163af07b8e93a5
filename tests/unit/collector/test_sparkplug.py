# SPDX-License-Identifier: AGPL-3.0-or-later
# tidy: one story after another, each short
"""What Sparkplug nodes say, against what two real libraries said: the recording, samples, and stories of faults."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.bus.rights import foreign_user
from collector.contract.errors import Refusal
from collector.contract.event import JobEnded, JobStarted, Noted, Outcome, PartCounted, State, StateSeen
from collector.contract.limits import PAYLOAD_BYTES_MAX
from collector.contract.reading import Fact, Samples
from collector.contract.sparkplug_b import payload_class, properties_class
from collector.contract.tree import read_plant
from collector.dialects import DIALECTS, Heard, recognise
from collector.dialects.dialect import Ask, Of
from collector.jobs import JobTrack, follow, settle

ROOT = Path(__file__).parents[3]
RECORDING = ROOT / "firmware_sim/recordings/sparkplug.jsonl"
PAYLOADS = ROOT / "tests/data/sparkplug"
SPARKPLUG = DIALECTS["sparkplug"]
NOW = 1_795_400_000.0
STRINGS, FLOATS, WHOLES = 12, 10, 7


def story(messages: Iterable[Heard], part: str = "p1") -> list[Fact]:
    """What becomes of one device (or, with "", of the node itself), its memory through JSON after each message."""
    memory, track, facts = SPARKPLUG.state(), JobTrack(), []
    for message in messages:
        memory, said = SPARKPLUG.decode(memory, message)
        memory = msgspec.json.decode(msgspec.json.encode(memory), type=SPARKPLUG.state)
        mine = [fact for item in said if isinstance(item, Of) and item.part == part for fact in item.said]
        own = [item for item in said if not isinstance(item, Of | Ask)]
        track, more = follow(track, own if part == "" else mine)
        facts.extend(more)
    return [*facts, *settle(track, math.inf).facts]


def asks(messages: Iterable[Heard]) -> list[float]:
    memory, found = SPARKPLUG.state(), []
    for message in messages:
        memory, said = SPARKPLUG.decode(memory, message)
        found += [message.at for item in said if isinstance(item, Ask)]
    return found


def metric(
    payload: Any, name: str, value: Any, *, alias: int | None = None, at: float | None = None, **more: Any
) -> None:
    row = payload.metrics.add(**more)
    if name:
        row.name = name
    if alias is not None:
        row.alias = alias
    if at is not None:
        row.timestamp = round(at * 1000)
    match value:
        case bool():
            row.boolean_value = value
        case str():
            row.string_value = value
        case int():
            row.int_value = value
        case float():
            row.double_value = value


def told(
    kind: str, at: float, seq: int | None, /, part: str = "p1", *, stamp: float | None = 0.0, **values: Any
) -> Heard:
    """A message at `at` (s after NOW), stamped then too unless told otherwise; names with _ for /."""
    payload = payload_class()()
    if stamp is not None:
        payload.timestamp = round((NOW + at + stamp) * 1000)
    if seq is not None:
        payload.seq = seq
    for name, value in values.items():
        metric(payload, name.replace("_", "/"), value, at=None if stamp is None else NOW + at + stamp)
    return Heard(kind, payload.SerializeToString(), False, NOW + at, part if kind.startswith("D") else "")


def births(at: float = 0.0, bd: int = 0, **values: Any) -> list[Heard]:
    return [told("NBIRTH", at, 0, bdSeq=bd), told("DBIRTH", at, 1, **{"State": "IDLE", "Parts_Good": 17, **values})]


def death(at: float, bd: int, connected: float | None) -> Heard:
    payload = payload_class()()
    metric(payload, "bdSeq", bd)
    if connected is not None:
        payload.timestamp = round((NOW + connected) * 1000)
    return Heard("NDEATH", payload.SerializeToString(), False, NOW + at, "")


def recorded(part: str | None = None) -> list[Heard]:
    rows = (json.loads(line) for line in RECORDING.read_text().splitlines())
    found = [(recognise(row["topic"]), row) for row in rows]
    heard = [
        Heard(known[1].rest, bytes.fromhex(row["payload_hex"]), False, row["ts"], known[1].prefix[23:].lstrip("/"))
        for known, row in found
        if known is not None
    ]
    return [message for message in heard if part is None or message.part in {"", part}]


def sample(number: str) -> Heard:
    row = json.loads((PAYLOADS / f"{number}.json").read_text())
    known = recognise(row["topic"])
    assert known is not None
    _, found = known
    return Heard(found.rest, bytes.fromhex(row["payload_hex"]), False, row["ts"], found.prefix[23:].lstrip("/"))


def states(facts: Iterable[Fact]) -> list[State]:
    return [fact.state for fact in facts if isinstance(fact, StateSeen)]


def ends(facts: Iterable[Fact]) -> list[JobEnded]:
    return [fact for fact in facts if isinstance(fact, JobEnded)]


def values(facts: Iterable[Fact], name: str) -> list[tuple[float, float | None]]:
    samples = [fact for fact in facts if isinstance(fact, Samples) and name in fact.values]
    return [(fact.times[0], fact.values[name][0]) for fact in samples]


def parts(facts: Iterable[Fact]) -> list[tuple[int, int]]:
    return [(fact.good, fact.scrap) for fact in facts if isinstance(fact, PartCounted)]


def test_recorded_printer_made_one_part_in_one_job() -> None:
    facts = story(recorded(), "printer1")
    (end,) = [end for end in ends(facts) if end.ts is not None]
    assert (end.outcome, end.started_at, end.ts) == (Outcome.DONE, 1795399625.863, 1795399630.981)
    assert parts(facts) == [(1, 0)]


def test_recorded_printer_goes_through_its_states_and_measures() -> None:
    facts = story(recorded(), "printer1")
    assert states(facts) == [
        State.IDLE,
        State.SETUP,
        State.RUNNING,
        State.SETUP,
        State.IDLE,
        State.SETUP,
        State.RUNNING,
    ]
    energies = [value or 0.0 for _, value in values(facts, "energy_kwh")]
    assert energies == sorted(energies)
    assert energies[0] == pytest.approx(12.03455)
    assert values(facts, "progress_ratio")[1][1] == pytest.approx(2 / 90)


def test_recorded_mill_was_at_work_already_and_held_three_times() -> None:
    facts = story(recorded(), "mill1")
    (started,) = [fact for fact in facts if isinstance(fact, JobStarted)]
    assert started.ts is None
    assert states(facts).count(State.HELD) == 3
    assert values(facts, "spindle_load_pct")


@pytest.mark.parametrize("number", [f"{n:02}" for n in range(1, 17)])
def test_samples_of_both_libraries_are_read(number: str) -> None:
    message = sample(number)
    _, said = SPARKPLUG.decode(SPARKPLUG.state(), message)
    assert (said == ()) == (message.topic == "NCMD")


def test_names_of_both_libraries_mean_the_same() -> None:
    spoken = [[sample(n) for n in numbers] for numbers in (("01", "02", "03"), ("10", "11", "12"))]
    told_by = [[fact.values for fact in story(m, "printer1") if isinstance(fact, Samples)] for m in spoken]
    assert [sorted(row) for row in told_by[0]] == [sorted(row) for row in told_by[1]]
    assert sorted(told_by[0][0]) == ["energy_kwh", "nozzle_degc", "progress_ratio"]


def test_value_of_the_past_is_measured_at_its_own_time() -> None:
    (found,) = values(story([sample("01"), sample("02"), sample("04")], "printer1"), "energy_kwh")[1:]
    assert found == (1795399551.454, pytest.approx(12.03955))


@pytest.mark.parametrize("number", ["05", "06"])
def test_null_and_nan_are_no_samples(number: str) -> None:
    assert len(values(story([sample("01"), sample("02"), sample(number)], "printer1"), "nozzle_degc")) == 1


def test_error_is_a_fault_in_the_machines_own_words_and_its_nan_no_sample() -> None:
    facts = story([sample("10"), sample("11"), sample("13")], "printer1")
    fault = [fact for fact in facts if isinstance(fact, StateSeen)][-1]
    assert (fault.state, fault.why) == (State.FAULT, "thermistor open (E0)")
    assert len(values(facts, "nozzle_degc")) == 1


def test_alias_alone_is_enough_after_a_birth() -> None:
    birth = payload_class()(timestamp=round(NOW * 1000), seq=1)
    metric(birth, "Temperature/Bed", 60.0, alias=3, at=NOW)
    metric(birth, "State", "IDLE", alias=4, at=NOW)
    data = payload_class()(timestamp=round(NOW * 1000) + 1000, seq=2)
    metric(data, "", 61.5, alias=3, at=NOW + 1)
    metric(data, "", "Printing", alias=4, at=NOW + 1)
    messages = [births()[0], Heard("DBIRTH", birth.SerializeToString(), False, NOW, "p1"),
                Heard("DDATA", data.SerializeToString(), False, NOW + 1, "p1")]  # fmt: skip
    facts = story(messages)
    assert values(facts, "bed_degc")[-1] == (NOW + 1, 61.5)
    assert states(facts)[-1] is State.RUNNING
    assert asks(messages) == []


def test_alias_that_no_birth_told_asks_for_the_births() -> None:
    data = payload_class()(timestamp=round(NOW * 1000) + 1000, seq=2)
    metric(data, "", 61.5, alias=77)
    message = Heard("DDATA", data.SerializeToString(), False, NOW + 1, "p1")
    assert asks([*births(), message]) == [NOW + 1]


def test_unit_of_a_birth_holds_for_the_data_after_it() -> None:
    unit = properties_class()(keys=["engUnit"])
    unit.values.add(type=STRINGS, string_value="kWh")
    flow = properties_class()(keys=["engUnit"])
    flow.values.add(type=STRINGS, string_value="l/min")
    birth = payload_class()(timestamp=round(NOW * 1000), seq=1)
    metric(birth, "Energy/Total", 12.5, properties=unit.SerializeToString())
    metric(birth, "Chiller/Flow", 4.0, properties=flow.SerializeToString())
    messages = [births()[0], Heard("DBIRTH", birth.SerializeToString(), False, NOW, "p1"),
                told("DDATA", 1, 2, Energy_Total=12.75, Chiller_Flow=4.5)]  # fmt: skip
    facts = story(messages)
    assert [value for _, value in values(facts, "energy_kwh")] == [12.5, 12.75]
    assert [value for _, value in values(facts, "chiller_flow_l_min")] == [4.0, 4.5]


def test_missing_message_asks_for_the_births_once_a_minute_and_gives_up_after_three() -> None:
    lost = [told("DDATA", 70.0 * n, (3 * n) % 256, State="IDLE") for n in range(1, 8)]
    assert asks([*births(), *lost]) == [NOW + 70 * n for n in (1, 2, 3)]
    noted = [fact for fact in story([*births(), *lost], "") if isinstance(fact, Noted)]
    assert [fact.body["why"] for fact in noted] == ["node doesn't answer rebirth"]
    assert len(asks([*births(), *(told("DDATA", 1.0 + n, (3 * n + 3) % 256, State="IDLE") for n in range(50))])) == 1


def test_node_that_answers_is_asked_again_at_the_next_gap() -> None:
    rounds = [
        message
        for n in range(5)
        for message in (*births(100.0 * n), told("DDATA", 100.0 * n + 70, 9, Temperature_Bed=60.0))
    ]
    assert len(asks(rounds)) == 5


def test_question_is_a_rebirth_command_at_the_nodes_own_topic() -> None:
    _, said = SPARKPLUG.decode(SPARKPLUG.state(), told("DDATA", 0, 5, State="IDLE"))
    (ask,) = [item for item in said if isinstance(item, Ask)]
    assert SPARKPLUG.address("spBv1.0/G/cell1", ask.topic) == "spBv1.0/G/NCMD/cell1"
    (command,) = payload_class().FromString(ask.payload).metrics
    assert (command.name, command.boolean_value) == ("Node Control/Rebirth", True)


def test_seq_wraps_without_a_gap() -> None:
    data = [told("DDATA", 0.01 * seq, seq % 256, Temperature_Bed=60.0) for seq in range(2, 600)]
    assert asks([*births(), *data]) == []
    assert len(values(story([*births(), *data]), "bed_degc")) == 598


def test_device_before_its_birth_is_heard_provisionally() -> None:
    facts = story([told("DDATA", 0, 9, State="PRINTING", Temperature_Bed=60.0, Odd_Thing=1.0)])
    assert states(facts) == [State.RUNNING]
    assert values(facts, "bed_degc") == [(NOW, 60.0)]
    assert not values(facts, "odd_thing_value")


def test_death_of_the_node_takes_all_devices_offline_at_our_time() -> None:
    messages = [*births(), told("DBIRTH", 0, 2, "p2", State="RUNNING"), death(500, 0, 0)]
    for part, before in (("", State.UNKNOWN), ("p1", State.IDLE), ("p2", State.RUNNING)):
        facts = [fact for fact in story(messages, part) if isinstance(fact, StateSeen)]
        assert [(fact.ts, fact.state) for fact in facts] == [(NOW, before), (NOW + 500, State.OFFLINE)]


def test_will_of_the_connection_before_does_not_take_the_new_one_offline() -> None:
    again = [*births(), *births(300, bd=1)]
    assert states(story([*again, death(310, 0, 0)])) == [State.IDLE]
    assert states(story([*again, death(310, 1, 300)])) == [State.IDLE, State.OFFLINE]
    assert states(story([*again, death(500, 7, 0)])) == [State.IDLE, State.OFFLINE]


def test_death_with_a_bdseq_of_its_own_counts_where_only_one_birth_was_heard() -> None:
    assert states(story([sample("01"), sample("02"), sample("09")], "printer1"))[-1] is State.OFFLINE
    assert states(story([sample("10"), sample("11"), sample("16")], "printer1"))[-1] is State.OFFLINE


def test_devices_that_talk_on_after_the_nodes_death_are_what_they_were() -> None:
    facts = story([*births(), death(100, 0, 0), told("DDATA", 101, None, Temperature_Bed=60.0)])
    assert states(facts) == [State.IDLE, State.OFFLINE, State.IDLE]


def test_job_goes_on_when_its_node_comes_back_within_a_minute() -> None:
    messages = [*births(), told("DDATA", 10, 2, State="PRINTING"), death(20, 0, 0), *births(50, 1, State="PRINTING"),
                told("DDATA", 60, 2, State="IDLE", Parts_Good=18)]  # fmt: skip
    (end,) = ends(story(messages))
    assert (end.started_at, end.ts, end.outcome) == (NOW + 10, NOW + 60, Outcome.DONE)


def test_job_that_was_lost_for_long_ends_unknown_and_what_runs_then_is_another() -> None:
    messages = [*births(), told("DDATA", 10, 2, State="PRINTING"), death(20, 0, 0), *births(200, 1, State="PRINTING"),
                told("DDATA", 260, 2, State="COMPLETE")]  # fmt: skip
    first, second = ends(story(messages))
    assert (first.outcome, first.cause) == (Outcome.UNKNOWN, "edge node lost (NDEATH)")
    assert (second.started_at, second.ts, second.outcome) == (None, NOW + 260, Outcome.DONE)


def test_job_that_began_while_its_node_was_away_for_a_moment_is_a_job_without_a_start() -> None:
    messages = [*births(), told("DDATA", 10, 2, State="PRINTING"), told("DDATA", 20, 3, State="COMPLETE"),
                death(22, 0, 0), *births(25, 1, State="PRINTING"), told("DDATA", 90, 2, State="COMPLETE")]  # fmt: skip
    first, second = ends(story(messages))
    assert (first.started_at, first.ts) == (NOW + 10, NOW + 20)
    assert (second.started_at, second.ts, second.outcome) == (None, NOW + 90, Outcome.DONE)


@pytest.mark.parametrize(
    ("last", "outcome", "cause"),
    [
        ({"State": "COMPLETE"}, Outcome.DONE, None),
        ({"State": "IDLE", "Parts_Good": 18}, Outcome.DONE, None),
        ({"State": "IDLE", "Parts_Scrap": 1}, Outcome.FAILED, "part scrapped"),
        ({"State": "STOPPED"}, Outcome.CANCELLED, None),
        ({"State": "ERROR: nozzle jam"}, Outcome.FAILED, "nozzle jam"),
        ({"State": "Fault"}, Outcome.FAILED, "machine error"),
        ({"State": "IDLE"}, Outcome.UNKNOWN, None),
    ],
)
def test_job_ends_as_word_and_parts_say(last: dict[str, Any], outcome: Outcome, cause: str | None) -> None:
    messages = [*births(Parts_Scrap=0, Job_Name="a.gcode"), told("DDATA", 10, 2, State="PREHEAT"),
                told("DDATA", 12, 3, State="PAUSED"), told("DDATA", 14, 4, State="PRINTING"),
                told("DDATA", 20, 5, **last)]  # fmt: skip
    (end,) = ends(story(messages))
    assert (end.outcome, end.cause, end.file, end.started_at) == (outcome, cause, "a.gcode", NOW + 10)
    assert (end.ts, end.held_s) == (NOW + 20, pytest.approx(2.0))


def test_part_counted_just_after_rest_makes_the_job_done() -> None:
    messages = [*births(), told("DDATA", 10, 2, State="RUNNING"), told("DDATA", 20, 3, State="IDLE"),
                told("DDATA", 20.2, 4, Parts_Good=18)]  # fmt: skip
    (end,) = ends(story(messages))
    assert (end.outcome, end.ts) == (Outcome.DONE, NOW + 20)


def test_counter_that_begins_anew_counts_what_it_says_since() -> None:
    counts = [told("DDATA", n, 1 + n, Parts_Good=count) for n, count in enumerate((17, 19, 2, 2, 5), 1)]
    assert parts(story([*births(), *counts])) == [(2, 0), (2, 0), (3, 0)]


def test_count_of_all_parts_is_not_added_to_that_of_good_ones() -> None:
    messages = [*births(Parts_Count=20), told("DDATA", 1, 2, Parts_Good=18, Parts_Count=21)]
    assert parts(story(messages)) == [(1, 0)]


def test_stamps_that_cannot_be_believed_give_way_to_the_arrival() -> None:
    for off in (400.0, -400.0, -NOW + 60):
        (found,) = values(story([told("DDATA", 0, 1, stamp=off, Temperature_Bed=60.0)]), "bed_degc")
        assert found == (NOW, 60.0)
    (found,) = values(story([told("DDATA", 0, 1, stamp=-2.5, Temperature_Bed=60.0)]), "bed_degc")
    assert found == (NOW - 2.5, 60.0)


def test_message_that_comes_behind_newer_ones_measures_but_says_no_state() -> None:
    messages = [*births(), told("DDATA", 1, 3, State="RUNNING"),
                told("DDATA", 0.5, 2, State="IDLE", Temperature_Bed=60.0)]  # fmt: skip
    facts = story(messages)
    assert states(facts) == [State.IDLE, State.RUNNING]
    assert values(facts, "bed_degc") == [(NOW + 0.5, 60.0)]


def test_clock_set_back_costs_no_word() -> None:
    messages = [*births(), told("DDATA", 1, 2, State="RUNNING"), told("DDATA", 2, 3, stamp=-3600.0, State="IDLE"),
                told("DDATA", 3, 7, stamp=-3600.0, State="HELD")]  # fmt: skip
    assert states(story(messages)) == [State.IDLE, State.RUNNING, State.IDLE, State.HELD]


def test_whole_sessions_told_again_say_nothing_new() -> None:
    once = [*births(), told("DDATA", 10, 2, State="PRINTING"), told("DDATA", 20, 3, State="IDLE", Parts_Good=18),
            death(30, 0, 0), *births(40, 1, Parts_Good=18), told("DDATA", 50, 2, State="PRINTING"),
            told("DDATA", 60, 3, State="IDLE", Parts_Good=19)]  # fmt: skip
    again = [message._replace(at=message.at + 600) for message in once]
    assert story([*once, *again]) == story(once)


def test_negative_whole_numbers_are_read_by_their_datatype_or_their_sign_bit() -> None:
    payload = payload_class()(timestamp=round(NOW * 1000), seq=1)
    metric(payload, "Temperature/Bed", 2**32 - 5, datatype=3)
    metric(payload, "Temperature/Chamber", 256 - 5, datatype=1)
    metric(payload, "Temperature/Nozzle", 2**32 - 5)
    facts = story([births()[0], Heard("DBIRTH", payload.SerializeToString(), False, NOW, "p1")])
    for name in ("bed_degc", "chamber_degc", "nozzle_degc"):
        assert values(facts, name)[0][1] == -5.0


def test_progress_in_per_cent_is_a_ratio() -> None:
    messages = [*births(Job_Progress=1), told("DDATA", 1, 2, Job_Progress=50), told("DDATA", 2, 3, Job_Progress=62.5)]
    assert [value for _, value in values(story(messages), "progress_ratio")] == [0.01, 0.5, 0.625]


def test_packml_numbers_are_states() -> None:
    data = [told("DDATA", n, n + 1, PackML_StateCurrent=code) for n, code in enumerate((4, 6, 11, 6, 17, 99), 1)]
    wanted = [State.IDLE, State.RUNNING, State.HELD, State.RUNNING, State.WAITING_PERSON]
    assert states(story([*births(), *data])) == wanted


def test_impossible_value_is_left_out_and_the_rest_is_kept() -> None:
    facts = story([told("DDATA", 0, 1, Temperature_Bed=9000.0, Temperature_Nozzle=210.0)])
    assert values(facts, "bed_degc") == []
    assert values(facts, "nozzle_degc") == [(NOW, 210.0)]


def test_topics_are_recognised_with_their_gateway() -> None:
    rows = {
        "spBv1.0/G/NDATA/N": ("spBv1.0/G/N", "NDATA"),
        "spBv1.0/G x/DBIRTH/N/D": ("spBv1.0/G x/N/D", "DBIRTH"),
    }
    for topic, (prefix, rest) in rows.items():
        assert SPARKPLUG.recognise(topic) == (prefix, rest)
    for topic in (
        "spBv1.0/STATE/host",
        "spBv1.0/G/DDATA/N",
        "spBv1.0/G/NDATA/N/D",
        "spBv1.0/G/NOTHING/N",
        "spAv1.0/G/NDATA/N",
    ):
        assert SPARKPLUG.recognise(topic) is None
    assert SPARKPLUG.gateway is not None
    assert SPARKPLUG.gateway("spBv1.0/G/N/D") == "spBv1.0/G/N"
    account = foreign_user("word", SPARKPLUG.filters("spBv1.0/G/N/D"), SPARKPLUG.hears("spBv1.0/G/N/D"))
    assert account.subscribe == ("spBv1.0/G/NCMD/N",)
    assert SPARKPLUG.filters("spBv1.0/G/N/D") == SPARKPLUG.filters("spBv1.0/G/N") == ("spBv1.0/G/+/N/#",)


def test_memory_is_bounded_whatever_is_born() -> None:
    memory = SPARKPLUG.state()
    for n in range(120):
        payload = payload_class()(timestamp=round((NOW + n) * 1000), seq=n % 256)
        for alias in range(400):
            metric(payload, f"Thing \U0001f916 {n}/{alias}" + "x" * 50, 1.0, alias=2**63 + alias)
        metric(payload, "Job/Name", "\\\U0001f916" * 500)
        metric(payload, "State", "ERROR: " + '"\U0001f916' * 500)
        part = f"{n}" + "\U0001f916" * 100
        memory, _ = SPARKPLUG.decode(memory, Heard("DBIRTH", payload.SerializeToString(), False, NOW + n, part))
        assert len(msgspec.json.encode(memory)) < 16 * 1024


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x12\xff\xff\xff\xff\x0f",  # a metric of 4 GiB
        b"\x12\x05\x0a\xff\xff\xff\x7f",
        b"\x0b" * 1000,  # groups within groups
        b"\x12\x03\x0a\x01\xff",  # a name that is no UTF-8
        b"\x12\x00" * 5000,
        b"\x08" + b"\x80" * 100,
        b"x" * (PAYLOAD_BYTES_MAX + 1),
    ],
)
def test_broken_payloads_are_refused(payload: bytes) -> None:
    with pytest.raises(Refusal):
        SPARKPLUG.decode(SPARKPLUG.state(), Heard("NDATA", payload, False, NOW))


def test_unit_that_is_no_utf8_spoils_nothing_else() -> None:
    payload = payload_class()(timestamp=round(NOW * 1000), seq=2)
    latin = b"\x0a\x07engUnit\x12\x05\x08\x0c\x42\x01\xb0"
    metric(payload, "Temperature/Bed", 60.0, properties=latin)
    message = Heard("DDATA", payload.SerializeToString(), False, NOW + 1, "p1")
    assert values(story([*births(), message]), "bed_degc") == [(NOW + 1, 60.0)]


def test_deeply_nested_template_is_passed_over_unread() -> None:
    inner = b""
    for _ in range(5_000):
        inner = b"\x92\x01" + _length(len(inner)) + inner
    payload = b"\x08" + _length(round(NOW * 1000)) + b"\x12" + _length(len(inner)) + inner
    assert story([*births(), Heard("DDATA", payload, False, NOW + 1, "p1")])


def _length(number: int) -> bytes:
    found = b""
    while number > 0x7F:
        found, number = found + bytes([number & 0x7F | 0x80]), number >> 7
    return found + bytes([number])


@settings(max_examples=400, deadline=None, database=None, derandomize=True)
@given(st.sampled_from(sorted(path.stem for path in PAYLOADS.glob("*.json"))), st.data())
def test_mutated_protobuf_is_decoded_or_refused(number: str, data: st.DataObject) -> None:
    message = sample(number)
    blob = bytearray(message.payload)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(blob) - 1))
        match data.draw(st.sampled_from(("flip", "cut", "insert", "double"))):
            case "flip":
                blob[at] ^= data.draw(st.integers(1, 255))
            case "cut":
                del blob[at + 1 :]
            case "insert":
                blob[at:at] = data.draw(st.binary(max_size=8))
            case "double":
                blob += blob[at:]
    try:
        memory, said = SPARKPLUG.decode(SPARKPLUG.state(), message._replace(payload=bytes(blob)))
    except Refusal:
        return
    assert len(msgspec.json.encode(memory)) < 16 * 1024
    facts = [fact for item in said for fact in (item.said if isinstance(item, Of) else (item,))]
    follow(JobTrack(), [fact for fact in facts if not isinstance(fact, Ask)])


def in_plant(works: Any, *names: str) -> None:
    rows = {name: {"place": f"hall/{name}", "dialect": "sparkplug", "prefix": f"spBv1.0/G/N/{name}"} for name in names}
    works.collector.replant(read_plant({"machines": rows}))


def publish(works: Any, message: Heard) -> None:
    end = f"/{message.part}" if message.part else ""
    works.machine.publish(f"spBv1.0/G/{message.topic}/N{end}", message.payload)
    works.turn(after_s=0.01)


def test_words_of_a_node_reach_the_machines_behind_it_and_its_births_are_asked_for(works: Any) -> None:
    in_plant(works, "p1", "p2")
    node = works.bus("node")
    node.subscribe(["spBv1.0/G/NCMD/N"])
    brackets = {f"Note_{n}": "[{" * 40 for n in range(3)}
    for message in (*births(), told("DBIRTH", 0, 2, "p2", State="RUNNING"), told("DDATA", 0, 9, "p2", **brackets)):
        publish(works, message)
    works.turn(after_s=0.01)
    (command,) = node.take(most=10, wait_s=0.0)
    assert payload_class().FromString(command.payload).metrics[0].name == "Node Control/Rebirth"
    publish(works, death(1, 0, 0))
    seen = [(batch.device, fact.state) for _, batch in works.spool.read_from(1, most=100) for fact in batch.facts
            if isinstance(fact, StateSeen)]  # fmt: skip
    assert seen == [("p1", State.IDLE), ("p2", State.RUNNING), ("p1", State.OFFLINE), ("p2", State.OFFLINE)]
    assert works.quarantined() == []
