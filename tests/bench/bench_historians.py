# SPDX-License-Identifier: AGPL-3.0-or-later
"""How fast the historians write and answer, and how small hours get; `pytest tests/bench/bench_historians.py`."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import pytest

from collector.contract.ports import Historian, ReadingColumn, ReadingRow
from collector.historian.embedded import EmbeddedHistorian
from collector.historian.influx import InfluxHistorian

BATCH_ROWS = 20_000
BATCHES = 25
SERIES = 200
T0 = 1_700_000_000.0
HOUR = 1_699_999_200.0


@pytest.fixture(params=["embedded", "influx"])
def historian(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Historian]:
    opened: Historian
    if request.param == "embedded":
        opened = EmbeddedHistorian(tmp_path / "historian.db")
    else:
        server = request.getfixturevalue("influxd")
        opened = InfluxHistorian(server.url, token=server.token, database="bench", timeout_s=60)
    assert opened.ready() is None
    yield opened
    opened.close()


def batch(number: int) -> list[ReadingRow]:
    """Return the rows of 200 series, one a minute, that follow the batch before."""
    first = number * (BATCH_ROWS // SERIES)
    return [
        ReadingRow(
            f"commons/site/cell/m{k // 5}", f"m{k // 5}", f"x{k % 5}_degc", T0 + 60.0 * (first + n), 200 + k * 0.1
        )
        for n in range(BATCH_ROWS // SERIES)
        for k in range(SERIES)
    ]


def median_ms(ask: Callable[[], object]) -> float:
    spent: list[float] = []
    for _ in range(9):
        begin = time.perf_counter()
        ask()
        spent.append(1e3 * (time.perf_counter() - begin))
    return median(spent)


def test_figures(historian: Historian, capsys: pytest.CaptureFixture[str]) -> None:
    spent: list[float] = []
    for number in range(BATCHES):
        rows = batch(number)
        begin = time.perf_counter()
        assert historian.write(rows) == []
        spent.append(time.perf_counter() - begin)
    end = T0 + 1e6
    place, name = "commons/site/cell/m7", "x3_degc"
    whole_ms = median_ms(lambda: historian.series(place, name, start=T0, end=end, most=10_000))
    hour_ms = median_ms(lambda: historian.series(place, name, start=T0 + 6e4, end=T0 + 6.36e4, most=10_000))
    rolled_ms = median_ms(lambda: historian.rolled(place, name, start=T0, end=end, step_s=600, most=10_000))
    rows_count = BATCHES * BATCH_ROWS
    with capsys.disabled():
        print(
            f"\n{type(historian).__name__}: {rows_count / sum(spent):,.0f} rows/s in batches of {BATCH_ROWS:,} "
            f"(median {1e3 * median(spent):.0f} ms, worst {1e3 * max(spent):.0f} ms); of {rows_count:,} rows: "
            f"series of 2,500 points {whole_ms:.1f} ms, of 60 points {hour_ms:.2f} ms, 250 buckets {rolled_ms:.1f} ms"
        )


SPREADS = ((209.8, 0.4, 1), (60, 0.1, 1), (118, 6, 0), (0.5, 0.001, 3), (23.4, 0.05, 2))
SPREADS += ((41, 0.3, 1), (230, 1, 1), (1.2, 0.02, 2), (5, 0.2, 2), (900, 9, 0))
"""Mean, noise and decimals of a machine's ten indicators."""
HOURS = 3


def machines(first: int, count: int, rng: random.Random) -> list[ReadingColumn]:
    """Return samples of 10 machines at 1 Hz; every other one stamps with up to 20 ms of jitter."""
    return [
        ReadingColumn(
            f"commons/site/cell/m{machine}",
            f"m{machine}",
            f"x{k}_degc",
            [HOUR + first + n + round(rng.uniform(0, 0.02), 3) * (machine % 2) for n in range(count)],
            [round(rng.gauss(mean, noise), decimals) for _ in range(count)],
        )
        for machine in range(10)
        for k, (mean, noise, decimals) in enumerate(SPREADS)
    ]


def timed_s(act: Callable[[], int]) -> list[float]:
    """Do it until it returns 0, and return how long each time took."""
    spent: list[float] = []
    did = 1
    while did:
        begin = time.perf_counter()
        did = act()
        spent.append(time.perf_counter() - begin)
    return spent


def test_figures_of_packing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    historian, rng = EmbeddedHistorian(tmp_path / "historian.db"), random.Random(1)

    def written_s(hour: int) -> float:
        spent = 0.0
        for first in range(0, 3_600, 200):
            columns = machines(hour * 3_600 + first, 200, rng)
            begin = time.perf_counter()
            historian.write(columns)
            spent += time.perf_counter() - begin
        return spent

    before_s = sum(written_s(hour) for hour in range(HOURS))
    steps_s = timed_s(lambda: historian.tidy(HOUR + HOURS * 3_600 + 300))
    with historian._reader() as reader:
        pages, spare, page = (
            reader.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
    samples = HOURS * 360_000
    each = page * (pages - spare) / samples
    after_s = written_s(HOURS)
    historian.close()
    with capsys.disabled():
        print(
            f"\n{samples:,} samples at 1 Hz: {each:.2f} bytes each with roll-ups ({each * 8.64:.1f} MB for a day of "
            f"8.64 million), tidied in {1e6 * sum(steps_s) / samples:.2f} us each, {len(steps_s)} steps, "
            f"worst {1e3 * max(steps_s):.0f} ms; written {samples / before_s:,.0f} rows/s before, "
            f"{360_000 / after_s:,.0f} after"
        )
    assert each * 8.64 < 50


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
