# SPDX-License-Identifier: AGPL-3.0-or-later
"""The filter that keeps hypotheses: it agrees with all histories written out, and with a plain list of hypotheses."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cyberfilter.filter import births, hypotheses, weighing
from cyberfilter.filter.births import LEVEL, NOISE, SLOPE, START
from cyberfilter.filter.collapse import Moments
from cyberfilter.filter.kernel import State
from cyberfilter.filter.model import PROFILES
from cyberfilter.filter.weighing import BORN, C00, KIND, M0, M1, WEIGHT, N, S, model_of

TIMES = np.array([1.0, 2.0, 3.5, 4.0, 6.0, 7.0, 7.5, 9.0])
GAPS = np.diff(TIMES, prepend=0.0)
RARE = 1e-12
"""So rare that two changes in one history weigh nothing: one change, at any row, is then all there can be."""


def begun(count, *, level=(0.0, 4.0), slope=(0.0, 0.25), noise=(1.0, 5.0)):
    """The hypotheses of `count` series at their start."""
    parts = [np.full((4, count), part) for part in (level[0], slope[0], level[1], 0.0, slope[1], noise[0])]
    h = np.zeros((len(weighing.FIELDS), births.COUNT, count))
    nothing = np.zeros((4, count))
    start = State(Moments(*parts), p=nothing, back=nothing, n=np.full(count, noise[1]), s_least=np.full(count, 1e-6))
    hypotheses.start(h, start)
    return h


def row(value, gap, heard, *, time=0.0, reset=False, discount=1.0, adaptivity=1.0):
    """A row: one value, or one of each series."""
    z = np.atleast_1d(np.asarray(value, dtype=float))
    at, cadences, count, kept, level_kept, s_least = (
        np.full(z.shape, float(x)) for x in (time, gap, heard, discount, adaptivity, 1e-6)
    )
    return weighing.Row(z, at, cadences, np.full(z.shape, reset), count, kept, level_kept, s_least)


def history_density(values, kind, born, size):
    """Log density of all values together if one change of this variance came at the row `born` (none: START)."""
    shape = np.zeros(len(values))
    if kind == LEVEL:
        shape[born:] = 1.0
    if kind == SLOPE:
        shape[born:] = 1.0 + TIMES[born:] - TIMES[born]
    cover = 4.0 + 0.25 * np.outer(TIMES, TIMES) + size * np.outer(shape, shape) + np.eye(len(values))
    here = ~np.isnan(values)
    cover, seen = cover[np.ix_(here, here)], values[here]
    return -0.5 * (
        seen @ np.linalg.solve(cover, seen) + np.linalg.slogdet(cover)[1] + len(seen) * math.log(2 * math.pi)
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("gone", [None, 2])
def test_every_history_of_one_change_has_its_exact_probability(seed, gone):
    values = np.random.default_rng(seed).normal(size=len(TIMES)) + 2 * (np.arange(len(TIMES)) > 3)
    if gone is not None:
        values[gone] = np.nan
    model = model_of(PROFILES["workshop"]._replace(hypotheses=(0, RARE, RARE, 0)), noise_known=True)
    h, heard, evidence, born_in = begun(1, noise=(1.0, math.inf)), 0, 0.0, []
    for at, (value, gap) in enumerate(zip(values, GAPS, strict=True)):
        found = hypotheses.advance(h, row(value, gap, heard, time=at), model)
        if not math.isnan(value):
            born_in.append(at)
            heard, evidence = heard + 1, evidence + found.log_evidence[0]
    nothing = history_density(values, START, 0, 0)
    assert evidence == pytest.approx(nothing, abs=1e-6)
    base = h[WEIGHT, births.FREE.start, 0]
    checked = 0
    for family in births.FAMILIES[:4]:
        for slot in range(family.slot, family.slot + family.slot_count):
            if h[WEIGHT, slot, 0] == -np.inf:
                continue
            born = born_in[int(h[BORN, slot, 0])]
            size = model.level[family.rate] + model.slope[family.rate]
            exact = math.log(model.rates[family.rate] * GAPS[born]) + history_density(values, family.kind, born, size)
            assert h[WEIGHT, slot, 0] - base == pytest.approx(exact - nothing, abs=1e-6)
            checked += 1
    assert checked == 2 * heard + len(range(0, heard, 4)) + len(range(2, heard, 4))


def student(error, q, nu):
    """Student's density."""
    log = math.lgamma((nu + 1) / 2) - math.lgamma(nu / 2) - 0.5 * math.log(math.pi * nu * q)
    return math.exp(log - 0.5 * (nu + 1) * math.log1p(error * error / (nu * q)))


class Plain:
    """The same filter of one series as a list of dicts, one hypothesis after the other, nothing in rings or arrays."""

    def __init__(self, profile):
        self.outlier, level, slope, noise = profile.hypotheses
        self.families = [  # kind, rate, level variance, slope variance, every, phase, protected
            ("level", -math.log1p(-level) / 2, 6.0, 0.0, 1, 0, 8),
            ("level", -math.log1p(-level) / 2, 100.0, 0.0, 1, 0, 8),
            ("slope", -math.log1p(-slope) * 2.5, 0.0, 0.005, 4, 0, 32),
            ("slope", -math.log1p(-slope), 0.0, 1.0, 4, 2, 8),
            ("louder", -math.log1p(-noise) * 1.5, 0.0, 0.0, 4, 1, 16),
            ("quieter", -math.log1p(-noise) * 1.5, 0.0, 0.0, 4, 3, 16),
        ]
        start = {"m": np.zeros(2), "c": np.diag([4.0, 0.25]), "s": 1.0, "n": 5.0, "w": 1.0, "family": None, "born": -99}
        self.all, self.heard = [start], 0

    def meet(self, value, gap, discount):
        g = np.array([[1.0, gap], [0.0, 1.0]])
        for one in self.all:
            one["m"], one["c"] = g @ one["m"], g @ one["c"] @ g.T
        if math.isnan(value):
            return None
        born = self.births()
        total = sum(rate for _, rate in born)
        for one in self.all:
            one["w"] *= math.exp(-total * gap)
        for one, rate in born:
            one["w"] = (1 - math.exp(-total * gap)) * rate / total
            self.all.append(one)
        evidence = sum(self.learn(one, value, discount) for one in self.all)
        for one in self.all:
            one["w"] /= evidence
        self.heard += 1
        return math.log(evidence)

    def births(self):
        mean = sum(one["w"] * one["m"] for one in self.all)
        cover = sum(one["w"] * (one["c"] + np.outer(one["m"] - mean, one["m"] - mean)) for one in self.all)
        s = 1 / sum(one["w"] / one["s"] for one in self.all)
        n = sum(one["w"] * one["n"] for one in self.all)
        born = []
        for at, (kind, rate, level, slope, every, phase, protected) in enumerate(self.families):
            if self.heard % every != phase:
                continue
            self.end_protection(at, self.heard - protected)
            here = {"m": mean, "c": cover + s * (level * np.diag([1.0, 0.0]) + slope * np.ones((2, 2))), "s": s, "n": n}
            if kind in {"louder", "quieter"}:
                here |= {"s": s * (4 if kind == "louder" else 1 / 6), "n": 5.0}
            born.append(({**here, "family": at, "born": self.heard, "kind": kind}, rate))
        kept = sum(one["w"] for one in self.all)
        for one in self.all:
            one["w"] /= kept
        return born

    def end_protection(self, family, born):
        for one in self.all:
            if one["family"] == family and one["born"] == born:
                one["family"] = None
        free = [one for one in self.all if one["family"] is None]
        if len(free) > 6:
            lightest = min(range(len(free)), key=lambda at: free[at]["w"])
            self.all = [one for one in self.all if one is not free[lightest]]

    def learn(self, one, value, discount):
        nu, error, f = discount * one["n"], value - one["m"][0], one["c"][:, 0]
        parts = []
        for share, noise in ((1 - self.outlier, 1.0), (self.outlier, 101.0)):
            q = one["c"][0, 0] + noise * one["s"]
            rho = (nu + error * error / q) / (nu + 1)
            cover = rho * (one["c"] - np.outer(f, f) / q)
            parts.append((share * student(error, q, nu), one["m"] + f / q * error, cover, rho))
        likelihood = parts[0][0] + parts[1][0]
        mean = sum(p * m for p, m, _, _ in parts) / likelihood
        one["c"] = sum(p * (c + np.outer(m - mean, m - mean)) for p, m, c, _ in parts) / likelihood
        one["s"] /= sum(p / rho for p, _, _, rho in parts) / likelihood
        one["m"], one["n"] = mean, nu + 1
        one["w"] *= likelihood
        return one["w"]


def test_it_is_the_plain_list_of_hypotheses_row_for_row():
    rng = np.random.default_rng(5)
    values = rng.normal(size=90)
    values[40:] += 4
    values[60:] *= 3
    values[[20, 70]] = 15, np.nan
    gaps = rng.uniform(0.5, 3, 90)
    profile = PROFILES["workshop"]
    plain, model, h, heard = Plain(profile), model_of(profile, noise_known=False), begun(1), 0
    for at, (value, gap) in enumerate(zip(values, gaps, strict=True)):
        found = hypotheses.advance(h, row(value, gap, heard, time=at, discount=0.98), model)
        evidence = plain.meet(value, gap, 0.98)
        if evidence is not None:
            heard += 1
            assert found.log_evidence[0] == pytest.approx(evidence, abs=2e-5)
        assert found.level[0] == pytest.approx(sum(one["w"] * one["m"][0] for one in plain.all), abs=1e-5)
        changed = sum(one["w"] for one in plain.all if one["born"] >= 0)
        assert found.p_change[0] == pytest.approx(changed, abs=1e-5)
    assert len(plain.all) == births.COUNT


def after(count, rows, *, seed=0, **options):
    """Hypotheses of noise with a step at row 20, after so many rows."""
    values = np.random.default_rng(seed).normal(size=(rows, count))
    values[20:] += 5
    h, model = begun(count), model_of(PROFILES["workshop"], noise_known=False)
    for at, value in enumerate(values):
        found = hypotheses.advance(h, row(value, 1, at, time=at, **options), model)
    return h, found


def test_weights_add_up_and_covariances_stay_positive():
    h, found = after(40, 120)
    np.testing.assert_allclose(np.exp(h[WEIGHT]).sum(axis=0), 1, atol=1e-12)
    c00, c01, c11 = h[C00 : C00 + 3]
    assert (c00 >= 0).all()
    assert (c11 >= 0).all()
    assert (c00 * c11 - c01 * c01 >= -1e-9 * c00 * c11).all()
    assert (h[S] > 0).all()
    assert ((found.p_change >= 0) & (found.p_change <= 1)).all()


def test_degrees_of_freedom_stay_below_what_the_discount_allows():
    h, _ = after(20, 150, discount=0.9)
    assert (h[N] <= 1 / (1 - 0.9) + 1e-9).all()


def test_a_change_older_than_the_look_back_is_the_base():
    _, soon = after(20, 20 + hypotheses.LOOK_BACK - 1)
    _, later = after(20, 20 + hypotheses.LOOK_BACK + 12)
    assert (soon.p_change > 0.99).all()
    assert np.median(later.p_change) < 0.2


def test_missing_rows_carry_the_level_along_the_slope_and_weigh_nothing():
    h, found = after(10, 40)
    weights, level, slope = h[WEIGHT].copy(), found.level, found.slope
    wide = [float(np.exp(h[WEIGHT]).T[0] @ h[C00].T[0])]
    for at in range(5):
        one = row(np.full(10, math.nan), 2, 40, time=40 + at)
        found = hypotheses.advance(h, one, model_of(PROFILES["workshop"], noise_known=False))
        wide.append(float(np.exp(h[WEIGHT]).T[0] @ h[C00].T[0]))
    np.testing.assert_array_equal(h[WEIGHT], weights)
    np.testing.assert_allclose(found.level, level + 10 * slope, rtol=1e-12)
    assert np.isnan(found.log_evidence).all()
    assert (np.diff(wide) > 0).all()


def test_a_level_that_may_be_anywhere_after_a_long_gap_is_no_step():
    still, model = after(30, 60, seed=1)[0], model_of(PROFILES["workshop"], noise_known=False)
    asked = {reset: still.copy() for reset in (False, True)}
    for reset, h in asked.items():
        for at in range(3):
            found = hypotheses.advance(
                h, row(np.full(30, 13), 1, 60 + at, time=60 + at, reset=reset and at == 0), model
            )
        asked[reset] = found.p_fresh
    assert (asked[False] > 0.5).all()
    assert (asked[True] < 0.2).all()


def test_a_level_that_wanders_is_known_less_with_every_cadence_but_not_without_bound():
    h, _ = after(1, 30)
    model = model_of(PROFILES["workshop"], noise_known=False)
    short, long = (weighing.evolve(h.copy(), row(0, gap, 30, adaptivity=0.5), model) for gap in (1, 3))
    assert (long[C00] > short[C00]).all()
    for _ in range(2000):
        found = hypotheses.advance(h, row(math.nan, 10, 30, adaptivity=0.5), model)
    assert np.isfinite(found.level).all()
    assert np.isfinite(h[C00]).all()


@pytest.mark.parametrize("length", [1, 2, 3, 5, 7, 40])
def test_pairs_add_up_to_the_sum(length):
    x = np.random.default_rng(length).normal(size=(length, 6))
    np.testing.assert_allclose(weighing.over(x), x.sum(axis=0), atol=1e-12)


@pytest.mark.parametrize(("kind", "factor", "shift", "rows"), [(LEVEL, 1, 4, 1), (NOISE, 4, 0, 8)])
def test_the_likeliest_sort_of_change_is_named_with_its_birth(kind, factor, shift, rows):
    values = np.random.default_rng(2).normal(size=(80, 60))
    values[60:] = values[60:] * factor + shift
    h, model = begun(60), model_of(PROFILES["workshop"], noise_known=False)
    for at, value in enumerate(values):
        found = hypotheses.advance(h, row(value, 1, at, time=at), model)
    assert (found.kind == kind).mean() > 0.8
    assert np.median(np.abs(found.since - 60)) <= rows


def test_a_known_noise_stays_as_it_is():
    h = begun(1, noise=(2.0, math.inf))
    model = model_of(PROFILES["workshop"], noise_known=True)
    for at in range(30):
        hypotheses.advance(h, row(9 * (at % 2), 1, at), model)
    assert (h[S] == 2.0).all()
    assert not (h[KIND] == NOISE).any()
    assert np.isfinite(h[M0 : M1 + 1]).all()
