# SPDX-License-Identifier: AGPL-3.0-or-later
"""`cybersyn backtest`: a scenario's weeks, or the past of a data folder, through filter and rules, and how they did."""

from __future__ import annotations

import os
import sys
import time
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from collector.contract.errors import Misconfigured
from deploy.commands import Command
from deploy.where import add_data_dir, as_json, data_dir

if TYPE_CHECKING:
    from cyberfilter.backtest.report import Report

FILTERS: Final = ("classic", "hypotheses")
WEEKS_MAX: Final = 520.0
DAYS_MAX: Final = 3_660.0
BAR: Final = 40


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("scenario", metavar="SCENARIO", nargs="?", help="a story of `sim --list`, or a TOML file")
    parser.add_argument("--history", action="store_true", help="judge the past of the data folder again instead")
    parser.add_argument("--place", metavar="PLACE", help="only this place and what is below it")
    parser.add_argument("--from", dest="start", metavar="TIME", help="with --history: judge from here (RFC 3339)")
    parser.add_argument("--to", dest="end", metavar="TIME", help="with --history: until here (default now)")
    parser.add_argument("--weeks", type=float, default=1.0, metavar="N", help="how long is judged (default 1)")
    parser.add_argument(
        "--days-before", type=float, default=14.0, metavar="N",
        help="of a scenario: days without faults to learn from (default 14)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="what happens is drawn from it (default 7)")
    parser.add_argument("--machines", type=int, metavar="N", help="simulated machines, where the story grows")
    parser.add_argument("--filter", choices=FILTERS, help="which filter judges (default: the running system's)")
    parser.add_argument("--truth", type=Path, metavar="FILE.jsonl", help="with --history: what really happened")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a report with plots there")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no table")
    add_data_dir(parser)


def _run(parsed: Namespace) -> int:
    if parsed.history and parsed.scenario is not None:
        raise Misconfigured(f"--history goes without SCENARIO ({parsed.scenario}); --data-dir names a folder")
    if not parsed.history and parsed.scenario is None:
        raise Misconfigured("SCENARIO or --history: one of the two is needed")
    for name, value, low, high in (
        ("--weeks", parsed.weeks, 1 / 168, WEEKS_MAX),
        ("--days-before", parsed.days_before, 0.0, DAYS_MAX),
    ):
        if not low <= value <= high:
            raise Misconfigured(f"{name} = {value:g} is not within {low:.3g}..{high:g}")
    for path in (parsed.json, parsed.html):
        if path is not None and not path.parent.is_dir():
            raise Misconfigured(f"{path}: there is no folder {path.parent}")
    bar = Bar(shown=sys.stderr.isatty() and not parsed.quiet)
    report = _past(parsed, bar) if parsed.history else _story(parsed, bar)
    bar.end()
    _write(parsed, report)
    return 0


def _story(parsed: Namespace, bar: Bar) -> Report:
    from cyberfilter.judge import FILTER
    from deploy.backtest import simulated
    from firmware_sim.stories import scenario

    if parsed.start or parsed.end or parsed.truth:
        raise Misconfigured("--from, --to and --truth go with --history; of a scenario --weeks says how long")
    return simulated(
        scenario(parsed.scenario, machines=parsed.machines, seed=parsed.seed),
        seed=parsed.seed,
        weeks=parsed.weeks,
        history_days=parsed.days_before,
        filter_name=parsed.filter or FILTER,
        place=parsed.place,
        tell=bar.tell,
    )


def _past(parsed: Namespace, bar: Bar) -> Report:
    folder = data_dir(parsed)
    if not (folder / "plant.toml").exists():
        raise Misconfigured(f"{folder} is no data folder: it has no plant.toml; name another with --data-dir")
    end = _time("--to", parsed.end) if parsed.end else time.time()
    start = _time("--from", parsed.start) if parsed.start else None
    if start is not None and start >= end:
        raise Misconfigured(f"--from = {parsed.start} is not before --to")
    from cyberfilter.judge import FILTER
    from deploy.backtest import history
    from deploy.settings import load
    from deploy.wiring import historian

    opened = historian(load(None, os.environ), folder)
    try:
        return history(
            folder,
            opened,
            place=parsed.place,
            start=start,
            end=end,
            filter_name=parsed.filter or FILTER,
            days=7 * parsed.weeks,
            truth=parsed.truth,
            tell=bar.tell,
        )
    finally:
        opened.close()


def _time(name: str, text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Misconfigured(f"{name} = {text!r} is not a time such as 2026-11-23T10:00:00Z") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _write(parsed: Namespace, report: Report) -> None:
    from cyberfilter.backtest.page import page
    from cyberfilter.backtest.report import document, table

    try:
        if parsed.json is not None:
            parsed.json.write_text(as_json(document(report)) + "\n", encoding="utf-8")
        if parsed.html is not None:
            parsed.html.write_text(page(report), encoding="utf-8")
    except OSError as error:
        raise Misconfigured(f"{error.filename} cannot be written: {error.strerror}") from None
    if not parsed.quiet:
        print(table(report))


class Bar:
    """A progress bar on a terminal; nothing elsewhere."""

    def __init__(self, *, shown: bool) -> None:
        self._shown, self._percent = shown, -1

    def tell(self, share: float) -> None:
        """Show how far it is, 0..1."""
        percent = int(100 * share)
        if self._shown and percent > self._percent:
            self._percent = percent
            full = BAR * percent // 100
            print(f"\r[{'#' * full}{'.' * (BAR - full)}] {percent:3d} %", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the line."""
        if self._percent >= 0:
            print(file=sys.stderr)


COMMAND = Command("backtest", "a scenario's weeks or a folder's past through the filter, scored", _arguments, _run)
