# SPDX-License-Identifier: AGPL-3.0-or-later
"""The bytes written by hand are Protocol Buffers: the runtime's own wrappers read them, and the other way round."""

from __future__ import annotations

import pytest
from google.protobuf import wrappers_pb2
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.voices import protobuf_bytes as pb


@given(st.integers(0, 2**64 - 1))
def test_an_integer_is_what_the_runtime_reads(number: int) -> None:
    assert wrappers_pb2.UInt64Value.FromString(pb.integer(1, number)).value == number


@given(st.integers(-(2**63), -1))
def test_a_negative_integer_is_its_twos_complement(number: int) -> None:
    assert wrappers_pb2.Int64Value.FromString(pb.integer(1, number)).value == number


@given(st.floats(allow_nan=False))
def test_a_double_is_what_the_runtime_reads(number: float) -> None:
    assert wrappers_pb2.DoubleValue.FromString(pb.double(1, number)).value == number


@given(st.floats(width=32, allow_nan=False))
def test_a_float_is_what_the_runtime_reads(number: float) -> None:
    assert wrappers_pb2.FloatValue.FromString(pb.single(1, number)).value == number


@given(st.text())
def test_a_string_is_what_the_runtime_reads(word: str) -> None:
    assert wrappers_pb2.StringValue.FromString(pb.delimited(1, word)).value == word


@given(st.integers(1, 2**64 - 1), st.binary())
def test_fields_are_read_as_the_runtime_wrote_them(number: int, raw: bytes) -> None:
    both = wrappers_pb2.UInt64Value(value=number).SerializeToString() + pb.delimited(2, raw) + pb.double(3, 1.0)
    assert [field for field, _ in pb.fields(both)] == [1, 2, 3]
    assert list(pb.fields(both))[:2] == [(1, number), (2, raw)]


@pytest.mark.parametrize("raw", [b"\x08", b"\x12\x05ab", b"\x0b", b"\x08" + b"\xff" * 11, b"\x0d\x00"])
def test_what_is_no_message_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="byte"):
        list(pb.fields(raw))
