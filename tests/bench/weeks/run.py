# SPDX-License-Identifier: CC0-1.0
"""The benchmark of weeks: simulated plants through our own filter and rules, scored beside the floors.

A plant has 30 days of history and then five weeks, one after another, as a workshop has them. `--apart` gives every
week a plant and a history of its own, which takes three times as long.
"""

from __future__ import annotations

import argparse
import gzip
import math
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple, TextIO

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from detectors import Shewhart, chance, clock  # noqa: E402
from plants import Plant  # noqa: E402
from score import scored, truth_lines  # noqa: E402

from collector.contract.ports import IndexRow  # noqa: E402
from collector.contract.reading import Batch  # noqa: E402
from cyberfilter.backtest.faults import Alarm, Fault, sure  # noqa: E402
from cyberfilter.backtest.forecasts import Calibration, calibration  # noqa: E402
from cyberfilter.backtest.report import Report, table  # noqa: E402
from cyberfilter.judge import FILTER  # noqa: E402
from deploy.backtest import BATCHES_AT_ONCE, EPOCH_S, WEEK_S  # noqa: E402
from deploy.judging import EVERYDAY, Judging, plant_of  # noqa: E402

WEEKS_A_PLANT = 5


class Wish(NamedTuple):
    """What one process shall do."""

    seed: int
    weeks: int
    machines: int
    days_before: float
    filter_name: str
    folder: Path | None


class Done(NamedTuple):
    """What came of one plant: the truth, everybody's alarms, our forecasts week by week."""

    faults: list[Fault]
    alarms: dict[str, list[Alarm]]
    calibrations: list[list[Calibration]]
    values_count: int
    spent_s: float


def live(wish: Wish) -> Done:
    """Let one plant live, be judged, and be alarmed about by the floors."""
    began_s = time.process_time()
    plant = Plant(wish.seed, wish.machines)
    judging = Judging(plant_of(plant.story), filter_name=wish.filter_name)
    end = EPOCH_S + wish.weeks * WEEK_S
    with _opened(wish) as file:
        plant.measure(_written(judging.learn(plant.history(wish.days_before)), file))
        shewhart = Shewhart(plant.scales)
        by_three: list[Alarm] = []
        calibrations, count = [], 0
        coming, until = plant.live(wish.weeks), EPOCH_S
        while until < end:
            until += WEEK_S
            rows = [row for row in _written(_week(judging, coming, until), file) if row.ts > EPOCH_S]
            calibrations.append(calibration(rows))
            by_three += shewhart.alarms(rows)
            count += len(rows)
        for _ in coming:  # what the machines do after their last words
            pass
    faults = plant.faults(end)
    alarms = [alarm for alarm in judging.alarms if alarm.ts > EPOCH_S]
    if wish.folder is not None:
        _export(wish, wish.folder, faults, alarms)
    series = sorted(plant.scales)
    own_count = sum(alarm.index not in EVERYDAY for alarm in alarms)
    told = {
        "ours": alarms,
        "null": [],
        "random": chance(series, own_count, EPOCH_S, end, wish.seed),
        "periodic": clock(series, EPOCH_S, end),
        "Shewhart": by_three,
    }
    return Done(faults, told, calibrations, count, time.process_time() - began_s)


def _week(judging: Judging, coming: Iterator[Batch], until: float) -> list[IndexRow]:
    """Judge the batches until that time (Unix s), and return the rows."""
    while together := list(islice(coming, BATCHES_AT_ONCE)):
        judging.hear(together)
        if together[-1].at >= until:
            break
    rows, judging.rows = judging.rows, []
    return rows


@contextmanager
def _opened(wish: Wish) -> Iterator[TextIO | None]:
    """Open the file of indices, where one is wanted."""
    if wish.folder is None:
        yield None
        return
    with gzip.open(wish.folder / f"indices-{wish.seed}.csv.gz", "wt", encoding="utf-8", compresslevel=4) as file:
        file.write("place,index,time,value\n")
        yield file


def _written(rows: Iterable[IndexRow], file: TextIO | None) -> Iterator[IndexRow]:
    for row in rows:
        if file is not None:
            file.write(f"{row.place},{row.name},{row.ts:.0f},{row.value:.6g}\n")
        yield row


def _export(wish: Wish, folder: Path, faults: Sequence[Fault], alarms: Sequence[Alarm]) -> None:
    head = {"seed": wish.seed, "machines": wish.machines, "weeks": wish.weeks, "start": EPOCH_S,
            "end": EPOCH_S + wish.weeks * WEEK_S}  # fmt: skip
    lines = "\n".join(truth_lines(head, faults))
    (folder / f"truth-{wish.seed}.jsonl").write_text(lines + "\n", encoding="utf-8")
    rows = [f"{alarm.place},{alarm.index},{alarm.ts:.3f},{alarm.type}" for alarm in alarms]
    (folder / f"ours-{wish.seed}.csv").write_text("\n".join(["place,index,time,type", *rows, ""]))


def pooled(parts: Iterable[Sequence[Calibration]]) -> tuple[Calibration, ...]:
    """Return the calibrations over all weeks, each by its number of values."""
    by_name: dict[str, list[Calibration]] = {}
    for rows in parts:
        for row in rows:
            by_name.setdefault(row.index, []).append(row)
    found = []
    for name, rows in sorted(by_name.items()):
        total = sum(row.count for row in rows)
        cover = tuple(sum(r.count * r.cover[k] for r in rows) / total for k in range(len(rows[0].cover)))
        pit = tuple(sum(r.count * r.pit[k] for r in rows) / total for k in range(len(rows[0].pit)))
        known = [r for r in rows if r.crps_ratio > 0]
        logs, known_count = math.fsum(r.count * math.log(r.crps_ratio) for r in known), sum(r.count for r in known)
        ratio = math.exp(logs / known_count) if known else math.nan
        found.append(Calibration(name, sum(r.series_count for r in rows), total, cover, pit, ratio))
    return tuple(found)


def show(report: Report, name: str) -> str:
    """Return one line of a detector beside the others: what has a size, and alarms for nothing."""
    sized = [each for each in report.found or () if each.fault.size_sigma > 0]
    large = sure(sized)
    hits = sum(each.alarm is not None for each in sized)
    rate = report.rate
    right = f"{100 * large.right_share.value:.0f} %" if large.typed else "–"
    return (
        f"{name:<12}{100 * hits / max(len(sized), 1):>7.1f} %{100 * large.share.value:>9.1f} %{right:>12}"
        f"{len(report.alone):>9}{rate.value:>10.2f}   {rate.lo:.2f}–{rate.hi:.2f}"
    )


def main() -> int:
    """Print the table of our own filter and rules, and the floors' lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weeks", type=int, default=20)
    parser.add_argument("--machines", type=int, default=25)
    parser.add_argument("--days-before", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1, help="of the first plant")
    parser.add_argument("--filter", choices=("classic", "hypotheses"), default=None)
    parser.add_argument("--each", type=int, default=WEEKS_A_PLANT, help="weeks that a plant lives")
    parser.add_argument("--apart", action="store_true", help="a plant and a history for every week")
    parser.add_argument("--jobs", type=int, default=min(os.cpu_count() or 1, 8))
    parser.add_argument("--out", type=Path, metavar="DIR", help="write indices, truth and our alerts there")
    parsed = parser.parse_args()
    if parsed.out is not None:
        parsed.out.mkdir(parents=True, exist_ok=True)
    each = 1 if parsed.apart else parsed.each
    name = parsed.filter or FILTER
    wishes = [
        Wish(parsed.seed + n, min(each, parsed.weeks - n * each), parsed.machines, parsed.days_before, name, parsed.out)
        for n in range(math.ceil(parsed.weeks / each))
    ]
    began_s = time.perf_counter()
    with get_context("spawn").Pool(min(parsed.jobs, len(wishes))) as pool:
        done = pool.map(live, wishes, chunksize=1)
    tell(done, f"weeks, seeds {parsed.seed} to {wishes[-1].seed}", name, parsed.machines, parsed.weeks)
    spent = sum(plant.spent_s for plant in done)
    print(f"{time.perf_counter() - began_s:.0f} s, {spent:.0f} s of processor time")
    return 0


def tell(done: Sequence[Done], title: str, name: str, machines: int, weeks: float) -> None:
    """Print our own table, and a line for everybody."""
    calibrations = pooled(rows for plant in done for rows in plant.calibrations)
    reports = {
        who: scored(
            title, [(plant.faults, plant.alarms[who]) for plant in done], machines=machines, weeks=weeks,
            filter_name=name, calibration=calibrations if who == "ours" else (),
            values_count=sum(plant.values_count for plant in done),
        )
        for who in done[0].alarms
    }  # fmt: skip
    print(table(reports["ours"]))
    print(f"\n{'':<12}{'found':>9}{'found ≥5 σ':>11}{'type right':>12}{'false':>9}{'a 50·week':>10}   95 %")
    for who, report in reports.items():
        print(show(report, who))


if __name__ == "__main__":
    sys.exit(main())
