# SPDX-License-Identifier: AGPL-3.0-or-later
"""Newcomers: what ten like machines have learned, twenty values of their own, then a step of five deviations.

And how right their score and their forecasts are, with a family and without.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from judging import Bools, Floats, episodes
from ours import CHANGES, Heard, hear
from scenarios import PERIOD, standard
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
NOISES: Final = ("gauss", "t4", "lognormal")
RATE: Final = 500
TAUGHT: Final = 1000
"""Values that each like machine has heard of which newcomers learn their tails."""
SPANS: Final = ((0, 100), (100, 250), (250, 500))
SEASON: Final = 9 * PERIOD
"""Values that each like machine has heard of which newcomers learn a season of 2σ."""


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
    for noise in NOISES[1:]:
        given, quiet, stepped = newcomers(seeds, noise)
        found[f"{noise}, family from the first value"] = _figures(quiet, stepped, given, 0)
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
    session.found["pooling score"] = _scores(seeds)
    session.found["pooling season"] = _seasons(seeds)


class Drawn(NamedTuple):
    """Generators of the families, the machines' noise (families, newcomer and like ones), how a noise is drawn."""

    rngs: list[np.random.Generator]
    sigma: Floats
    noise: Callable[[np.random.Generator, tuple[int, ...]], Floats]

    def like(self, rows: int) -> Floats:
        """Return so many values of each like machine."""
        return np.concatenate([self.noise(rng, (LIKE, rows)) for rng in self.rngs]) * self.sigma[:, 1:].reshape(-1, 1)

    def own(self, rows: int) -> Floats:
        """Return so many values of each newcomer."""
        return np.array([self.noise(rng, (rows,)) for rng in self.rngs]) * self.sigma[:, :1]


def _drawn(seeds: range, noise: str) -> Drawn:
    rngs = [np.random.default_rng([seed, LIKE]) for seed in seeds]
    sigma = np.exp([VARIETY * rng.normal(size=LIKE + 1) for rng in rngs])
    return Drawn(rngs, sigma, lambda rng, size: standard(noise, rng, size))


def _pooled(like: Floats, **options: int) -> Learned:
    """Return what each family has learned from its members' values."""
    bank = Bank(len(like), filter="hypotheses", **options)
    _calls(bank, like, 0)
    learned = bank.learned(np.arange(len(like)))
    pooled = [pool(Learned(*(part[at : at + LIKE] for part in learned))) for at in range(0, len(like), LIKE)]
    return Learned(*map(np.concatenate, zip(*pooled, strict=True)))


def newcomers(seeds: range, noise: str = "gauss") -> tuple[Learned, Floats, Floats]:
    """Return what each newcomer's family has learned, and its values (runs, rows) without and with the step."""
    drawn = _drawn(seeds, noise)
    given, quiet = _pooled(drawn.like(COMMISSION + LIKE), commission=COMMISSION), drawn.own(OWN + QUIET)
    stepped = quiet[:, : OWN + WITHIN].copy()
    stepped[:, OWN:] += STEP * drawn.sigma[:, :1]
    return given, quiet, stepped


def _scores(seeds: range) -> dict[str, list[float]]:
    """Show how often a newcomer's score says 1 in RATE, over how often it should."""
    found = {}
    for noise in NOISES:
        drawn = _drawn(seeds, noise)
        given, own = _pooled(drawn.like(TAUGHT)), drawn.own(SPANS[-1][1])
        for name, lesson in (("alone", None), ("family", given)):
            score = hear(own, "hypotheses", given=lesson).score
            found[f"{noise}, {name}"] = [
                float(np.nanmean(score[:, first:last] > 1.0 - 1.0 / RATE) * RATE) for first, last in SPANS
            ]
    show(
        f"pooling, score of {len(seeds)} newcomers: realised / stated rate at 1/{RATE}",
        ("newcomer", *(f"values {first}–{last}" for first, last in SPANS)),
        [(name, *map(number, rates)) for name, rates in found.items()],
        (f"like machines have heard {TAUGHT} values",),
    )
    return found


def _seasons(seeds: range) -> dict[str, list[float]]:
    """Show how newcomers with their family's season, and such without any, forecast their first period."""
    drawn = _drawn(seeds, "gauss")
    turn, at = np.array([[rng.uniform(0, 2 * np.pi)] for rng in drawn.rngs]), np.arange(SEASON + PERIOD)
    wave = 2 * np.sin(2 * np.pi * at / PERIOD + turn)
    given = _pooled(drawn.like(SEASON) + np.repeat(wave[:, :SEASON], LIKE, axis=0))
    plain, times = drawn.own(PERIOD), np.broadcast_to(at[SEASON:].astype(float), (len(seeds), PERIOD))
    without, found = given._replace(season=np.zeros_like(given.season)), {}
    for has, own in (("with the season", plain + wave[:, SEASON:]), ("without it", plain)):
        for name, lesson in (("family's noise", without), ("family", given)):
            heard = hear(own, "hypotheses", given=lesson, times=times)
            found[f"{has}, {name}"] = _first_day(heard, own, drawn.sigma[:, :1])
    show(
        f"pooling, {len(seeds)} newcomers to families with a season of 2σ: their first period of {PERIOD} values",
        ("newcomer", "error in σ", "in the 95 % band, %", "false alarms in 1000"),
        [(name, number(error), share(cover), number(false)) for name, (error, cover, false) in found.items()],
    )
    return found


def _first_day(heard: Heard, own: Floats, sigma: Floats) -> list[float]:
    """Return the root of the mean square error, the coverage, and false alarms in 1000 values."""
    off = np.abs(own - heard.forecast_mean)[:, 1:]
    inside = off <= (heard.forecast_hi95 - heard.forecast_mean)[:, 1:]
    return [float(np.sqrt(np.mean((off / sigma) ** 2))), float(inside.mean()), episodes(heard.calls())]


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
