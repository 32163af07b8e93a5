# SPDX-License-Identifier: AGPL-3.0-or-later
"""The rules of their own beside the hypotheses: a stuck sensor (stuck.py) before them, a season (season.py) around.

A stuck sensor's values are missing to the filter, which goes back to what it knew when the run began: a flat line
would else teach it that there is no noise. A pattern is taken off the values; where one is found or is over, the
filter begins anew from the level and noise that are left.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from cyberfilter.contract.index import Verdict
from cyberfilter.filter import adaptivity, hypotheses, lent, season, stuck
from cyberfilter.filter.hypotheses import Found
from cyberfilter.filter.model import HALF, Floats, is_any
from cyberfilter.filter.season import Seasonal
from cyberfilter.filter.start import START_DEGREES
from cyberfilter.filter.stuck import Run
from cyberfilter.filter.transform import Transform
from cyberfilter.filter.verdict import Bools, Judged
from cyberfilter.filter.weighing import C00, M0, WEIGHT, Model, Row, S

_LAYOUT: Final = (("stuck", stuck.HEIGHT), ("before", WEIGHT), ("season", season.HEIGHT))
_STARTS: Final = np.cumsum([0] + [width for _, width in _LAYOUT]).tolist()
_ROW: Final = {name: slice(at, at + width) for (name, width), at in zip(_LAYOUT, _STARTS, strict=False)}
HEIGHT: Final[int] = _STARTS[-1]
Forecast = tuple[Floats, Floats, Floats]
_BAND: Final = 1.96
_SLOPE_SHARE: Final = 1e-4
_DEGREES: Final = 30.0
"""What the noise beside a pattern is worth: it was measured on a few hundred values, but with hindsight."""


class Heard(NamedTuple):
    """What a row's value is to the filter: z without what is stuck and without the pattern, which is beside it.

    `tick` is the row's time in whole cadences. `told` is mean, scale and half the band (3, those stuck from now on) as
    they were before the filter went back.
    """

    z: Floats
    tick: Floats
    pattern: Floats
    run: Run
    told: Floats | None


class Held(NamedTuple):
    """What stuck sensors repeat, each (k), on the filter's scale; NaN: it is not stuck. And how sure it is to go on."""

    z: Floats
    scale: Floats


def fresh(own: Floats) -> None:
    """Let the rows (HEIGHT, k) be those of series that have seen nothing."""
    own[:] = 0.0
    stuck.fresh(own[_ROW["stuck"]])
    season.fresh(own[_ROW["season"]])


def expect(own: Floats, time_s: Floats, cadence_s: float) -> Floats:
    """Return what the pattern adds at these times (k), on the scale of the filter."""
    return season.expect(own[_ROW["season"]], time_s, cadence_s)


def read(own: Floats, cadence_s: float) -> Floats:
    """Return the season that the series (k) hand on (lent.TAUGHT, k)."""
    return lent.read(own[_ROW["season"]], cadence_s)


def take_up(own: Floats, given: Floats, noise: Floats, cadence_s: float) -> Bools:
    """Let the series (k) follow the season of like ones (lent.TAUGHT, k; 0: none); return which now do."""
    return lent.take_up(own[_ROW["season"]], given, noise, cadence_s)


def doubted(own: Floats) -> Bools:
    """Return which series (k) speak against the season of like ones that they follow."""
    return lent.doubted(own[_ROW["season"]])


def held(own: Floats, transform: Transform) -> Held | None:
    """Return which sensors are stuck (k) before a row comes; None where none is.

    After r repeats one goes on with probability (r + 1)/(r + 2), by Laplace's rule of succession, or is back at what
    was known when the run began: the scale is the standard deviation of that.
    """
    about, known = own[_ROW["stuck"]], own[_ROW["before"]]
    if not is_any(about[stuck.STUCK]):
        return None
    z = transform.forward(np.where(about[stuck.STUCK] > 0, about[stuck.VALUE], np.nan))
    off = z - known[M0]
    return Held(z, np.sqrt((off * off + known[C00] + known[S]) / (about[stuck.RUN] + 2.0)))


def whole(forecast: Forecast, pattern: Floats, held: Held | None) -> Forecast:
    """Return mean, scale and half the band (k) with what the pattern adds; a stuck sensor repeats itself."""
    mean, scale, half = forecast
    mean = mean + pattern
    if held is None:
        return mean, scale, half
    there = ~np.isnan(held.z)
    others = (held.z, held.scale, _BAND * held.scale)
    mean, scale, half = (np.where(there, *both) for both in zip(others, (mean, scale, half), strict=True))
    return mean, scale, half


def before(  # noqa: PLR0917 - all that a row is
    own: Floats, h: Floats, row: Row, value: Floats, started: Bools, known: Bools, cadence_s: float, model: Model
) -> Heard:
    """Return what the filter is to hear of the values; the hypotheses h go back where a sensor is stuck from now on.

    What they knew is remembered as a run begins, also of one that is still learning: it may be stuck when it knows.
    """
    run = stuck.step(own[_ROW["stuck"]], row.time, value, known)
    remembered = own[_ROW["before"]]
    begins = run.began & started
    if is_any(begins):
        remembered[:, begins] = hypotheses.moments(h[:, :, begins])
    told = None
    if is_any(run.fired):
        some = h[:, :, run.fired]
        told = np.stack(hypotheses.predict(some, Row._make(part[run.fired] for part in row), model))
        hypotheses.begin(some, remembered[:, run.fired])
        h[:, :, run.fired] = some
    pattern = season.expect(own[_ROW["season"]], row.time, cadence_s)
    z = row.z - pattern
    np.copyto(z, np.nan, where=run.stuck)
    return Heard(z, np.floor(row.time / cadence_s + HALF), pattern, run, told)


def expected(found: Found, heard: Heard) -> Forecast:
    """Return mean, scale and half the band (k) that stood before the value came, without the pattern."""
    mean, scale, half = found.mean, found.scale, found.half
    if heard.told is not None:
        for whole, part in zip((mean, scale, half), heard.told, strict=True):
            whole[heard.run.fired] = part
    return mean, scale, half


def after(  # noqa: PLR0917 - all that a row is
    own: Floats, h: Floats, row: Row, heard: Heard, due: Bools, cadence_s: float, model: Model
) -> Seasonal:
    """Let the season hear the values after the filter has; h begins anew where a pattern is found or is over."""
    z = np.where(heard.run.stuck, np.nan, row.z) if is_any(heard.run.stuck) else row.z
    seasonal = season.step(own[_ROW["season"]], row.time, z, cadence_s, due)
    anew = seasonal.found | seasonal.ended
    if is_any(anew):
        some = h[:, :, anew]
        noise = some[S, 0] if model.noise_known else np.maximum(seasonal.noise[anew], row.s_least[anew])
        hypotheses.begin(some, _begun(seasonal.level[anew], noise, _DEGREES))
        h[:, :, anew] = some
    return seasonal


def relearn(own: Floats, row: Row, cadence_s: float, model: Model) -> tuple[Floats, Bools]:
    """Return how fast the levels (k) wander, by what was kept of series whose pattern was just found; and where known.

    With the pattern in them they seemed to wander. Where places stand for more than a cadence this is not known.
    """
    about, k = own[_ROW["season"]], own.shape[1]
    rest, one, never = season.residuals(about, cadence_s), np.ones(k), np.zeros(k, dtype=bool)
    grid = np.zeros((adaptivity.FIELD_COUNT, len(adaptivity.DISCOUNTS), k))
    first = rest[np.argmin(np.isnan(rest), axis=0), np.arange(k)]
    grid[:WEIGHT] = _begun(first, np.maximum(about[season.AT["noise"]], row.s_least), START_DEGREES)[:, None]
    learned = one
    for z in rest:
        learned = adaptivity.learn(grid, row._replace(z=z, gap=one, reset=never, discount=one), model)
    return learned, season.width(about) == 1.0


def _begun(level: Floats, noise: Floats, degrees: float) -> Floats:
    """Return the moments (7, k) of a level that is known to within the noise, and hardly any slope."""
    nothing = np.zeros_like(level)
    return np.stack((level, nothing, noise, nothing, _SLOPE_SHARE * noise, noise, nothing + degrees))


def tell(judged: Judged, found: Found, heard: Heard, seasonal: Seasonal, *, able: Bools) -> tuple[Judged, Floats]:
    """Return the verdicts with stuck and season in their places, and the probability of a change with theirs.

    A stuck sensor is said before anything else but a missing value; that a season is over is said where the filter,
    which began anew then, has nothing to say.
    """
    if not (is_any(heard.run.stuck) or is_any(seasonal.telling)):
        return judged, found.p_change
    quiet = np.isin(judged.verdict, (Verdict.STEADY, Verdict.UNSURE)) & (judged.kind == "")
    gone = seasonal.telling & quiet & able
    flat = heard.run.stuck & able
    word = np.where(flat, Verdict.STUCK.value, np.where(gone, Verdict.SEASON.value, judged.verdict))
    p_change = np.where(gone, np.maximum(found.p_change, 1.0 - seasonal.chance), found.p_change)
    return Judged(
        verdict=word,
        kind=np.where(flat | gone, word, judged.kind),
        since=np.where(flat, heard.run.since, np.where(gone, seasonal.since, judged.since)),
        size=np.where(flat, 0.0, np.where(gone, seasonal.size, judged.size)),
        sd=np.where(flat | gone, np.nan, judged.sd),
        p=np.where(flat, 1.0 - heard.run.chance, np.where(gone, 1.0 - seasonal.chance, judged.p)),
        before=np.where(flat | gone, np.nan, judged.before),
    ), np.where(flat, np.maximum(p_change, 1.0 - heard.run.chance), p_change)
