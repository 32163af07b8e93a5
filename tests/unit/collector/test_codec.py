# SPDX-License-Identifier: AGPL-3.0-or-later
"""Bytes to messages and back: bounded, total."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.contract import limits
from collector.contract.codec import decode_batch, decode_event, encode_batch, format_time, parse_time
from collector.contract.errors import Refusal
from collector.contract.reading import Batch, Samples
from collector.contract.reading_codec import decode_reading


@pytest.mark.parametrize(
    "body",
    [
        b'{"v":1,"ts":9007199254740991,"m":{"a_w":1}}',
        b'{"v":1,"ts":"1960-01-01T00:00:00Z","m":{"a_w":1}}',
        b'{"v":1,"ts":0,"dt_ms":[-1],"m":{"a_w":[1]}}',
        b'{"v":1,"ts":"2026-11-24T10:00:00+02:00","m":{"a_w":1}}',
    ],
)
def test_time_outside_1970_to_2099_or_not_in_utc_is_refused(body: bytes) -> None:
    with pytest.raises(Refusal) as refusal:
        decode_reading(body, now=1.0)
    assert refusal.value.reason == "bad_time"


def test_figure_of_an_event_beyond_belief_is_refused() -> None:
    with pytest.raises(Refusal, match="duration_s = 1e"):
        decode_event(b'{"v":1,"id":"1","event":"job_ended","duration_s":1e12}')


@given(st.floats(allow_nan=False))
def test_any_time_can_be_told(ts: float) -> None:
    assert 0.0 <= (parse_time(format_time(min(ts, limits.TIME_S_MAX - 1))) or 0.0) < limits.TIME_S_MAX


@given(st.binary(max_size=200))
def test_any_bytes_are_a_reading_or_a_refusal(payload: bytes) -> None:
    with contextlib.suppress(Refusal):
        assert decode_reading(payload, now=1.0).samples


def test_bounds_hold_at_the_bound_and_not_beyond() -> None:
    def body(count: int) -> bytes:
        return b'{"v":1,"m":{' + b",".join(b'"x%d_w":1' % n for n in range(count)) + b"}}"

    assert len(decode_reading(body(limits.INDICATORS_PER_MESSAGE_MAX), now=1.0).samples.values) == 256
    with pytest.raises(Refusal, match="257 indicators"):
        decode_reading(body(limits.INDICATORS_PER_MESSAGE_MAX + 1), now=1.0)


def test_batch_comes_back_as_it_went() -> None:
    batch = Batch("mk4", "a/mk4", "native", 1.5, (Samples((1.0, 2.0), {"a_w": (1.0, None)}),), "b", 7)
    assert decode_batch(encode_batch(batch)) == batch


@pytest.mark.parametrize(("digits", "fine"), [(32, True), (33, False)])
def test_row_18_a_number_has_at_most_32_characters(digits: int, fine: bool) -> None:
    body = b'{"v":1,"m":{"a_w":%s},"boot":"%s"}' % (b"0." + b"1" * (digits - 2), b"1" * 64)
    if fine:
        assert decode_reading(body, now=0.0).samples.values
        return
    with pytest.raises(Refusal, match="long_number"):
        decode_reading(body, now=0.0)
