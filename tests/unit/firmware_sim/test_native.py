# SPDX-License-Identifier: AGPL-3.0-or-later
"""The native voice speaks the contract's form, and forgets nothing before its receipt."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from collector.contract.codec import decode_event, decode_state
from collector.contract.event import JobEnded, JobStarted, Outcome, State, StateSeen
from collector.contract.reading_codec import decode_reading
from firmware_sim.machines.printer import Printer, Sensed
from firmware_sim.voices import native
from firmware_sim.voices.native import HELD_MAX, RECEIPT_S, NativeVoice
from firmware_sim.voices.voice import Publication

BOOT = "9f1c6b0e2d7a4415"
RECEIPT = "cybersyn/v1/receipt/@mk4-01"


@pytest.fixture
def voice() -> NativeVoice:
    return NativeVoice("@mk4-01", boot=BOOT)


@pytest.fixture
def printer(make_printer: Callable[..., Printer]) -> Printer:
    made = make_printer()
    made.begin()
    return made


def speak(voice: NativeVoice, printer: Printer, *, samples: int, real_gap_s: float, real_s: float = 100.0) -> float:
    for _ in range(samples):
        printer.advance(printer.now + 5)
        real_s += real_gap_s
        voice.sampled(printer, real_s)
    return real_s


def readings(due: list[Publication]) -> list[dict[str, Any]]:
    return [json.loads(each.payload) for each in due if "/reading/" in each.topic]


def receipt(through: int, missing: tuple[int, ...] = (), events: tuple[str, ...] = ()) -> bytes:
    return json.dumps(
        {"boots": {BOOT: {"stored_through": through, "missing": missing}}, "events": list(events)}
    ).encode()


def test_at_speed_one_every_sample_is_a_message_of_plain_numbers(voice: NativeVoice, printer: Printer) -> None:
    speak(voice, printer, samples=3, real_gap_s=5.0)
    sent = readings(voice.take(20, 200.0))
    assert [each["seq"] for each in sent] == [0, 1, 2]
    assert all("dt_ms" not in each and isinstance(each["m"]["power_w"], float) for each in sent)
    assert set(sent[0]["m"]) == set(Sensed._fields)


def test_at_a_fast_clock_samples_are_batched_half_a_real_second_apart(voice: NativeVoice, printer: Printer) -> None:
    speak(voice, printer, samples=61, real_gap_s=0.125)
    sent = readings(voice.take(20, 200.0))
    assert len(sent) == 16
    assert sent[2]["dt_ms"] == [0, 5000, 10000, 15000]
    assert {len(column) for column in sent[2]["m"].values()} == {4}


def test_a_batch_never_spans_more_than_a_minute(voice: NativeVoice, printer: Printer) -> None:
    speak(voice, printer, samples=100, real_gap_s=0.0001)
    assert all(max(each["dt_ms"]) < 60_000 for each in readings(voice.take(20, 200.0))[1:])


def test_every_reading_is_what_the_contract_decodes(voice: NativeVoice, printer: Printer) -> None:
    speak(voice, printer, samples=30, real_gap_s=0.1)
    for number, publication in enumerate(voice.take(20, 200.0)):
        message = decode_reading(publication.payload, now=0.0)
        assert (publication.topic, publication.qos) == ("cybersyn/v1/reading/@mk4-01", 1)
        assert (message.boot, message.seq, message.aside) == (BOOT, number, ())
        assert not message.samples.assigned


def test_states_and_job_events_are_what_the_contract_decodes(voice: NativeVoice, printer: Printer) -> None:
    for happening in (
        JobStarted("j1", printer.now, "a.gcode", 60.0),
        StateSeen(printer.now, State.FAULT, "nozzle blocked"),
        JobEnded("j1", printer.now, Outcome.FAILED, "a.gcode", "nozzle blocked", duration_s=5.0),
    ):
        voice.happened(happening, printer, 1.0)
    begun, state, ended = voice.take(20, 2.0)
    assert decode_event(begun.payload).estimate_s == 60.0
    assert (decode_state(state.payload).why, state.retain) == ("nozzle blocked", True)
    message = decode_event(ended.payload)
    assert (message.job, message.outcome, message.cause) == ("j1", "failed", "nozzle blocked")


def test_what_was_measured_before_a_change_goes_out_before_it(voice: NativeVoice, printer: Printer) -> None:
    speak(voice, printer, samples=2, real_gap_s=0.0)
    voice.happened(StateSeen(printer.now, State.FAULT), printer, 100.1)
    assert [each.topic.split("/")[2] for each in voice.take(20, 101.0)][-2:] == ["reading", "state"]


def test_a_reading_is_kept_until_a_receipt_covers_it(voice: NativeVoice, printer: Printer) -> None:
    speak(voice, printer, samples=5, real_gap_s=1.0)
    voice.take(20, 106.0)
    assert voice.held_count == 5
    voice.received(RECEIPT, receipt(3, missing=(1,)), 107.0)
    assert voice.held_count == 2


def test_a_receipt_of_another_boot_or_address_covers_nothing(voice: NativeVoice, printer: Printer) -> None:
    speak(voice, printer, samples=2, real_gap_s=1.0)
    voice.received(RECEIPT, receipt(9).replace(BOOT.encode(), b"0" * 16), 107.0)
    voice.received("cybersyn/v1/receipt/@other", receipt(9), 107.0)
    assert voice.held_count == 2


@pytest.mark.parametrize("payload", [b"", b"[]", b'{"boots":7}', b'{"boots":{"9f1c6b0e2d7a4415":{}}}', b"\xff"])
def test_a_receipt_that_is_none_is_passed_over(voice: NativeVoice, printer: Printer, payload: bytes) -> None:
    speak(voice, printer, samples=2, real_gap_s=1.0)
    voice.received(RECEIPT, payload, 107.0)
    assert voice.held_count == 2


def test_after_a_reconnect_the_state_comes_first_and_then_everything_without_a_receipt(
    voice: NativeVoice, printer: Printer
) -> None:
    speak(voice, printer, samples=4, real_gap_s=1.0)
    voice.take(20, 105.0)
    voice.received(RECEIPT, receipt(1), 106.0)
    voice.connected(printer, 107.0)
    due = voice.take(20, 107.0)
    assert json.loads(due[0].payload)["state"] == "running"
    assert [each["seq"] for each in readings(due)] == [2, 3]


def test_without_a_receipt_everything_is_sent_again_ever_more_slowly(voice: NativeVoice, printer: Printer) -> None:
    real_s = speak(voice, printer, samples=2, real_gap_s=1.0)
    assert len(voice.take(20, real_s)) == 2
    assert voice.take(20, real_s + RECEIPT_S - 0.1) == []
    assert [each["seq"] for each in readings(voice.take(20, real_s + RECEIPT_S))] == [0, 1]
    assert voice.take(20, real_s + 2 * RECEIPT_S) == []
    assert len(voice.take(20, real_s + 3 * RECEIPT_S)) == 2


def test_what_a_receipt_calls_missing_is_sent_again_at_once(voice: NativeVoice, printer: Printer) -> None:
    speak(voice, printer, samples=4, real_gap_s=1.0)
    voice.take(20, 105.0)
    voice.received(RECEIPT, receipt(3, missing=(2,)), 108.0)
    assert [each["seq"] for each in readings(voice.take(20, 108.0))] == [2]


def test_an_event_is_kept_until_the_receipt_names_it(voice: NativeVoice, printer: Printer) -> None:
    voice.happened(JobStarted("j1", printer.now, "a.gcode", 60.0), printer, 1.0)
    (sent,) = voice.take(20, 2.0)
    voice.received(RECEIPT, receipt(5), 3.0)
    assert voice.held_count == 1
    voice.received(RECEIPT, receipt(5, events=(json.loads(sent.payload)["id"],)), 4.0)
    assert voice.held_count == 0


def test_a_seq_is_never_used_twice(voice: NativeVoice, printer: Printer) -> None:
    real_s, seen = 100.0, []
    for _ in range(10):
        real_s = speak(voice, printer, samples=3, real_gap_s=1.0, real_s=real_s)
        seen += [each["seq"] for each in readings(voice.take(100, real_s))]
        voice.received(RECEIPT, receipt(max(seen)), real_s)
    assert seen == list(range(30))


def test_a_full_buffer_gives_up_its_oldest_and_counts_it(
    voice: NativeVoice, printer: Printer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert HELD_MAX >= 3600
    monkeypatch.setattr(native, "HELD_MAX", 4)
    speak(voice, printer, samples=6, real_gap_s=1.0)
    assert (voice.held_count, voice.lost_count) == (4, 2)
    assert [each["seq"] for each in readings(voice.take(20, 107.0))] == [2, 3, 4, 5]


def test_the_will_says_offline_and_is_retained(voice: NativeVoice) -> None:
    assert decode_state(voice.will.payload).state is State.OFFLINE
    assert (voice.will.topic, voice.will.retain) == ("cybersyn/v1/state/@mk4-01", True)


def test_a_place_can_be_the_address() -> None:
    placed = NativeVoice("commons/mk4-01", boot=BOOT, root="plant")
    assert placed.subscriptions == ("plant/v1/receipt/commons/mk4-01",)
