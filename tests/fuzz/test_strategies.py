# SPDX-License-Identifier: AGPL-3.0-or-later
"""Messages that are built rather than mutated: the right fields, with values of every kind."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.contract.codec import decode_event, decode_state
from collector.contract.errors import Refusal
from collector.contract.limits import INDICATORS_PER_MESSAGE_MAX, NUMBER_ABS_MAX, SAMPLES_PER_MESSAGE_MAX
from collector.contract.reading_codec import decode_reading
from collector.contract.topics import Kind, Topic, format_topic, parse_topic
from collector.dialects import DIALECTS, Heard

NOW = 1_795_400_000.0
EXAMPLES = settings(max_examples=150, deadline=None, derandomize=True, database=None)
NUMBERS = st.integers() | st.floats() | st.sampled_from([0, -1, 2**53, 2**63, -(2**63) - 1, 10**400, 1e308, -0.0])
LEAVES = st.none() | st.booleans() | NUMBERS | st.text(max_size=20)
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
NAMES = st.sampled_from(["nozzle_degc", "power_w", "progress_ratio", "energy_kwh", "x_w"]) | st.text(max_size=10)
SEGMENT = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")
DEVICE = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}\Z")
READINGS = st.fixed_dictionaries(
    {"v": st.just(1), "m": st.dictionaries(NAMES, NUMBERS | st.lists(NUMBERS | st.none(), max_size=4), max_size=6)},
    optional={"boot": LEAVES, "seq": NUMBERS, "ts": LEAVES, "dt_ms": st.lists(NUMBERS, max_size=4) | LEAVES},
)
STATES = st.fixed_dictionaries(
    {"v": st.just(1), "state": st.just("held") | LEAVES}, optional={"ts": LEAVES, "why": LEAVES}
)
EVENT_FIELDS = ("ts", "job", "file", "outcome", "cause", "estimate_s", "duration_s", "good", "scrap", "energy_kwh")
EVENTS = st.fixed_dictionaries(
    {
        "v": st.just(1),
        "id": st.text(max_size=9),
        "event": st.sampled_from(["job_started", "job_ended", "part", "other"]),
    },
    optional=dict.fromkeys(EVENT_FIELDS, LEAVES),
)


def sent(body: object) -> bytes:
    return json.dumps(body).encode()


@given(READINGS)
@EXAMPLES
def test_a_reading_is_refused_or_finite_and_bounded(body: dict[str, Any]) -> None:
    try:
        found = decode_reading(sent(body), now=NOW).samples
    except Refusal:
        return
    assert len(found.times) <= SAMPLES_PER_MESSAGE_MAX
    assert len(found.values) <= INDICATORS_PER_MESSAGE_MAX
    cells = [value for column in found.values.values() for value in column if value is not None]
    assert all(abs(value) <= NUMBER_ABS_MAX for value in cells)


@pytest.mark.parametrize(("decode", "bodies"), [(decode_state, STATES), (decode_event, EVENTS)], ids=["state", "event"])
@given(st.data())
@EXAMPLES
def test_a_state_or_event_is_read_or_refused(decode: Any, bodies: Any, data: st.DataObject) -> None:
    payload = sent(data.draw(bodies))
    try:
        found = decode(payload)
    except Refusal:
        return
    assert found == decode(payload)


@given(ANYTHING)
@EXAMPLES
def test_any_json_is_read_or_refused_by_every_decoder(body: object) -> None:
    for decode in (decode_state, decode_event, lambda payload: decode_reading(payload, now=NOW)):
        with suppress(Refusal):
            assert decode(sent(body)) is not None


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=list(DIALECTS))
@given(st.lists(st.tuples(st.text(max_size=20), ANYTHING | st.dictionaries(st.text(max_size=9), ANYTHING)), max_size=4))
@EXAMPLES
def test_a_dialect_passes_over_what_it_does_not_know(dialect: Any, told: list[tuple[str, object]]) -> None:
    state = dialect.state()
    for topic, body in told:
        with suppress(Refusal):
            state, _ = dialect.decode(state, Heard(topic, sent(body), retained=False, at=NOW))
    assert isinstance(state, dialect.state)


@given(
    st.sampled_from(Kind),
    st.lists(SEGMENT, min_size=1, max_size=8).map("/".join) | DEVICE.map("@{}".format),
    st.none() | st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}\Z"),
)
@EXAMPLES
def test_every_topic_of_the_grammar_is_read_back(kind: Kind, where: str, thing: str | None) -> None:
    device = where[1:] if where.startswith("@") else None
    topic = Topic(kind, place=None if device else where, device=device, id=thing)
    assert parse_topic(format_topic(topic)) == topic
