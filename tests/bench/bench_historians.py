# SPDX-License-Identifier: AGPL-3.0-or-later
"""How fast the historians write and answer; prints figures: `pytest tests/bench/bench_historians.py`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import pytest

from collector.contract.ports import Historian, ReadingRow
from collector.historian.embedded import EmbeddedHistorian
from collector.historian.influx import InfluxHistorian

BATCH_ROWS = 20_000
BATCHES = 25
SERIES = 200
T0 = 1_700_000_000.0


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


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
