# SPDX-License-Identifier: AGPL-3.0-or-later
"""The failure table's rows (README of the collector) that one collector in one process can show."""

from __future__ import annotations

import json
import random
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from collector.contract.event import Noted
from collector.contract.reading import Samples
from collector.quota import Quota
from collector.rules import Rules
from collector.service import Collector
from collector.ways import Ways

BOOT = "9f1c6b0e2d7a4415"
OTHER_BOOT = "1111222233334444"
NOW = 1_795_400_000.0
MS = round(1000 * NOW)


def reading(seq: int, *, boot: str = BOOT, ts: Any = MS, **m: Any) -> dict[str, Any]:
    return {"v": 1, "boot": boot, "seq": seq, "ts": ts, "m": m or {"power_w": 1.0}}


def samples(works: Any) -> list[Samples]:
    return [fact for fact in works.facts() if isinstance(fact, Samples)]


def notes(works: Any) -> list[str]:
    return [fact.event for fact in works.facts() if isinstance(fact, Noted)]


def gaps(works: Any) -> list[tuple[int, int]]:
    return [(gap["first"], gap["last"]) for gap in works.http.get("/api/v1/gaps").json()["items"]]


def test_row_06_the_same_message_three_times_counts_once_and_is_two_duplicates(works: Any) -> None:
    for _ in range(3):
        works.say("reading/@mk4", reading(0))
    works.drain.turn(wait_s=0.0)
    assert works.account() == {
        "received": 3, "stored": 1, "duplicate": 2, "rejected": 0, "quarantined": 0, "pending": 0
    }  # fmt: skip
    assert len(samples(works)) == 1


def test_row_08_a_gap_is_listed_exactly_and_closes_when_it_arrives_late(works: Any) -> None:
    for seq in (*range(11), *range(15, 21)):
        works.say("reading/@mk4", reading(seq))
    assert gaps(works) == [(11, 14)]
    works.say("reading/@mk4", reading(12))
    assert gaps(works) == [(11, 11), (13, 14)]
    for seq in (14, 11, 13):
        works.say("reading/@mk4", reading(seq))
    assert gaps(works) == []


def test_row_09_a_future_stamp_goes_to_quarantine_with_one_notice_an_hour(works: Any) -> None:
    works.say("reading/@mk4", reading(0, ts=MS + 300_000))
    for seq in (1, 2):
        works.say("reading/@mk4", reading(seq, ts=MS + 301_000))
    works.turn(after_s=3_601.0)
    works.say("reading/@mk4", reading(3, ts=MS + 4_000_000))
    assert (len(samples(works)), works.quarantined()) == (1, [("mk4", "clock_ahead")] * 3)
    assert notes(works) == ["clock_ahead"] * 2


def test_row_09_how_far_ahead_a_stamp_may_be_is_a_setting(make_works: Any) -> None:
    works = make_works(Ways(rules=Rules(ahead_s_max=10.0)))
    works.say("reading/@mk4", reading(0, ts=MS + 11_000))
    assert works.quarantined() == [("mk4", "clock_ahead")]


def test_row_10_what_is_older_than_what_is_kept_is_too_old(make_works: Any) -> None:
    works = make_works(Ways(rules=Rules(kept_days=14)))
    works.say("reading/@mk4", reading(0, ts=MS - 14 * 86_400_000))
    works.say("reading/@mk4", reading(1, ts=MS - 14 * 86_400_000 - 1_000))
    assert (len(samples(works)), works.quarantined()) == (1, [("mk4", "too_old")])


def test_row_10_a_state_may_be_older_than_what_is_kept_of_samples(make_works: Any) -> None:
    works = make_works(Ways(rules=Rules(kept_days=14)))
    works.say("state/@mk4", {"v": 1, "state": "idle", "ts": MS - 60 * 86_400_000}, retain=True)
    assert (len(works.facts()), works.quarantined()) == (1, [])


def test_row_10_a_clock_that_was_never_set_is_believed_of_nobody(works: Any) -> None:
    works.say("reading/@mk4", reading(0, ts=5_000))
    works.say("reading/@still", reading(0, ts=5_000))
    works.say("reading/@still", {"v": 1, "m": {"power_w": 1.0}})
    assert works.quarantined() == [("mk4", "too_old")]
    assert [(fact.times, fact.assigned) for fact in samples(works)] == [((NOW,), True)] * 2


def test_row_11_a_null_is_counted_by_indicator_and_the_rest_is_stored(works: Any) -> None:
    works.say("reading/@mk4", reading(0, nozzle_degc=None, power_w=5.0))
    assert samples(works)[0].values == {"nozzle_degc": (None,), "power_w": (5.0,)}
    assert works.collector.null_counts == {"nozzle_degc": 1}


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_row_11_what_is_no_json_number_is_quarantined_whole(works: Any, number: str) -> None:
    works.say("reading/@mk4", b'{"v":1,"m":{"power_w":5,"nozzle_degc":%b}}' % number.encode())
    assert (samples(works), len(works.quarantined())) == ([], 1)


@pytest.mark.parametrize("value", [1.1e15, -(10**19), 10**30, 1e300])
def test_row_12_a_value_that_cannot_be_goes_to_quarantine_alone(works: Any, value: float) -> None:
    works.say("reading/@mk4", reading(0, spindle_rpm=value, power_w=5.0))
    assert samples(works)[0].values == {"spindle_rpm": (None,), "power_w": (5.0,)}
    assert works.quarantined() == [("mk4", "off_scale")]


def test_row_12_many_impossible_values_of_a_message_are_one_item(works: Any) -> None:
    works.say("reading/@mk4", {**reading(0), "dt_ms": list(range(999)), "m": {"nozzle_degc": [9e9] * 999}})
    assert works.quarantined() == [("mk4", "off_scale")]


def test_row_13_a_negative_count_is_off_the_scale(works: Any) -> None:
    works.say("reading/@mk4", reading(0, energy_kwh=-1.0, power_w=5.0))
    assert (works.quarantined(), samples(works)[0].values["energy_kwh"]) == ([("mk4", "off_scale")], (None,))


def test_row_13_a_counter_falls_with_a_new_boot_alone(works: Any) -> None:
    for seq, at_s, value in ((0, 0, 10.0), (1, 10, 9.0), (2, 20, 11.0), (3, 5, 10.5)):
        works.say("reading/@mk4", reading(seq, ts=MS + 1000 * at_s, energy_kwh=value))
    works.say("reading/@mk4", reading(0, boot=OTHER_BOOT, ts=MS + 30_000, energy_kwh=0.5))
    kept = [fact.values["energy_kwh"][0] for fact in samples(works)]
    assert (kept, works.quarantined()) == ([10.0, None, 11.0, 10.5, 0.5], [("mk4", "counter_decrease")])
    assert notes(works) == ["counter_reset"]


def test_row_15_a_payload_that_is_too_large_costs_no_memory(works: Any) -> None:
    payload = b'{"v":1,"m":{"a_w":' + b"1" * 300_000 + b"}}"
    tracemalloc.start()
    works.say("reading/@mk4", payload)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert works.quarantined() == [("", "too_large")] or works.quarantined() == [("mk4", "too_large")]
    assert peak < 1024 * 1024


def test_row_16_among_good_messages_those_that_are_no_json_change_nothing(works: Any) -> None:
    chance = random.Random(1972)
    bad = 0
    for seq in range(300):
        if seq % 10 == 9:
            bad += 1
            works.machine.publish("cybersyn/v1/reading/@mk4", chance.randbytes(80) + b"\xff")
        works.machine.publish("cybersyn/v1/reading/@mk4", json.dumps(reading(seq)).encode())
    works.turn()
    assert (len(samples(works)), works.account()["quarantined"], gaps(works)) == (300, bad, [])


def test_row_17_deep_brackets_are_refused_without_recursion(works: Any) -> None:
    works.say("reading/@mk4", b'{"v":1,"m":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
    assert works.quarantined() == [("mk4", "too_deep")]


def test_row_18_a_name_that_comes_twice_refuses_the_message(works: Any) -> None:
    works.say("reading/@mk4", b'{"v":1,"m":{"power_w":1,"power_w" : 2}}')
    works.say("reading/@mk4", b'{"v":1,"v":1,"m":{"power_w":1}}')
    assert works.quarantined() == [("mk4", "twice")] * 2


BAD_PLACES = ["a//b", "../etc", "a/+", "a/#", "$SYS/x", "", "@", "@a b", "a/b c", "a/\x00", "a/\u202e", "a/ü"]


@pytest.mark.parametrize("place", BAD_PLACES)
def test_row_19_a_topic_outside_the_grammar_is_quarantined(works: Any, place: str) -> None:
    decided = works.decide(f"cybersyn/v1/reading/{place}", reading(0))
    assert decided.reason == "bad_topic"


def test_row_21_series_beyond_the_bound_are_set_aside_and_the_others_go_on(make_works: Any) -> None:
    works = make_works(Ways(rules=Rules(series_per_device_max=3, series_max=4)))
    works.say("reading/@mk4", reading(0, a_w=1.0, b_w=1.0))
    works.say("reading/@mk4", reading(1, a_w=2.0, c_w=1.0, d_w=1.0))
    works.say("reading/@still", reading(0, a_w=1.0, b_w=1.0))
    works.say("reading/@mk4", reading(2, a_w=3.0, b_w=3.0, c_w=3.0))
    kept = ["".join(name[0] for name in sorted(fact.values)) for fact in samples(works)]
    assert kept == ["ab", "ac", "a", "abc"]
    assert works.quarantined() == [("mk4", "series_limit"), ("still", "series_limit")]


def test_row_21_the_bound_holds_across_a_restart(make_works: Any) -> None:
    ways = Ways(rules=Rules(series_per_device_max=2))
    first = make_works(ways)
    first.say("reading/@mk4", reading(0, a_w=1.0, b_w=1.0))
    first.spool.close()
    again = make_works(ways)
    again.say("reading/@mk4", reading(1, c_w=1.0, a_w=2.0))
    assert again.quarantined() == [("mk4", "series_limit")]


def test_row_22_a_retained_reading_told_again_is_not_stored_again(works: Any) -> None:
    works.say("reading/@mk4", {"v": 1, "ts": MS, "m": {"power_w": 1.0}}, retain=True)
    works.say("reading/@still", {"v": 1, "m": {"power_w": 1.0}}, retain=True)
    bus = works.bus("collector")
    again = Collector(spool=works.spool, bus=bus, clock=works.clock, registry=works.collector.registry)
    assert again.turn(wait_s=0.0) == 2
    assert (len(samples(works)), works.account()["duplicate"], works.account("still")["duplicate"]) == (2, 1, 1)


def test_row_28_a_session_that_the_broker_lost_is_a_possible_gap_with_its_span(works: Any, monkeypatch: Any) -> None:
    spans = [[(NOW - 60.0, NOW)]]
    bus = works.collector._bus
    monkeypatch.setattr(bus, "take_lost_spans", lambda: spans.pop() if spans else [])
    works.turn()
    works.turn()
    (noted,) = [fact for fact in works.facts() if isinstance(fact, Noted)]
    assert (noted.event, noted.body) == (
        "possible_gap",
        {"since": "2026-11-23T02:12:20.000Z", "until": "2026-11-23T02:13:20.000Z"},
    )


@pytest.mark.parametrize("step_s", [7_200.0, -7_200.0])
def test_row_29_a_step_of_the_hosts_clock_makes_nobody_silent(works: Any, monkeypatch: Any, step_s: float) -> None:
    clock = works.clock
    monkeypatch.setattr(clock, "real_s", lambda plant_s: plant_s)
    works.say("state/@mk4", {"v": 1, "state": "running"})
    stepped = clock.now() + step_s
    monkeypatch.setattr(clock, "now", lambda: stepped)
    works.collector.turn(wait_s=0.0)
    states = [fact.state.value for fact in works.facts() if not isinstance(fact, Samples)]
    assert states == ["running"]


def test_an_offender_is_throttled_alone_and_loses_nothing_that_it_keeps(make_works: Any) -> None:
    works = make_works(Ways(quota=Quota(messages_per_s_max=1.0)))
    for seq in range(15):
        works.machine.publish("cybersyn/v1/reading/@mk4", json.dumps(reading(seq)).encode())
    works.machine.publish("cybersyn/v1/reading/@still", json.dumps(reading(0)).encode())
    works.turn()
    assert (works.account()["rejected"], len(samples(works)), works.quarantined()) == (5, 11, [])
    receipt = json.loads(works.collector.receipt("mk4"))["boots"][BOOT]
    assert receipt["stored_through"] == 9
    assert notes(works) == ["throttled"]


def test_a_throttled_sender_without_numbers_is_kept_in_quarantine(make_works: Any) -> None:
    works = make_works(Ways(quota=Quota(messages_per_s_max=1.0)))
    for _ in range(12):
        works.machine.publish("cybersyn/v1/reading/@mk4", b'{"v":1,"m":{"power_w":1}}')
    works.turn()
    assert (len(samples(works)), works.quarantined()) == (10, [("mk4", "over_quota")] * 2)


def test_a_message_that_breaks_our_own_code_is_kept_and_the_next_is_taken(works: Any, monkeypatch: Any) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("collector.intake.native.decode", lambda *_, **__: 1 / 0)
        works.say("reading/@mk4", reading(0))
    works.say("reading/@mk4", reading(1))
    assert (works.quarantined(), len(samples(works)), works.collector.failed_count) == ([("", "our_fault")], 1, 1)


def test_too_much_over_http_is_answered_with_429(make_works: Any) -> None:
    works = make_works(Ways(quota=Quota(messages_per_s_max=0.1)))
    body = {"v": 1, "device": "mk4", "m": {"power_w": 1}}
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(works.http.post, "/api/v1/readings", json=body) for _ in range(2)]
        while not all(answer.done() for answer in asked):
            works.turn()
    codes = sorted(answer.result().status_code for answer in asked)
    assert (codes, works.account("")["rejected"]) == ([200, 429], 1)
