# SPDX-License-Identifier: AGPL-3.0-or-later
"""Rows as InfluxDB's line protocol: escaped, exact, split by size."""

from __future__ import annotations

import math

import pytest

from collector.contract.errors import Refusal
from collector.contract.ports import IndexRow, ReadingRow
from collector.historian.line_protocol import escape_tag, format_line, split


def test_a_reading_has_its_tags_in_order_and_nanoseconds() -> None:
    row = ReadingRow("commons/mk4", "00:1a", "nozzle_degc", 1_700_000_000.25, 209.8)
    line = "reading,device=00:1a,indicator=nozzle_degc,place=commons/mk4 value=209.8 1700000000250000000"
    assert format_line(row) == line


def test_an_index_has_its_band_where_there_is_one() -> None:
    assert format_line(IndexRow("p", "pace", 1.0, 0.5, 0.4, 0.6)) == (
        "index,index=pace,place=p value=0.5,lo95=0.4,hi95=0.6 1000000000"
    )
    assert format_line(IndexRow("p", "pace", 1.0, 0.5)) == "index,index=pace,place=p value=0.5 1000000000"


@pytest.mark.parametrize(("value", "text"), [(0.1, "0.1"), (1, "1.0"), (1e15, "1000000000000000.0"), (1e-7, "1e-07")])
def test_a_number_is_written_as_the_same_float(value: float, text: str) -> None:
    assert format_line(ReadingRow("p", "d", "n", 0.0, value)).split(" ")[1] == f"value={text}"
    assert float(text) == value


def test_times_are_rounded_to_the_microsecond() -> None:
    assert format_line(ReadingRow("p", "d", "n", 1.000_000_6, 1.0)).endswith(" 1000001000")
    assert format_line(ReadingRow("p", "d", "n", -0.5, 1.0)).endswith(" -500000000")


def test_a_float_of_another_library_is_written_as_a_number() -> None:
    class Reported(float):
        def __repr__(self) -> str:
            return f"reported({float(self)})"

    assert "value=1.5 " in format_line(ReadingRow("p", "d", "n", 0.0, Reported(1.5)))


@pytest.mark.parametrize("text", ["", "a\nb", "a\\", "\ud800", "\u2028", "tab\t"])
def test_what_cannot_be_escaped_is_refused(text: str) -> None:
    with pytest.raises(Refusal, match="bad_tag"):
        escape_tag(text)
    with pytest.raises(Refusal, match="bad_row"):
        format_line(ReadingRow("p", text, "n", 0.0, 1.0))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1.1e15])
def test_a_value_that_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(Refusal, match="value"):
        format_line(ReadingRow("p", "d", "n", 0.0, value))


def test_requests_are_filled_up_to_the_bound_and_no_further() -> None:
    lines = [b"12345"] * 5
    assert [part.stop - part.start for part in split(lines, bytes_max=11)] == [2, 2, 1]
    assert [part.stop - part.start for part in split(lines, bytes_max=10)] == [1] * 5


def test_a_line_beyond_the_bound_goes_alone() -> None:
    assert list(split([b"1", b"1" * 50, b"1"], bytes_max=10)) == [slice(0, 1), slice(1, 2), slice(2, 3)]


def test_no_lines_are_no_request() -> None:
    assert list(split([])) == []
