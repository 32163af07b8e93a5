# SPDX-License-Identifier: AGPL-3.0-or-later
"""`cybersyn filter`: the Cyberfilter over a file, offline, one JSON line a row."""

from __future__ import annotations

import contextlib
import csv
import math
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TextIO

from collector.contract.codec import encode, format_time
from collector.contract.errors import Misconfigured, Refusal
from deploy.commands import Command

if TYPE_CHECKING:
    from cyberfilter.filter import Bank, Verdicts

_OPTIONS: Final = (
    ("--time", "COL", None, "column of times, RFC 3339 or seconds (default: rows are one apart)"),
    ("--value", "COL", None, "column of values (may be left out where one column is numeric)"),
    ("--filter", "NAME", "hypotheses", "hypotheses or classic"),
    ("--profile", "NAME", "workshop", "workshop or hs1971"),
    ("--transform", "NAME", "none", "none, arcsine, minutes, log, sqrt, counts (0, 1, 2 …) or binary (0 and 1)"),
    ("--prior-level", "M,V", None, "mean and variance of the level before the first row, on the transformed scale"),
    (
        "--prior-slope",
        "M,V",
        None,
        "mean and variance of the slope per cadence before the first row (below 0: --prior-slope=-1,V)",
    ),
    ("--noise-variance", "S,N", None, "estimate of the noise variance and its degrees of freedom (inf: known)"),
    ("--variance-discount", "D", "0.98", "share of the noise's degrees of freedom kept from row to row"),
    ("--commission", "N", "250", "learn the noise from the first N rows (0: none), unless --noise-variance is given"),
    ("--cadence", "S", None, "seconds that count as one step (default: the median spacing)"),
    ("--out", "FILE.jsonl", None, "write there instead of to stdout"),
)


class Table(NamedTuple):
    """What was read: times (s), values (NaN: missing), and how a time is written."""

    times: list[float]
    values: list[float]
    say_time: Callable[[float], str | float]


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE.csv", help="a table whose first line names its columns")
    for flag, metavar, default, text in _OPTIONS:
        parser.add_argument(flag, metavar=metavar, default=default, help=text)


def _run(arguments: Namespace) -> int:
    """Print a line for each row; every error is one line that names the file, the row, the word."""
    make = _bank_maker(arguments)
    table = read_table(Path(arguments.file), time=arguments.time, value=arguments.value)
    cadence_s = _number("--cadence", arguments.cadence) if arguments.cadence is not None else _spacing(table.times)
    bank = make(cadence_s)
    with _output(arguments.out) as out:
        for row, (at, value) in enumerate(zip(table.times, table.values, strict=True), start=1):
            try:
                verdicts = bank.update([0], [at], [value])
            except Refusal as refusal:
                raise Refusal(refusal.reason, f"{arguments.file}, row {row}: {refusal.detail}") from None
            out.write(encode(line(verdicts, table.say_time)).decode() + "\n")
    return 0


def _bank_maker(arguments: Namespace) -> Callable[[float], Bank]:
    """Return how to make the bank, once the cadence is known; a Misconfigured names the option that cannot be."""
    from cyberfilter.filter import PROFILES, TRANSFORMS, Bank, Prior, check_filter

    check_filter(arguments.filter)
    profile = PROFILES.get(arguments.profile)
    if profile is None:
        raise Misconfigured(f"--profile {arguments.profile} is none of {', '.join(PROFILES)}")
    if arguments.transform not in TRANSFORMS:
        raise Misconfigured(f"--transform {arguments.transform} is none of {', '.join(TRANSFORMS)}")
    prior = Prior(
        level=_pair("--prior-level", arguments.prior_level),
        slope=_pair("--prior-slope", arguments.prior_slope),
        noise=_pair("--noise-variance", arguments.noise_variance),
    )
    if not arguments.commission.isdecimal():
        raise Misconfigured(f"--commission {arguments.commission} is not a number of rows")
    discount = _number("--variance-discount", arguments.variance_discount)

    def make(cadence_s: float) -> Bank:
        return Bank(
            1,
            prior=prior,
            filter=arguments.filter,
            profile=profile,
            commission=int(arguments.commission),
            variance_discount=discount,
            transform=arguments.transform,
            cadence_s=cadence_s,
        )

    make(1.0)
    return make


def _number(flag: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise Misconfigured(f"{flag} {text} is not a number") from None


def _pair(flag: str, text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) != 2:  # noqa: PLR2004 - a pair
        raise Misconfigured(f"{flag} {text} is not two numbers with a comma between them")
    return _number(flag, parts[0]), _number(flag, parts[1])


def read_table(file: Path, *, time: str | None, value: str | None) -> Table:
    """Return the columns of the file; a Refusal names the file, the row and the word that cannot be read."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            names, *rows = list(csv.reader(lines)) or [[]]
    except OSError as error:
        raise Refusal("unreadable", f"{file}: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise Refusal("unreadable", f"{file} is not a UTF-8 table: {error}") from None
    names = [name.strip() for name in names]
    if not names or all(_is_number(name) for name in names):
        raise Refusal("no_header", f"{file}: the first line does not name columns")
    rows = [row for row in rows if row]
    at = _place_of(value, names, file) if value is not None else _only_numeric(names, rows, time, file)
    values = [_value(row, at, n, file) for n, row in enumerate(rows, start=1)]
    if time is None:
        return Table([float(n) for n in range(len(rows))], values, _say_number)
    stamps = [_cell(row, _place_of(time, names, file)) for row in rows]
    parsed = [_time(stamp, n, file) for n, stamp in enumerate(stamps, start=1)]
    say = _say_number if all(_is_number(stamp) for stamp in stamps) else format_time
    return Table(parsed, values, say)


def _place_of(name: str, names: list[str], file: Path) -> int:
    if name not in names:
        raise Refusal("no_column", f"{file} has no column {name!r}; it has {', '.join(names)[:200]}")
    return names.index(name)


def _only_numeric(names: list[str], rows: list[list[str]], time: str | None, file: Path) -> int:
    numeric = []
    for at, name in enumerate(names):
        cells = [cell for row in rows if (cell := _cell(row, at))]
        if name != time and cells and all(_is_number(cell) for cell in cells):
            numeric.append(at)
    if len(numeric) != 1:
        found = ", ".join(names[at] for at in numeric) or "none"
        raise Misconfigured(
            f"{file}: --value is missing and not exactly one column is numeric (numeric: {found[:200]}; all, parted by "
            f"commas: {' | '.join(names)[:200]})"
        )
    if _is_number(names[numeric[0]]):
        raise Refusal("no_header", f"{file}: the first line does not name columns: {names[numeric[0]][:80]}")
    return numeric[0]


def _cell(row: list[str], at: int) -> str:
    return row[at].strip() if at < len(row) else ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _value(row: list[str], at: int, n: int, file: Path) -> float:
    text = _cell(row, at)
    if not text:
        return math.nan
    if not _is_number(text) or math.isinf(float(text)):
        raise Refusal("not_a_number", f"{file}, row {n}: {text[:80]!r} is not a number")
    return float(text)


def _time(text: str, n: int, file: Path) -> float:
    if _is_number(text) and math.isfinite(float(text)):
        return float(text)
    with contextlib.suppress(ValueError):
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.timestamp()
    raise Refusal("bad_time", f"{file}, row {n}: {text[:80]!r} is neither seconds nor RFC 3339 with its offset")


def _spacing(times: list[float]) -> float:
    """Return the median distance of neighbours (s); 1 where there are none, or they do not advance."""
    gaps = [after - before for before, after in pairwise(times)]
    spacing = median(gaps) if gaps else 1.0
    return spacing if spacing > 0 else 1.0


def _say_number(at: float) -> float:
    return int(at) if at.is_integer() else at


@contextlib.contextmanager
def _output(path: str | None) -> Iterator[TextIO]:
    if path is None:
        yield sys.stdout
        return
    try:
        with Path(path).open("w", encoding="utf-8") as out:
            yield out
    except OSError as error:
        raise Refusal("unwritable", f"{path}: {error.strerror}") from None


def line(verdicts: Verdicts, say_time: Callable[[float], str | float]) -> dict[str, Any]:
    """Return one row as the contract's columns; what is not known is None (NaN is written as null).

    A filter that has no four states leaves their columns out.
    """
    from cyberfilter.filter import STATES

    def figure(name: str) -> float:
        return float(getattr(verdicts, name)[0])

    def states(name: str) -> dict[str, float] | None:
        row = getattr(verdicts, name)[0].tolist()
        return None if math.isnan(row[0]) else dict(zip(STATES, row, strict=True))

    kind = str(verdicts.change_kind[0])
    told = (("size", "size"), ("sd", "sd"), ("probability", "p"), ("before", "before"))
    figures = {word: figure(f"change_{name}") for word, name in told}
    change = {"kind": kind, "since": say_time(figure("change_since")), **figures} if kind else None
    forecast = {part: figure(f"forecast_{part}") for part in ("mean", "sd", "lo95", "hi95")}
    plain = ("level", "slope", "p_slope_negative", "sigma", "log_evidence", "p_change", "p_outlier")
    return {
        "t": say_time(figure("t")),
        "y": figure("y"),
        "forecast": forecast,
        **{name: figure(name) for name in plain},
        "change": change,
        "score": figure("score"),
        "verdict": str(verdicts.verdict[0]),
        **({name: states(name) for name in ("p", "one_back", "two_back")} if states("p") else {}),
    }


COMMAND: Final = Command("filter", "run the Cyberfilter over a file", _add_arguments, _run)
