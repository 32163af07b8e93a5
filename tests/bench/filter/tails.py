# SPDX-License-Identifier: AGPL-3.0-or-later
"""Thirteen kinds of noise in which nothing happens: false alarms, and whether a stated rate is the realised one."""

from __future__ import annotations

from typing import Final

import numpy as np
from forecasts import Predicted, degrees, tail
from judging import Floats, episodes
from ours import Heard, hear
from scenarios import FAMILIES, noise
from table import Session, number, show

SERIES: Final = 40
ROWS: Final = 6000
BURN: Final = 1000
RATES: Final = (500, 2000)
STRICT: Final = ("gauss", "ar3", "ar8", "t4", "walk", "trend", "season", "poisson4", "missing")
LOOSE: Final = ("lognormal", "quantised", "index01")


def run(session: Session) -> None:
    """Print false alarms of the default filter and realised against stated rates, family by family."""
    own, rows = session.runs(SERIES), 2500 if session.quick else ROWS
    own = own[:4] if session.quick else own
    session.say(f"tails: {len(FAMILIES)} families of {len(own)} series of {rows} rows")
    every = np.concatenate([noise(family, rows, own) for family in FAMILIES])
    both = {name: hear(every, name, session.say) for name in ("classic", "hypotheses")}
    found: dict[str, dict[str, float]] = {}
    for at, family in enumerate(FAMILIES):
        part = slice(at * len(own), (at + 1) * len(own))
        heard, classic = both["hypotheses"].some(part), both["classic"].some(part)
        found[family] = _alarms(heard, classic) | _rates(heard, every[part])
    names = list(next(iter(found.values())))
    show(
        f"noise alone, {len(own)} series of {rows - BURN} rows a family: false alarm episodes in 1000 rows, "
        "and realised / stated rate",
        ("family", *names),
        [(family, *(number(found[family][name]) for name in names)) for family in FAMILIES],
        (
            "P, calls: hypotheses, and its verdict as shipped; score: rows above 1 - rate (with its episodes;",
            "surprise: without them); forecast: two-sided tail of the forecast's own Student band, the floor",
        ),
    )
    session.found["tails"] = found
    _goals(session, found)


def _alarms(heard: Heard, classic: Heard) -> dict[str, float]:
    return {
        "P>.5": episodes(heard.p_change[:, BURN:] > 0.5),
        "P>.9": episodes(heard.p_change[:, BURN:] > 0.9),
        "calls": episodes(heard.calls()[:, BURN:]),
        "classic P>.5": episodes(classic.p_change[:, BURN:] > 0.5),
        "classic calls": episodes(classic.calls()[:, BURN:]),
    }


def _rates(heard: Heard, value: Floats) -> dict[str, float]:
    told = Predicted(
        heard.forecast_mean,
        heard.forecast_sd,
        degrees(heard.forecast_mean, heard.forecast_sd, heard.forecast_hi95),
    )
    columns = {"score": heard.score, "surprise": heard.surprise, "forecast": 1.0 - tail(value, told)}
    pairs = [(name, column[:, BURN:], rate) for name, column in columns.items() for rate in RATES]
    return {f"{name} 1/{rate}": _ratio(column, rate) for name, column, rate in pairs}


def _ratio(column: Floats, rate: int) -> float:
    """Return realised over stated rate, of the rows that have a figure; nothing where none has."""
    there = np.isfinite(column)
    return float((column[there] > 1.0 - 1.0 / rate).mean() * rate) if there.any() else float("nan")


def _goals(session: Session, found: dict[str, dict[str, float]]) -> None:
    for names, most in ((STRICT, 0.5), (LOOSE, 1.0)):
        worst = max(names, key=lambda name: found[name]["P>.9"])
        session.goal(
            f"4 P > .9: ≤ {most} false alarms in 1000 on {len(names)} families ({names[0]} …)",
            f"worst {worst} {found[worst]['P>.9']:.2f}",
            found[worst]["P>.9"] <= most,
        )
    for rate in RATES:
        column = next((c for c in (f"surprise 1/{rate}", f"score 1/{rate}") if np.isfinite(found["gauss"][c])), None)
        if column is None:
            session.goal(f"5 stated against realised rate within 2 at 1/{rate}", "no score yet", None)
            continue
        out = [f"{name} {figures[column]:.2f}" for name, figures in found.items() if not 0.5 <= figures[column] <= 2]
        session.goal(
            f"5 stated against realised rate within 2 at 1/{rate} ({column.split()[0]})",
            ", ".join(out) or "all 13",
            not out,
        )
