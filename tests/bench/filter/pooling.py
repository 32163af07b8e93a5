# SPDX-License-Identifier: AGPL-3.0-or-later
"""Newcomers: what ten like machines have learned, twenty values of their own, then a step of five deviations."""

from __future__ import annotations

from typing import Final

import numpy as np
from judging import Bools, Floats, episodes
from ours import CHANGES
from table import Session, number, share, show

from cyberfilter.filter import Bank, Learned, pool

LIKE: Final = 10
OWN: Final = 20
QUIET: Final = 80
COMMISSION: Final = 100
"""Values that each like machine has learned from."""
VARIETY: Final = 0.15
"""Standard deviation of the logarithm of the machines' noise."""
STEP: Final = 5.0
WITHIN: Final = 3
STATED: Final = 0.5
"""False alarms in 1000 values that goal 4 promises of the verdict."""


def run(session: Session) -> None:
    """Print what newcomers find alone, with their family from the start, and with it after their own values."""
    seeds = session.runs()
    session.say(f"pooling: {len(seeds)} newcomers")
    given, quiet, stepped = newcomers(seeds)
    found = {
        "alone": _figures(quiet, stepped, None, 0),
        "family from the first value": _figures(quiet, stepped, given, 0),
        f"family after {OWN} own values": _figures(quiet, stepped, given, OWN),
    }
    show(
        f"pooling, {len(seeds)} newcomers, {LIKE} like machines each: {OWN} own values, then a step of {STEP:g}σ",
        ("newcomer", f"found in {WITHIN} values, %", "in 2", "false alarms in 1000"),
        [(name, share(three), share(two), number(false)) for name, (three, two, false) in found.items()],
        (f"step, slope or noise is said; noise of like machines differs by {100 * VARIETY:.0f} %",),
    )
    session.found["pooling"] = found
    three, _, false = found["family from the first value"]
    session.goal(
        f"3 pooling: a step of {STEP:g}σ in ≤ {WITHIN} values (most) at ≤ {2 * STATED:g} false alarms in 1000",
        f"{share(three)} %, {number(false)}",
        three >= 0.9 and false <= 2 * STATED,
    )


def newcomers(seeds: range) -> tuple[Learned, Floats, Floats]:
    """Return what each newcomer's family has learned, and its values (runs, rows) without and with the step."""
    drawn = [np.random.default_rng([seed, LIKE]) for seed in seeds]
    sigma = np.exp([VARIETY * rng.normal(size=LIKE + 1) for rng in drawn])
    like = np.concatenate([rng.normal(size=(LIKE, COMMISSION + LIKE)) for rng in drawn]) * sigma[:, 1:].reshape(-1, 1)
    bank = Bank(len(like), filter="hypotheses", commission=COMMISSION)
    _calls(bank, like, 0)
    learned = bank.learned(np.arange(len(like)))
    pooled = [pool(Learned(*(part[at : at + LIKE] for part in learned))) for at in range(0, len(like), LIKE)]
    quiet = np.array([rng.normal(size=OWN + QUIET) for rng in drawn]) * sigma[:, :1]
    stepped = quiet[:, : OWN + WITHIN].copy()
    stepped[:, OWN:] += STEP * sigma[:, :1]
    return Learned(*map(np.concatenate, zip(*pooled, strict=True))), quiet, stepped


def _figures(quiet: Floats, stepped: Floats, given: Learned | None, adopted_at: int) -> tuple[float, float, float]:
    """Return the shares found within WITHIN values and within two, and false alarms in 1000 values."""
    told, false = (_heard(rows, given, adopted_at) for rows in (stepped, quiet))
    return float(told[:, OWN:].any(axis=1).mean()), float(told[:, OWN:-1].any(axis=1).mean()), episodes(false)


def _heard(rows: Floats, given: Learned | None, adopted_at: int) -> Bools:
    bank = Bank(len(rows), filter="hypotheses")
    before = _calls(bank, rows[:, :adopted_at], 0)
    if given is not None:
        bank.adopt(np.arange(len(rows)), given)
    return np.concatenate((before, _calls(bank, rows[:, adopted_at:], adopted_at)), axis=1)


def _calls(bank: Bank, rows: Floats, start: int) -> Bools:
    """Return where a lasting change is told (runs, rows); one value a second."""
    index, told = np.arange(len(rows)), np.zeros(rows.shape, dtype=bool)
    for at, column in enumerate(rows.T):
        told[:, at] = np.isin(bank.update(index, np.full(len(rows), float(start + at)), column).verdict, CHANGES)
    return told
