# SPDX-License-Identifier: AGPL-3.0-or-later
"""No name, however chosen, makes a second line, tag or field (ingest row 25)."""

from __future__ import annotations

import random
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from collector.contract.errors import Refusal
from collector.contract.ports import ReadingRow
from collector.historian.admission import why_not_text
from collector.historian.line_protocol import format_line, split

NASTY = ",= \\\n\r\"'#\t\0\u2028\u0085éñ车🛠aZ09_-./@"
UNICODE = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]


def read_line(line: str) -> tuple[str, dict[str, str], str, str]:
    """Read a line as the format's rules say: unescaped commas, equals signs and spaces separate, nothing else does."""
    head, fields, time = re.split(r"(?<!\\) ", line)
    measurement, *pairs = re.split(r"(?<!\\),", head)
    tags = [re.split(r"(?<!\\)=", pair) for pair in pairs]
    assert all(len(pair) == 2 for pair in tags)
    return measurement, {key: re.sub(r"\\([,= ])", r"\1", value) for key, value in tags}, fields, time


def check(place: str, device: str, name: str) -> bool:
    """Return whether the row was taken; then its line is one line that reads back as the same row."""
    try:
        line = format_line(ReadingRow(place, device, name, 1.0, 2.0))
    except Refusal:
        assert any(why_not_text("text", text) for text in (place, device, name))
        return False
    tags = {"device": device, "indicator": name, "place": place}
    assert len(line.splitlines()) == 1
    assert read_line(line) == ("reading", tags, "value=2.0", "1000000000")
    return True


@given(st.text(max_size=20), st.text(NASTY, max_size=20), st.text(max_size=20))
@settings(max_examples=500, deadline=None)
def test_row_25_a_line_reads_back_as_its_row_or_is_refused(place: str, device: str, name: str) -> None:
    check(place, device, name)


def test_row_25_ten_thousand_hostile_names_stay_inside_their_tag() -> None:
    rng = random.Random(25)
    nasty = ["".join(rng.choices(NASTY, k=rng.randint(1, 4))) for _ in range(5_000)]
    texts = nasty + ["".join(map(chr, rng.choices(UNICODE, k=rng.randint(1, 4)))) for _ in range(5_000)]
    taken = sum(check(text, "mk4", text) for text in texts)
    assert 1_000 < taken < 9_000


def test_row_25_name_with_a_line_break_and_a_backslash_is_refused() -> None:
    assert not check("p", "d", 'a,b=c d\n x=1 \\ "')


@given(st.lists(st.integers(0, 30)), st.integers(1, 60))
def test_requests_hold_every_line_once_and_in_order(sizes: list[int], bytes_max: int) -> None:
    lines = [bytes(size) for size in sizes]
    parts = list(split(lines, bytes_max=bytes_max))
    assert [line for part in parts for line in lines[part]] == lines
    for part in parts:
        assert len(lines[part]) == 1 or len(b"\n".join(lines[part])) <= bytes_max
