# SPDX-License-Identifier: AGPL-3.0-or-later
"""MQTT frames are read and written many at a time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.bus.frames import Malformed, Other, Parsed, parse, puback_frames, publish_frames
from collector.contract.ports import Delivery, Posting

PUBLISHES = [(1, Posting("a", b"x")), (65_535, Posting("plant/ñ", b"", retain=True)), (7, Posting("b", b"y" * 200))]
PINGRESP = b"\xd0\x00"


def read(data: bytes, *, five: bool = False, base: int = 0) -> Parsed:
    return parse(data, 0, five=five, stamp=5.0, base=base)


@pytest.mark.parametrize("five", [False, True])
def test_reading_undoes_writing(five):
    found = read(publish_frames(PUBLISHES, five=five), five=five, base=1 << 16)
    wanted = [Delivery(one.topic, one.payload, one.retain, 5.0, (1 << 16) + mid) for mid, one in PUBLISHES]
    assert (found.arrived, found.wanted_bytes, found.other) == (wanted, 0, None)


@pytest.mark.parametrize("size", [122, 123, 124, 16_378, 16_379, 16_380, 1_000_000])
def test_a_length_takes_as_many_bytes_as_it_needs(size):
    found = read(publish_frames([(1, Posting("a", b"x" * size))], five=False))
    assert [len(one.payload) for one in found.arrived] == [size]


def test_a_message_at_qos_0_has_the_number_0_and_properties_are_passed_over():
    found = read(b"\x30\x04\0\1ax" + b"\x30\x08\0\1a\x03\x23\0\1x", five=False)
    assert [one.token for one in found.arrived] == [0, 0]
    assert read(b"\x32\x0a\0\1a\0\x07\x03\x23\0\1x", five=True).arrived == [Delivery("a", b"x", False, 5.0, 7)]


def test_acknowledgements_are_numbers_and_the_refused_ones_are_counted():
    found = read(puback_frames([3, 65_535]) + b"\x40\x03\0\4\x87" + b"\x40\x04\0\5\x10\0", five=True)
    assert (found.acknowledged, found.refused_count) == ([3, 65_535, 4, 5], 1)


def test_another_frame_is_handed_out_and_reading_goes_on_behind_it():
    data = publish_frames(PUBLISHES[:1], five=False) + PINGRESP + publish_frames(PUBLISHES[1:], five=False)
    found = read(data)
    assert (len(found.arrived), found.other) == (1, Other(0xD0, b""))
    assert len(parse(data, found.end, five=False, stamp=5.0, base=0).arrived) == 2


def test_what_a_frame_still_needs_is_known_as_soon_as_its_length_is():
    frame = publish_frames([(1, Posting("a", b"x" * 1_000))], five=False)
    assert [read(frame[:part]).wanted_bytes for part in (0, 1, 2, 3, 500)] == [0, 2, 3, len(frame), len(frame)]


@pytest.mark.parametrize(
    ("data", "five"),
    [
        (b"\x30\x00", False),
        (b"\x30\x02\0\1", False),
        (b"\x32\x03\0\1a", False),
        (b"\x32\x05\0\1a\0\1", True),
        (b"\x32\x06\0\1a\0\1\x05", True),
        (b"\x32\x06\0\1a\0\1\x80", True),
        (b"\x40\x01\0", False),
        (b"\x30\xff\xff\xff\xff\x01", False),
    ],
)
@pytest.mark.parametrize("behind", [b"", PINGRESP * 4])
def test_a_frame_that_is_shorter_than_its_parts_is_malformed(data, five, behind):
    with pytest.raises(Malformed):
        read(data + behind, five=five)


@given(st.lists(st.sampled_from([*PUBLISHES, PINGRESP])), st.lists(st.integers(1, 60)), st.booleans())
def test_frames_in_pieces_are_the_frames_in_one(parts, cuts, five):
    stream = b"".join(one if isinstance(one, bytes) else publish_frames([one], five=five) for one in parts)
    arrived, held, at = [], b"", 0
    for cut in [*cuts, len(stream)]:
        held, begin, other = held + stream[at : at + cut], 0, True
        at += cut
        while other:
            found = parse(held, begin, five=five, stamp=5.0, base=0)
            arrived += found.arrived
            begin, other = found.end, found.other
        held = held[begin:]
    assert [one.token for one in arrived] == [one[0] for one in parts if not isinstance(one, bytes)]
    assert held == b""
