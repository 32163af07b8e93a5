# SPDX-License-Identifier: AGPL-3.0-or-later
"""A pattern that repeats itself: found in the values themselves, taken off before the filter, watched for its end.

The last values are kept in COUNT places. When these are full and show no pattern (period.py), neighbours are merged
and the places stand for twice the time: so a period of any length is found in the same memory, once two and a fifth of
it have passed. What is found is followed value by value: three harmonics by the gradient, the period by the phase's
error (a phase-locked loop). Two slow levels, one with and one without the pattern, forecast each value; where the one
without has been the better for a while, and also if the level is let step once, the season is over. One that is lent by
like series (lent.py) ends likewise, but nothing is told of it before its own values have borne it out.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cyberfilter.filter import places
from cyberfilter.filter.model import ZERO, Floats, is_any
from cyberfilter.filter.period import COEFFICIENTS, COUNT, Pattern, pattern_of, waves
from cyberfilter.filter.verdict import Bools
from cyberfilter.filter.weighing import over

_LAYOUT: Final = (
    ("period", 1),  # cadences; 0: there is no pattern
    ("coefficients", COEFFICIENTS),
    ("turn", 1),  # angle at `time`
    ("time", 1),
    ("count", 1),  # cadences that the pattern was learned from
    ("on", 1),  # the level with the pattern taken off, and as it comes
    ("off", 1),
    ("noise", 1),  # variance of the errors with the pattern, and the mean product of neighbouring ones
    ("product", 1),
    ("error", 1),
    ("against", 1),  # evidence against the pattern that has come together, since when
    ("since", 1),
    ("telling", 1),  # rows for which a season that is over is still told: since when, how large, how probable
    ("ended", 1),
    ("size", 1),
    ("chance", 1),
    ("lent", 1),  # the pattern is that of like series: so much evidence for it is still wanting
    ("places", places.HEIGHT),
)
_STARTS: Final = np.cumsum([0] + [width for _, width in _LAYOUT]).tolist()
ROW: Final = {name: slice(at, at + width) for (name, width), at in zip(_LAYOUT, _STARTS, strict=False)}
AT: Final = {name: int(rows.start) for name, rows in ROW.items()}
HEIGHT: Final[int] = _STARTS[-1]
FOLLOWED: Final = AT["places"]
TELLING: Final = 100
"""Rows for which it is told that a season is over: as long as a change counts as new."""
SUSPICION: Final = 5.0
CERTAINTY: Final = 5.0
"""Natural logarithms of evidence against the pattern: before one looks closely, and then."""
_SHIFTS: Final = (0.5 * np.pi, np.pi, 1.5 * np.pi)
_CHOICE: Final = float(np.log(1 + len(_SHIFTS)))
"""What may have become of a season: nothing is left of it, or it comes a quarter, half or three quarters late."""
LENT_PERIODS: Final = 2.0
"""What a lent pattern is worth. It is borne out by one more period, in which CERTAINTY speaks for it."""
_TURN_LEAST: Final = 1 / 12
"""Share of a period that has to pass before it can be over."""
_LEVEL_PER_PERIOD: Final = 5.0
_GAIN: Final = 4.0
_GAIN_OF_SPEED: Final = 6 / 16
"""A line through n errors of the phase, by least squares: 4/n of the last one moves the phase, 6/n² its speed."""
_GAIN_PER_PERIOD: Final = 0.3
_EARLY_LEAST: Final = 192
_PLACES_LEAST: Final = 6
_CLIP: Final = 3.0
_NOISE_GAIN: Final = 0.01
_CORRELATION_MAX: Final = 0.9
_TINY: Final = 1e-300


class Seasonal(NamedTuple):
    """What a row adds, each (k): `found` and `ended`, a pattern begins or ends with it: the level and noise then.

    `telling`: one is over since `since`, by `size` (the amplitude less what it was: 0 where it comes at another time),
    and that is chance with probability `chance`.
    """

    found: Bools
    ended: Bools
    level: Floats
    noise: Floats
    telling: Bools
    since: Floats
    size: Floats
    chance: Floats


def fresh(own: Floats) -> None:
    """Let the rows (HEIGHT, k) be those of series that have seen nothing."""
    own[:] = 0.0
    places.fresh(own[ROW["places"]])


def expect(own: Floats, time_s: Floats, cadence_s: float) -> Floats:
    """Return what the pattern adds at these times (k), on the scale of the filter; 0 where there is none."""
    there = own[AT["period"]] > ZERO
    pattern = np.zeros(len(time_s))
    if is_any(there):
        some = own[:, there]
        turn = some[AT["turn"]] + _speed(some) * (time_s[there] - some[AT["time"]]) / cadence_s
        pattern[there] = over(some[ROW["coefficients"]] * waves(turn))
    return pattern


def step(own: Floats, time_s: Floats, z: Floats, cadence_s: float, due: Bools) -> Seasonal:
    """Let the rows (k; NaN is missing) be heard; `own` is changed. A pattern is looked for where places are full.

    It is also looked for where it is `due`: what was learned from the first values is about to be used.
    """
    k = len(z)
    telling = own[AT["telling"]]
    if is_any(telling):
        np.maximum(telling - 1.0, 0.0, out=telling)
    found, ended = np.zeros((2, k), dtype=bool)
    level, noise = np.full((2, k), np.nan)
    there = own[AT["period"]] > ZERO
    ring = own[ROW["places"]]
    full = places.keep(ring, time_s, z, cadence_s)
    if is_any(there):
        full &= ~there
        some = own[:FOLLOWED, there]
        ended[there] = _follow(some, time_s[there], z[there], cadence_s)
        own[:FOLLOWED, there] = some
        if is_any(ended):
            some = own[:, ended]
            sure = _end(some, cadence_s)
            level[ended], noise[ended] = some[AT["on"]], some[AT["noise"]]
            own[:, ended] = some
            ended[ended] = sure
    look = full
    if is_any(due):
        look = full | ((ring[places.PLACE] >= _EARLY_LEAST) & (ring[places.WIDTH] == 1.0) & due & ~there)
    if is_any(look):
        some = own[:, look]
        found[look] = _look(some, time_s[look], cadence_s)
        level[look], noise[look] = some[AT["on"]], some[AT["noise"]]
        own[:, look] = some
        full = full & ~found
    if is_any(full):
        some = ring[:, full]
        places.widen(some, cadence_s)
        ring[:, full] = some
    since, size, chance = own[AT["ended"] : AT["chance"] + 1].copy()
    return Seasonal(found, ended, level, noise, telling > ZERO, since, size, chance)


def residuals(own: Floats, cadence_s: float) -> Floats:
    """Return what is kept, oldest first (COUNT, k), less the pattern; for series whose pattern was found just now."""
    kept, back = places.ordered(own[ROW["places"]])
    return np.asarray(kept - _pattern_back(own, back, cadence_s))


def width(own: Floats) -> Floats:
    """Return how many cadences a place stands for (k)."""
    return np.asarray(own[ROW["places"]][places.WIDTH])


def _speed(own: Floats) -> Floats:
    return np.asarray(2.0 * np.pi / own[AT["period"]])


def _pattern_back(own: Floats, back: Floats, cadence_s: float, shift: float = 0.0) -> Floats:
    """Return the pattern, turned by an angle, at the middle of each place, so many back from the one being filled."""
    into = places.into(own[ROW["places"]], own[AT["time"]], cadence_s)
    middle = width(own) * (back - 0.5) + 0.5 + into
    return over(own[ROW["coefficients"]][:, None] * waves(own[AT["turn"]] + shift - _speed(own) * middle))


def _look(own: Floats, time_s: Floats, cadence_s: float) -> Bools:
    """Return where what is kept has a pattern; there it is followed from now on."""
    pattern = pattern_of(places.ordered(own[ROW["places"]])[0])
    some = own[:, pattern.found]
    wide = width(some)
    found = Pattern._make(part[..., pattern.found] for part in pattern)
    now = time_s[pattern.found]
    into = places.into(some[ROW["places"]], now, cadence_s)
    since_last = 0.5 + (0.5 + into) / wide  # places from the middle of the newest until now
    some[AT["period"]] = found.period * wide
    some[ROW["coefficients"]] = found.coefficients
    some[AT["turn"]] = 2.0 * np.pi * (COUNT - 1 + since_last) / found.period
    some[AT["time"]] = now
    some[AT["count"]] = COUNT * wide
    some[AT["on"]], some[AT["noise"]] = found.level, np.maximum(found.noise * wide, _TINY)
    some[AT["off"]] = found.level + expect(some, now, cadence_s)
    some[[AT[name] for name in ("product", "error", "against", "lent")]] = 0.0
    own[:, pattern.found] = some
    return pattern.found


def _follow(own: Floats, time_s: Floats, z: Floats, cadence_s: float) -> Bools:
    """Let the patterns meet the values; return where enough speaks against one to look closely."""
    here = ~np.isnan(z)
    gap = (time_s - own[AT["time"]]) / cadence_s
    own[AT["turn"]] = np.mod(own[AT["turn"]] + _speed(own) * gap, 2.0 * np.pi)
    new = np.isnan(own[AT["on"]])
    own[AT["time"]], own[AT["count"]] = time_s, own[AT["count"]] + np.where(new, 1.0, gap)
    shape = waves(own[AT["turn"]])
    calm = z - over(own[ROW["coefficients"]] * shape)
    for name, level in (("on", calm), ("off", z)):
        np.copyto(own[AT[name]], level, where=new)
    with_it = np.where(here, calm - own[AT["on"]], 0.0)
    without = np.where(here, z - own[AT["off"]], 0.0)
    noise = own[AT["noise"]]
    most = _CLIP * _CLIP * noise
    evidence = 0.5 * (np.minimum(with_it * with_it, most) - np.minimum(without * without, most)) / _long_run(own)
    own[AT["since"]] = np.where(own[AT["against"]] > 0, own[AT["since"]], time_s)
    own[AT["against"]] = np.clip(own[AT["against"]] + evidence, 0.0, 3.0 * SUSPICION)
    _learn(own, shape, np.clip(with_it, -np.sqrt(most), np.sqrt(most)), here & (own[AT["against"]] < SUSPICION / 2))
    lent = own[AT["lent"]] > 0
    heard = np.where(lent, own[AT["count"]] - LENT_PERIODS * own[AT["period"]], np.inf)
    least = np.where(heard < own[AT["period"]], _TINY, 0.0)
    own[AT["lent"]] = np.maximum(np.where(lent, own[AT["lent"]] + evidence, 0.0), least)
    follow = np.maximum(np.minimum(_LEVEL_PER_PERIOD / own[AT["period"]], 0.5), 1.0 / np.maximum(heard, 1.0))
    own[AT["on"]] += follow * with_it
    own[AT["off"]] += follow * without
    long = time_s - own[AT["since"]] >= _TURN_LEAST * own[AT["period"]] * cadence_s
    return np.asarray((own[AT["against"]] >= SUSPICION) & long)


def _learn(own: Floats, shape: Floats, error: Floats, where: Bools) -> None:
    """Let the harmonics, the period, and noise and its correlation learn from the errors, where they may."""
    gain = np.where(where, np.maximum(_GAIN / own[AT["count"]], _GAIN_PER_PERIOD / own[AT["period"]]), 0.0)
    harmonics, order = own[ROW["coefficients"]], np.arange(1, COEFFICIENTS // 2 + 1)[:, None]
    slope = over(order * (harmonics[1::2] * shape[::2] - harmonics[::2] * shape[1::2]))
    steep = over(order * order * (harmonics[::2] * harmonics[::2] + harmonics[1::2] * harmonics[1::2]))
    late = 2.0 * error * slope / np.maximum(steep, _TINY)  # by how large an angle the pattern is behind
    own[AT["period"]] = 2.0 * np.pi / (_speed(own) + _GAIN_OF_SPEED * gain * gain * late)
    own[ROW["coefficients"]] = harmonics + 2.0 * gain * error * shape
    share = np.where(where, _NOISE_GAIN, 0.0)
    own[AT["noise"]] = np.maximum(own[AT["noise"]] + share * (error * error - own[AT["noise"]]), _TINY)
    own[AT["product"]] += share * (error * own[AT["error"]] - own[AT["product"]])
    own[AT["error"]] = np.where(where, error, own[AT["error"]])


def _long_run(own: Floats) -> Floats:
    """Return the variance that a correlated noise counts as in a mean over many values."""
    correlation = np.clip(own[AT["product"]] / own[AT["noise"]], 0.0, _CORRELATION_MAX)
    return np.asarray(own[AT["noise"]] * (1.0 + correlation) / (1.0 - correlation))


def _end(own: Floats, cadence_s: float) -> Bools:
    """Return where the season is over: a level that steps once, or a line, does better without the pattern.

    Or with the pattern at another time: then it goes on so; where nothing is left of it, it is forgotten.
    """
    ring = own[ROW["places"]]
    kept, back = places.ordered(ring)
    age = back * width(own) + places.into(ring, own[AT["time"]], cadence_s)
    there = ~np.isnan(kept) & (age <= (own[AT["time"]] - own[AT["since"]]) / cadence_s + 1.0)
    used = over(np.where(there, 1.0, 0.0))
    values = kept - own[AT["off"]]
    rests = [values, *(values - _pattern_back(own, back, cadence_s, turn) for turn in (*_SHIFTS, 0.0))]
    *squares, as_it_was = (_squares(rest, there) for rest in rests)
    least, best = np.min(squares, axis=0), np.argmin(squares, axis=0)
    # the noise may have grown meanwhile
    variance = np.maximum(_long_run(own) / width(own), least / np.maximum(used, 1.0))
    evidence = 0.5 * (as_it_was - least) / variance - _CHOICE
    ended = (evidence > CERTAINTY) & (used >= _PLACES_LEAST)
    means = np.stack([over(np.where(there, rest, 0.0)) / np.maximum(used, 1.0) for rest in rests])
    level = own[AT["off"]] + means[best, np.arange(len(best))]
    some = own[:, ended]
    _go_on(some, best[ended], level[ended], evidence[ended])
    own[:, ended] = some
    return np.asarray(ended)


def _go_on(own: Floats, best: NDArray[np.int64], level: Floats, evidence: Floats) -> None:
    """Tell that a season is over; go on without it (`best` 0), or with it turned by one of the shifts."""
    harmonics, nothing = own[ROW["coefficients"]], best == 0
    own[AT["size"]] = np.where(nothing, -np.sqrt(over(harmonics * harmonics)), 0.0)
    own[AT["chance"]], own[AT["against"]] = 1.0 / (1.0 + np.exp(evidence)), 0.0
    own[AT["ended"]], own[AT["telling"]] = own[AT["since"]], np.where(own[AT["lent"]] > 0, 0.0, TELLING)
    own[AT["turn"]] += np.array((0.0, *_SHIFTS))[best]
    own[AT["count"]] = np.minimum(own[AT["count"]], 2.0 * own[AT["period"]])
    own[AT["on"]], own[AT["off"]] = level, level
    some = own[:, nothing]
    some[AT["period"]] = some[AT["lent"]] = 0.0
    places.fresh(some[ROW["places"]])
    own[:, nothing] = some


def _squares(x: Floats, there: Bools) -> Floats:
    """Return the sum of squares about a mean that steps once, wherever that serves best, or about a line."""
    value = np.where(there, x, 0.0)
    count, total = np.cumsum(there, axis=0, dtype=np.float64), np.cumsum(value, axis=0)
    rest, rest_total = count[-1] - count, total[-1] - total
    stepped = total * total / np.maximum(count, 1.0) + rest_total * rest_total / np.maximum(rest, 1.0)
    return np.asarray(over(value * value) - np.maximum(stepped.max(axis=0), _line(value, there)))


def _line(value: Floats, there: Bools) -> Floats:
    """Return how much of the squares a line explains."""
    mean, place = np.maximum(over(np.where(there, 1.0, 0.0)), 1.0), np.arange(COUNT, dtype=np.float64)[:, None]
    centred = np.where(there, place - over(np.where(there, place, 0.0)) / mean, 0.0)
    total, along = over(value), over(value * centred)
    return np.asarray(total * total / mean + along * along / np.maximum(over(centred * centred), _TINY))
