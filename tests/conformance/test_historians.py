# SPDX-License-Identifier: AGPL-3.0-or-later
"""Every historian answers as the reference in memory does."""

from __future__ import annotations

import itertools
import math
import pickle
import random
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from collector.contract.errors import Unavailable
from collector.contract.ports import Historian, IndexRow, ReadingRow
from collector.historian.embedded import EmbeddedHistorian
from collector.historian.influx import InfluxHistorian
from collector.historian.memory import MemoryHistorian

T0 = 1_700_000_000.0
PLACE = "commons/valparaiso/printing/mk4-07"
NAME = "nozzle_degc"
DATABASES = itertools.count()
Opener = Callable[[], Historian]


def reading(ts: float, value: float, *, place: str = PLACE, device: str = "mk4-07", name: str = NAME) -> ReadingRow:
    return ReadingRow(place, device, name, T0 + ts, value)


def everything(historian: Historian, *, place: str = PLACE, name: str = NAME) -> list[tuple[float, float]]:
    found = historian.series(place, name, start=-math.inf, end=math.inf, most=10_000)
    return [(round(ts - T0, 6), value) for ts, value in found]


def opener(kind: str, folder: Path, request: pytest.FixtureRequest) -> Opener:
    if kind == "memory":
        return MemoryHistorian
    if kind == "embedded":
        return lambda: EmbeddedHistorian(folder / "historian.db")
    server = request.getfixturevalue("influxd")
    database = f"conformance_{next(DATABASES)}"
    return lambda: InfluxHistorian(server.url, token=server.token, database=database)


@pytest.fixture(params=["memory", "embedded", "influx"])
def historian(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Historian]:
    opened = opener(request.param, tmp_path, request)()
    assert opened.ready() is None
    yield opened
    opened.close()


@pytest.fixture(params=["embedded", "influx"])
def reopen(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Opener]:
    """Return a function that opens the same store anew, as a restarted service does."""
    opened: list[Historian] = []
    make = opener(request.param, tmp_path, request)

    def again() -> Historian:
        opened.append(make())
        return opened[-1]

    yield again
    for each in opened:
        each.close()


def test_the_same_row_twice_is_one_row(historian: Historian) -> None:
    historian.write([reading(0, 20.5), reading(0, 20.5)])
    historian.write([reading(0, 20.5)])
    assert everything(historian) == [(0, 20.5)]


def test_the_later_value_of_a_time_wins(historian: Historian) -> None:
    historian.write([reading(0, 1), reading(0, 2)])
    assert everything(historian) == [(0, 2)]
    historian.write([reading(0, 3)])
    assert everything(historian) == [(0, 3)]


def test_rows_out_of_order_read_like_rows_in_order(historian: Historian) -> None:
    rows = [reading(n, n * 0.5) for n in range(500)]
    shuffled = random.Random(7).sample(rows, len(rows))
    for first in range(0, 500, 100):
        historian.write(shuffled[first : first + 100])
    assert everything(historian) == [(n, n * 0.5) for n in range(500)]


@pytest.mark.parametrize("is_tidied", [False, True])
def test_row_07_a_shuffled_hour_gives_the_same_bytes_as_the_ordered_one(
    historian: Historian, *, is_tidied: bool
) -> None:
    rng = random.Random(7)
    hour = [(T0 + n, round(rng.gauss(209.8, 0.4), 2)) for n in range(3_600)]
    for place, samples in (("ordered", hour), ("shuffled", rng.sample(hour, len(hour)))):
        for first in range(0, 3_600, 400):
            historian.write([ReadingRow(place, "d", NAME, *sample) for sample in samples[first : first + 400]])
    while is_tidied and historian.tidy(T0 + 7_500):
        pass
    span = {"start": T0, "end": T0 + 3_600}
    ordered, shuffled = (
        pickle.dumps([
            historian.series(place, NAME, **span, most=9_999),
            *(historian.rolled(place, NAME, **span, step_s=step_s, most=9_999) for step_s in (7, 60, 90, 3_600)),
        ])
        for place in ("ordered", "shuffled")
    )  # fmt: skip
    assert shuffled == ordered
    assert len(historian.series("shuffled", NAME, **span, most=9_999)) == 3_600


@pytest.mark.parametrize("step_s", [10, 60, 600, 3_600, 7_200])
def test_tidying_changes_no_answer_and_late_rows_are_merged(historian: Historian, step_s: float) -> None:
    historian.write([reading(n, n % 64) for n in range(0, 10_000, 8)])
    historian.write([IndexRow(PLACE, "heater_effort", T0 + n, n % 32, 0.0, 64.0) for n in range(0, 10_000, 64)])
    while historian.tidy(T0 + 9_000):
        pass
    historian.write([reading(16, 5), reading(17, 6), reading(9_999, 7)])
    span = {"start": T0 - 5, "end": T0 + 9_000, "step_s": step_s, "most": 9_999}
    before = [everything(historian), historian.rolled(PLACE, NAME, **span)]
    index_before = historian.rolled(PLACE, "heater_effort", **span)
    while historian.tidy(T0 + 20_000):
        pass
    assert [everything(historian), historian.rolled(PLACE, NAME, **span)] == before
    assert historian.rolled(PLACE, "heater_effort", **span) == index_before
    assert before[0][2:4] == [(16, 5), (17, 6)]
    bucket = T0 // step_s * step_s
    inside = [value for ts, value in before[0] if bucket <= T0 + ts < min(bucket + step_s, T0 + 9_000)]
    assert before[1][0] == (bucket, min(inside), math.fsum(inside) / len(inside), max(inside))


def test_a_range_has_its_start_and_not_its_end(historian: Historian) -> None:
    historian.write([reading(n, n) for n in range(4)])
    found = historian.series(PLACE, NAME, start=T0 + 1, end=T0 + 3, most=10)
    assert found == [(T0 + 1, 1.0), (T0 + 2, 2.0)]


def test_bounds_are_rounded_to_the_microsecond_as_rows_are(historian: Historian) -> None:
    ts = T0 + 0.123_456_4
    historian.write([ReadingRow(PLACE, "mk4-07", NAME, ts, 1.0)])
    assert historian.series(PLACE, NAME, start=ts, end=ts + 1e-6, most=1) == [(T0 + 0.123_456, 1.0)]
    assert historian.series(PLACE, NAME, start=T0, end=ts, most=1) == []


def test_one_point_more_than_asked_for_tells_that_there_are_too_many(historian: Historian) -> None:
    historian.write([reading(n, n) for n in range(5)])
    counts = [len(historian.series(PLACE, NAME, start=T0, end=T0 + 10, most=most)) for most in (0, 3, 4, 5)]
    assert counts == [1, 4, 5, 5]


def test_a_long_series_is_whole_and_in_order(historian: Historian) -> None:
    historian.write([reading(n, n) for n in range(10_050)])
    found = historian.series(PLACE, NAME, start=T0, end=math.inf, most=20_000)
    assert [value for _, value in found] == list(range(10_050))


def test_devices_at_one_place_merge_and_the_later_id_is_shown(historian: Historian) -> None:
    historian.write([reading(n, 2, device="b") for n in range(0, 10, 2)])
    historian.write([reading(n, 1, device="a") for n in range(10)])
    assert everything(historian) == [(n, 2 if n % 2 == 0 else 1) for n in range(10)]
    few = historian.series(PLACE, NAME, start=T0, end=T0 + 9, most=2)
    assert few == [(T0, 2), (T0 + 1, 1), (T0 + 2, 2)]


def test_buckets_are_aligned_to_multiples_of_the_step_and_never_empty(historian: Historian) -> None:
    historian.write([reading(n, n) for n in (0, 39, 40, 45, 50, 220)])
    found = historian.rolled(PLACE, NAME, start=T0, end=T0 + 1_000, step_s=60, most=10)
    start = T0 // 60 * 60
    assert found == [(start, 0, 19.5, 39), (start + 60, 40, 45, 50), (start + 240, 220, 220, 220)]


def test_buckets_have_only_what_lies_in_the_range(historian: Historian) -> None:
    historian.write([reading(n, n) for n in range(100)])
    found = historian.rolled(PLACE, NAME, start=T0 + 5, end=T0 + 45, step_s=20, most=10)
    assert found == [(T0, 5, 12, 19), (T0 + 20, 20, 29.5, 39), (T0 + 40, 40, 42, 44)]


def test_one_bucket_more_than_asked_for_tells_that_there_are_too_many(historian: Historian) -> None:
    historian.write([reading(n, n) for n in range(100)])
    counts = [len(historian.rolled(PLACE, NAME, start=T0, end=T0 + 100, step_s=20, most=most)) for most in (0, 3, 4, 5)]
    assert counts == [1, 4, 5, 5]


def test_buckets_count_every_device_at_the_place(historian: Historian) -> None:
    historian.write([reading(0, 1, device="a"), reading(0, 3, device="b")])
    assert historian.rolled(PLACE, NAME, start=T0, end=T0 + 1, step_s=20, most=1) == [(T0, 1, 2, 3)]


def test_buckets_may_be_shorter_than_a_second(historian: Historian) -> None:
    historian.write([reading(n / 10, n) for n in range(4)])
    found = historian.rolled(PLACE, NAME, start=T0, end=T0 + 1, step_s=0.2, most=9)
    assert found == [(T0, 0, 0.5, 1), (T0 + 0.2, 2, 2.5, 3)]


@pytest.mark.parametrize(
    "place",
    ["@00:1a.b_c-d", "taller/höhe", "a,b=c d", "a b ", ' "quoted" ', "it's; DROP", "#1", "车间/一号", "x=1i,y=2"],
)
def test_whatever_a_place_is_called_it_reads_back_as_itself(historian: Historian, place: str) -> None:
    assert historian.write([reading(0, 1, place=place, device=place, name=place), reading(0, 2)]) == []
    assert everything(historian, place=place, name=place) == [(0, 1)]
    assert everything(historian) == [(0, 2)]


@pytest.mark.parametrize("text", ["", "a\nreading,place=x value=1", "nul\0", "ends\\", "bell\a", "\u2028", "p" * 1_025])
def test_a_name_that_no_line_can_hold_is_refused_and_reads_as_empty(historian: Historian, text: str) -> None:
    refused = historian.write([reading(0, 1, place=text), reading(0, 1, device=text), reading(0, 1, name=text)])
    assert len(refused) == 3
    assert everything(historian, place=text) == everything(historian, name=text) == everything(historian) == []


def test_a_refused_row_does_not_take_the_others_along(historian: Historian) -> None:
    bad = [reading(1, math.nan), reading(2, math.inf), reading(3, 1.1e15), reading(math.inf, 4)]
    bad_band = IndexRow(PLACE, "heater_effort", T0, 1.0, -math.inf, 1.0)
    refused = historian.write([reading(0, 0), *bad, bad_band, reading(6, 6)])
    assert [each.row for each in refused] == [*bad, bad_band]
    assert everything(historian) == [(0, 0), (6, 6)]
    assert all(re.search("value|ts|lo95", each.reason) for each in refused)


def test_the_largest_values_are_kept_exactly(historian: Historian) -> None:
    values = [1e15, -1e15, 5e-324, 0.1, -0.0, 1e-7, 123_456_789.123_456_78]
    assert historian.write([reading(n, value) for n, value in enumerate(values)]) == []
    assert [value for _, value in everything(historian)] == values


def test_an_index_is_read_by_its_name(historian: Historian) -> None:
    historian.write(
        [IndexRow(PLACE, "heater_effort", T0, 0.5, 0.4, 0.6), IndexRow(PLACE, "heater_effort", T0 + 1, 0.7)]
    )
    assert everything(historian, name="heater_effort") == [(0, 0.5), (1, 0.7)]
    assert historian.rolled(PLACE, "heater_effort", start=T0, end=T0 + 9, step_s=20, most=1) == [(T0, 0.5, 0.6, 0.7)]


def test_readings_come_before_an_index_of_the_same_name(historian: Historian) -> None:
    historian.write([IndexRow(PLACE, NAME, T0, 0.5), reading(1, 1)])
    assert everything(historian) == [(1, 1)]
    assert historian.rolled(PLACE, NAME, start=T0, end=T0 + 9, step_s=20, most=1) == [(T0, 1, 1, 1)]


def test_an_unknown_place_or_name_is_empty(historian: Historian) -> None:
    historian.write([reading(0, 1)])
    assert everything(historian, place="commons") == everything(historian, name="bed_degc") == []
    assert historian.rolled("commons", NAME, start=T0, end=T0 + 9, step_s=1, most=9) == []


def test_writing_nothing_is_fine(historian: Historian) -> None:
    assert historian.write([]) == []


def test_what_was_written_is_there_after_a_restart(reopen: Opener) -> None:
    first = reopen()
    first.write([reading(0, 1), IndexRow(PLACE, "heater_effort", T0, 0.5, 0.4, 0.6)])
    first.close()
    second = reopen()
    second.write([reading(1, 2)])
    assert everything(second) == [(0, 1), (1, 2)]
    assert everything(second, name="heater_effort") == [(0, 0.5)]


def test_another_reader_sees_what_was_written(reopen: Opener) -> None:
    writer, reader = reopen(), reopen()
    for n in range(3):
        writer.write([reading(n, n)])
        assert len(everything(reader)) == n + 1


def test_an_influx_that_is_gone_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closing:
        port = closing.getsockname()[1]
    gone = InfluxHistorian(f"http://127.0.0.1:{port}", token="a:b")
    with pytest.raises(Unavailable, match=f"127.0.0.1:{port}.*cannot be reached"):
        gone.write([reading(0, 1)])
    with pytest.raises(Unavailable):
        gone.series(PLACE, NAME, start=T0, end=T0 + 1, most=1)
    assert "cannot be reached" in (gone.ready() or "")
    gone.close()
