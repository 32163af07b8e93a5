# SPDX-License-Identifier: CC0-1.0
"""The scorer of the benchmark of weeks: alerts of any detector (CSV) against the truth (JSON lines), in one table."""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cyberfilter.backtest.faults import Alarm, Fault, match
from cyberfilter.backtest.forecasts import Calibration
from cyberfilter.backtest.report import WEEK_S, Report, table
from deploy.judging import EVERYDAY, after_s


def truth_lines(head: dict[str, Any], faults: Iterable[Fault]) -> Iterable[str]:
    """Yield the lines of a truth file: what it is of, then every fault."""
    yield json.dumps(head)
    for number, fault in enumerate(faults):
        row = asdict(fault) | {"id": number}
        row["size_sigma"] = None if math.isnan(fault.size_sigma) else round(fault.size_sigma, 3)
        yield json.dumps(row)


def read_truth(path: Path) -> tuple[dict[str, Any], list[Fault]]:
    """Return the head and the faults of a truth file."""
    head, *rows = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    faults = []
    for row in rows:
        del row["id"]
        row["size_sigma"] = math.nan if row["size_sigma"] is None else row["size_sigma"]
        faults.append(Fault(**(row | {"touches": tuple(row["touches"])})))
    return head, faults


def read_alarms(path: Path) -> list[Alarm]:
    """Return the alarms of a CSV file with the columns place, index, time (Unix s) and, if it knows it, type."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Alarm(row["place"], row["index"], float(row["time"]), row.get("type") or "") for row in csv.DictReader(file)
        ]


def scored(
    title: str, parts: Sequence[tuple[Sequence[Fault], Sequence[Alarm]]], *, machines: int, weeks: float,
    calibration: tuple[Calibration, ...] = (), values_count: int = 0, filter_name: str = "",
) -> Report:  # fmt: skip
    """Return the report over plants, each with its faults and alarms; what machines say themselves is never false."""
    found, alone = [], []
    for faults, alarms in parts:
        matched = match(faults, alarms, after_s=after_s)
        found += matched.found
        alone += [alarm for alarm in matched.false if alarm.index not in EVERYDAY]
    return Report(
        title, filter_name, machines, 0.0, weeks * WEEK_S, tuple(found), tuple(alone), calibration,
        values_count=values_count,
    )  # fmt: skip


def main() -> int:
    """Score alerts against truths, file by file, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--truth", type=Path, nargs="+", required=True, metavar="FILE.jsonl")
    parser.add_argument("--alerts", type=Path, nargs="+", required=True, metavar="FILE.csv")
    parsed = parser.parse_args()
    if len(parsed.truth) != len(parsed.alerts):
        print(f"{len(parsed.truth)} truths and {len(parsed.alerts)} files of alerts: one of each a plant is needed")
        return 2
    parts, weeks, machines = [], 0.0, 0
    for truth, alerts in zip(parsed.truth, parsed.alerts, strict=True):
        head, faults = read_truth(truth)
        parts.append((faults, read_alarms(alerts)))
        weeks, machines = weeks + head["weeks"], head["machines"]
    print(table(scored(", ".join(path.stem for path in parsed.alerts), parts, machines=machines, weeks=weeks)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
