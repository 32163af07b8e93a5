# SPDX-License-Identifier: AGPL-3.0-or-later
"""Packing loses no bit, and nobody can tell from an answer whether the historian has tidied."""

from __future__ import annotations

import math
import random
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.contract.ports import IndexRow, ReadingColumn, ReadingRow
from collector.historian import packing
from collector.historian.column import pack, unpack
from collector.historian.embedded import EmbeddedHistorian
from collector.historian.memory import MemoryHistorian
from collector.historian.retention import FOR_EVER
from collector.historian.rollup import HOUR_US, buckets, coarsest, pack_minutes, read_minutes, split

WHOLE = st.lists(st.integers(-(2**62), 2**62), max_size=40)
DECIMAL = st.integers(0, 9).flatmap(
    lambda places: st.lists(st.integers(-(10**12), 10**12).map(lambda n: n / 10**places), max_size=40)
)
FLOATS = st.one_of(st.lists(st.floats(), max_size=40), st.lists(st.floats(width=32), max_size=40), DECIMAL)
T0 = 1_699_999_200.0
"""A full hour."""


def bits(column: list[float]) -> bytes:
    return struct.pack(f"<{len(column)}d", *column)


@given(WHOLE, FLOATS, FLOATS)
@settings(max_examples=300, deadline=None)
def test_packed_columns_read_back_bit_for_bit(whole: list[int], first: list[float], second: list[float]) -> None:
    found = unpack(pack(whole, first, second))
    assert found[0] == whole
    assert [bits(list(column)) for column in found[1:]] == [bits(first), bits(second)]


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e300, 5e-324, -0.0, 1e15, 2.0**53])
def test_one_odd_value_among_decimals_reads_back_bit_for_bit(value: float) -> None:
    column = [200.1 + n / 10 for n in range(100)]
    column[57] = value
    assert bits(list(unpack(pack(column))[0])) == bits(column)


def test_realistic_hour_takes_under_three_bytes_a_sample() -> None:
    rng = random.Random(1)
    times = [round((T0 + n) * 1e6) for n in range(3_600)]
    values = [round(209.8 + rng.gauss(0, 0.4), 1) for _ in times]
    assert len(pack(times, values)) < 3 * len(times)


SAMPLES = st.lists(
    st.tuples(st.integers(0, 4 * HOUR_US), st.floats(-1e15, 1e15), st.sampled_from("ab")), min_size=1, max_size=60
)


@given(SAMPLES, st.sampled_from([7, 10, 60, 90, 600, 3_600, 5_400, 7_200]))
@settings(max_examples=200, deadline=None)
def test_buckets_have_every_sample_once_and_the_mean_lies_between(
    samples: list[tuple[int, float, str]], step_s: int
) -> None:
    step_us = step_s * 1_000_000
    parts = []
    for device in "ab":
        mine = sorted((at, value) for at, value, other in samples if other == device)
        parts.append(coarsest(split([at for at, _ in mine], [value for _, value in mine], step_us), step_us))
    found = list(buckets(parts, step_us))
    assert sum(tally.samples for _, tally in found) == len(samples)
    assert [at for at, _ in found] == sorted({at // step_us * step_us for at, _, _ in samples})
    for at, tally in found:
        inside = [value for time_us, value, _ in samples if time_us // step_us * step_us == at]
        assert (tally.low, tally.high) == (min(inside), max(inside))
        assert math.isclose(tally.total, math.fsum(inside), rel_tol=1e-12, abs_tol=1e-12 * max(map(abs, inside)))


@given(SAMPLES)
def test_minutes_of_an_hour_read_back_as_they_were(samples: list[tuple[int, float, str]]) -> None:
    mine = sorted((at % HOUR_US, value) for at, value, _ in samples)
    minutes = split([at for at, _ in mine], [value for _, value in mine], HOUR_US)
    assert read_minutes(0, pack_minutes(0, minutes)) == minutes


def answers(historian: EmbeddedHistorian | MemoryHistorian, rng: random.Random) -> list[object]:
    found: list[object] = [historian.series("p", name, start=-math.inf, end=math.inf, most=99_999) for name in "xyz"]
    for step_s in (10, 47, 60, 300, 3_600, 5_400, 7_200, 3_601):
        for start, end in [(T0 - 9e4, T0 + 9e4), sorted(T0 + rng.choice([0, 60, 3_600, 61.5]) * k for k in (1, 2))]:
            asked = {"start": start, "end": end, "step_s": step_s}
            found += [historian.rolled("p", name, **asked, most=rng.choice([3, 9_999])) for name in "xyz"]
    return found


@pytest.mark.parametrize("seed", range(12))
def test_tidied_historian_answers_bit_for_bit_as_the_reference(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed)
    monkeypatch.setattr(packing, "CHUNK_SAMPLES", rng.choice([5, 40, 16_384]))
    monkeypatch.setattr(packing, "STEP_WORK", rng.choice([1, 20_000]))
    embedded, memory = EmbeddedHistorian(tmp_path / "historian.db", FOR_EVER), MemoryHistorian()
    for _ in range(12):
        span_s = rng.choice([120, 4 * 3_600])
        first = T0 + rng.choice([0, 1_800, 3_599, 7_200])
        rows: list[ReadingRow | IndexRow | ReadingColumn] = []
        for _ in range(rng.randint(1, 80)):
            ts, value = first + rng.randrange(span_s), rng.choice([rng.gauss(200, 3), round(rng.gauss(200, 3), 1)])
            rows += [ReadingRow("p", rng.choice("ab"), rng.choice("xy"), ts, value)]
            rows += [IndexRow("p", "z", ts, value, None, value + 1)] if rng.random() < 0.3 else []
        for historian in (embedded, memory):
            historian.write(rows)
        for _ in range(rng.choice([0, 1, 3, 99])):
            embedded.tidy(T0 + rng.choice([3_900, 9_000, 90_000]))
        state = rng.getstate()
        expected = answers(memory, rng)
        rng.setstate(state)
        assert answers(embedded, rng) == expected
    embedded.close()
