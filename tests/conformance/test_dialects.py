# SPDX-License-Identifier: AGPL-3.0-or-later
"""What every foreign dialect owes: total, bounded, pure, deaf to the unknown, and the same jobs when told twice."""

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

from collector.contract.codec import decode_batch, encode_batch
from collector.contract.errors import Refusal
from collector.contract.event import JobEnded, JobStarted
from collector.contract.indicator import is_name, known
from collector.contract.limits import JSON_DEPTH_MAX, PAYLOAD_BYTES_MAX
from collector.contract.reading import Batch, Fact, Samples
from collector.dialects import DIALECTS, Dialect, Heard, facts_and_signs, recognise
from collector.jobs import JobTrack, follow, settle

RECORDINGS = Path(__file__).parents[2] / "firmware_sim/recordings"
MADE = Path(__file__).parents[1] / "data/dialects"
"""Words of the same form as real ones, where no recording may be shown."""
STATE_BYTES_MAX = 16 * 1024
JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def lines(dialect: Dialect) -> list[dict[str, Any]]:
    file = RECORDINGS / f"{dialect.name}.jsonl"
    text = (file if file.exists() else MADE / f"{dialect.name}.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def recorded(dialect: Dialect) -> list[tuple[str, Heard]]:
    found = []
    for row in lines(dialect):
        payload = bytes.fromhex(row["payload_hex"]) if "payload_hex" in row else row["payload"].encode()
        prefix, rest = dialect.recognise(row["topic"]) or ("", row["topic"])
        gateway = dialect.gateway(prefix) if dialect.gateway and prefix else prefix
        found.append((gateway, Heard(rest, payload, False, row["ts"], prefix.removeprefix(gateway).lstrip("/"))))
    return found


def hear(dialect: Dialect, messages: Iterable[Heard]) -> tuple[msgspec.Struct, list[Fact]]:
    memory, track, facts = dialect.state(), JobTrack(), []
    for message in messages:
        memory, said = dialect.decode(memory, message)
        track, more = follow(track, facts_and_signs(said))
        facts.extend(more)
    return memory, [*facts, *settle(track, math.inf).facts]


def jobs(facts: Iterable[Fact]) -> list[Fact]:
    return [fact for fact in facts if isinstance(fact, JobStarted | JobEnded)]


@pytest.fixture(params=DIALECTS.values(), ids=lambda row: row.name)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    found: Dialect = request.param
    return found


@pytest.fixture
def messages(dialect: Dialect) -> list[Heard]:
    """The recorded words of the machine that said most."""
    rows = recorded(dialect)
    prefixes = [prefix for prefix, _ in rows]
    longest = max(set(prefixes), key=prefixes.count)
    return [heard for prefix, heard in rows if prefix == longest]


def test_recorded_topics_are_recognised(dialect: Dialect) -> None:
    known = [recognise(topic) for topic in (row["topic"] for row in lines(dialect))]
    assert {found[0].name for found in known if found is not None} == {dialect.name}


def test_state_and_signs_survive_json(dialect: Dialect, messages: list[Heard]) -> None:
    memory, _ = hear(dialect, messages)
    assert msgspec.json.decode(msgspec.json.encode(memory), type=dialect.state) == memory


def test_stored_state_goes_on_as_if_never_stopped(dialect: Dialect, messages: list[Heard]) -> None:
    memory, stored = dialect.state(), dialect.state()
    for message in messages:
        stored = msgspec.json.decode(msgspec.json.encode(stored), type=dialect.state)
        memory, said = dialect.decode(memory, message)
        stored, said_again = dialect.decode(stored, message)
        assert said_again == said


def test_facts_fit_the_fact_log_and_the_catalogue(dialect: Dialect, messages: list[Heard]) -> None:
    _, facts = hear(dialect, messages)
    batch = Batch("d", None, dialect.name, 1.0, tuple(facts))
    assert decode_batch(encode_batch(batch)) == batch
    for fact in facts:
        for name in fact.values if isinstance(fact, Samples) else ():
            assert is_name(name)
            assert known(name) is not None


def test_stream_with_every_message_twice_gives_the_same_facts_but_samples(
    dialect: Dialect, messages: list[Heard]
) -> None:
    _, once = hear(dialect, messages)
    _, twice = hear(dialect, (message for message in messages for _ in range(2)))
    assert [f for f in twice if not isinstance(f, Samples)] == [f for f in once if not isinstance(f, Samples)]


def test_whole_stream_told_again_gives_the_same_jobs(dialect: Dialect, messages: list[Heard]) -> None:
    _, once = hear(dialect, messages)
    _, twice = hear(dialect, [*messages, *(message._replace(at=message.at + 600) for message in messages)])
    assert jobs(twice) == jobs(once)


def test_retained_words_alone_open_no_job_and_measure_nothing(dialect: Dialect, messages: list[Heard]) -> None:
    _, facts = hear(dialect, (message._replace(retained=True) for message in messages))
    assert not [fact for fact in facts if isinstance(fact, Samples | JobStarted | JobEnded)]


def test_unknown_topics_say_nothing(dialect: Dialect) -> None:
    memory = dialect.state()
    for topic in ("", "/", "nothing", "event/", "event/Unheard_of", "a/b/c/d", "temperature/", "progress"):
        assert dialect.decode(memory, Heard(topic, b"{}", False, 1.0)) == (memory, ())


@pytest.mark.parametrize(
    "payload",
    [b"", b"\xff\xfe", b"null", b"[]", b"1", b"{", b'{"a":NaN}', b"x" * (PAYLOAD_BYTES_MAX + 1),
     b"[" * (JSON_DEPTH_MAX + 1) + b"]" * (JSON_DEPTH_MAX + 1)],
)  # fmt: skip
def test_malformed_payloads_are_refused_or_ignored_on_every_topic(
    dialect: Dialect, messages: list[Heard], payload: bytes
) -> None:
    for message in {message.topic: message for message in messages}.values():
        try:
            memory, said = dialect.decode(dialect.state(), message._replace(payload=payload))
        except Refusal:
            continue
        assert (memory, said) == (dialect.state(), ())


def test_mutated_words_are_decoded_or_refused(dialect: Dialect, messages: list[Heard]) -> None:
    samples = {message.topic: message for message in messages}

    @settings(max_examples=300, deadline=None, database=None, derandomize=True)
    @given(st.sampled_from(sorted(samples)), st.data())
    def decodes_or_refuses(topic: str, data: st.DataObject) -> None:
        body = _body(samples[topic].payload)
        for key in data.draw(st.lists(st.sampled_from(sorted(body) or ["x"]), max_size=3)):
            body[key] = data.draw(JSON_VALUES)
        try:
            _, said = dialect.decode(dialect.state(), samples[topic]._replace(payload=json.dumps(body).encode()))
        except Refusal:
            return
        follow(JobTrack(), facts_and_signs(said))

    decodes_or_refuses()


def test_cut_and_flipped_bytes_are_decoded_or_refused(dialect: Dialect, messages: list[Heard]) -> None:
    for message in messages[::4]:
        for at in range(0, len(message.payload), 17):
            flipped = message.payload[:at] + bytes([message.payload[at] ^ 0x55]) + message.payload[at + 1 :]
            for payload in (message.payload[:at], flipped):
                try:
                    dialect.decode(dialect.state(), message._replace(payload=payload))
                except Refusal:
                    continue


def test_state_is_bounded_whatever_is_told(dialect: Dialect, messages: list[Heard]) -> None:
    memory = dialect.state()
    for round_ in range(200):
        for message in {message.topic: message for message in messages}.values():
            body = {**_body(message.payload), "path": f"{round_}" + "x" * 10_000, "error": "e" * 10_000}
            body["_timestamp"] = round_
            try:
                memory, _ = dialect.decode(memory, message._replace(payload=json.dumps(body).encode()))
            except Refusal:
                continue
        memory, _ = dialect.decode(memory, Heard(f"temperature/tool{round_ % 100}", b'{"actual":1}', False, 1.0))
    assert len(msgspec.json.encode(memory)) < STATE_BYTES_MAX


def _body(payload: bytes) -> dict[str, Any]:
    try:
        found = json.loads(payload)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
