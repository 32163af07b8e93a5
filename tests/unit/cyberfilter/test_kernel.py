# SPDX-License-Identifier: AGPL-3.0-or-later
"""The kernel gives the printed vectors, the exact enumeration's figures, and statsmodels' likelihood."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from statsmodels.tsa.statespace.mlemodel import MLEModel

from cyberfilter.filter.collapse import Moments
from cyberfilter.filter.kernel import State, advance, model_of, predict
from cyberfilter.filter.model import PROFILES

HS1971 = PROFILES["hs1971"]


def begun(level, slope, noise, profile=HS1971):
    """The state of one series before its first value, known or learned noise."""
    four = np.ones((4, 1))
    moments = (level[0], slope[0], level[1], 0.0, slope[1], noise[0])
    p = np.maximum(np.array(profile.probability), 1e-300)[:, None]
    return State(
        Moments(*(four * x for x in moments)), p, np.full((4, 4, 1), 0.25), np.array([float(noise[1])]), np.zeros(1)
    )


def run(state, values, profile=HS1971, gap=1.0):
    """The readouts of the values, and the state after them, with variance discount 1."""
    model = model_of(profile, noise_known=bool(np.isinf(state.n[0])))
    readouts = []
    for value in values:
        state, readout = advance(state, np.array([float(value)]), np.array([gap]), state.n, model)
        readouts.append(readout)
    return readouts, state


def known():
    return begun((100, 4), (0, 1), (1, np.inf))


def test_one_value_with_known_noise_gives_the_printed_vector():
    (first,), _ = run(known(), [110])
    np.testing.assert_allclose(first.p[:, 0], (0.014799, 0.954585, 0.030465, 0.000150), atol=1e-6)
    assert first.level[0] == pytest.approx(100.876672, abs=1e-6)
    assert first.slope[0] == pytest.approx(0.118024, abs=1e-6)
    assert first.log_evidence[0] == pytest.approx(-6.040338, abs=1e-6)


def test_the_same_value_again_and_again_turns_out_to_be_a_step():
    (_, second, third), _ = run(known(), [110, 110, 110])
    np.testing.assert_allclose(second.one_back[:, 0], (0.247785, 0.240415, 0.510084, 0.001717), atol=1e-6)
    assert second.level[0] == pytest.approx(108.359775, abs=1e-6)
    assert third.two_back[2, 0] == pytest.approx(0.608302, abs=1e-6)


def test_a_value_that_does_not_stay_turns_out_to_be_an_outlier():
    (_, second, third), _ = run(known(), [110, 100, 100])
    assert second.one_back[1, 0] == pytest.approx(0.999100, abs=1e-6)
    assert third.two_back[1, 0] == pytest.approx(0.999587, abs=1e-6)
    assert third.level[0] == pytest.approx(100.012611, abs=1e-6)


def test_one_value_with_learned_noise_gives_the_printed_vector():
    (first,), state = run(begun((100, 4), (0, 1), (1, 5)), [110])
    np.testing.assert_allclose(first.p[:, 0], (0.445103, 0.535847, 0.017102, 0.001948), atol=1e-6)
    np.testing.assert_allclose(state.moments.s[:, 0], (3.611111, 0.990566, 0.990566, 3.214286), atol=1e-6)
    assert first.level[0] == pytest.approx(104.148049, abs=1e-6)


def test_two_missing_values_move_the_level_by_two_slopes_and_forget_the_state():
    (*_, before, _, after), state = run(known(), [100, 101, np.nan, np.nan])
    assert after.level[0] - before.level[0] == pytest.approx(2 * before.slope[0], abs=1e-12)
    np.testing.assert_allclose(state.p[:, 0], HS1971.probability, atol=1e-12)
    assert np.isnan(after.log_evidence[0])


def test_missing_values_never_lower_what_is_uncertain():
    _, state = run(known(), [100, 101])
    model = model_of(HS1971, noise_known=True)
    scales = [predict(state, np.ones(1), state.n, model)[1][0]]
    for _ in range(20):
        state, _ = advance(state, np.array([np.nan]), np.ones(1), state.n, model)
        scales.append(predict(state, np.ones(1), state.n, model)[1][0])
    assert (np.diff(scales) > 0).all()


def paths(values, m, c, noise, profile):
    """Every one of the 4^n paths, exactly: log joint probability, path, final level."""
    for path in itertools.product(range(4), repeat=len(values)):
        mean, cov, log_p = np.array(m, float), np.array(c, float), 0.0
        for state, y in zip(path, values, strict=True):
            level, slope = profile.level[state] * noise, profile.slope[state] * noise
            g = np.array([[1.0, 1.0], [0.0, 1.0]])
            mean, cov = g @ mean, g @ cov @ g.T + np.array([[level + slope, slope], [slope, slope]])
            q, error = cov[0, 0] + profile.observation[state] * noise, y - mean[0]
            log_p += np.log(profile.probability[state]) - 0.5 * (np.log(2 * np.pi * q) + error**2 / q)
            gain = cov[:, 0] / q
            mean, cov = mean + gain * error, cov - np.outer(gain, gain) * q
        yield log_p, path, mean[0]


def test_the_collapse_stays_close_to_all_4096_paths_enumerated():
    values, profile = (620, 633, 720, 725, 735, 745), HS1971
    logs, routes, levels = zip(*paths(values, (630, 10), np.diag([2500, 100]), 225.0, profile), strict=True)
    weight = np.exp(np.array(logs) - max(logs))
    fourth = [weight[[r[3] == s for r in routes]].sum() / weight.sum() for s in range(4)]
    readouts, _ = run(begun((630, 2500), (10, 100), (225, np.inf)), values)
    exact_evidence = max(logs) + np.log(weight.sum())
    np.testing.assert_allclose(fourth, (0.971, 0.023, 0.003, 0.002), atol=5e-4)
    np.testing.assert_allclose(readouts[-1].two_back[:, 0], (0.975, 0.020, 0.002, 0.003), atol=5e-4)
    assert (weight @ np.array(levels)) / weight.sum() == pytest.approx(753.93, abs=0.005)
    assert readouts[-1].level[0] == pytest.approx(753.79, abs=0.005)
    assert exact_evidence == pytest.approx(-31.858, abs=1e-3)
    assert sum(r.log_evidence[0] for r in readouts) == pytest.approx(-31.796, abs=1e-3)


class _Growth(MLEModel):
    """The same linear growth model in statsmodels: one state, full covariance, known noise."""

    def __init__(self, values, level, slope, noise, start):
        super().__init__(values, k_states=2, k_posdef=2)
        g, w = np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([[level + slope, slope], [slope, slope]])
        self["design"], self["transition"], self["selection"] = np.array([[1.0, 0.0]]), g, np.eye(2)
        self["state_cov"], self["obs_cov"] = w, np.array([[noise]])
        self.initialize_known(g @ start[0], g @ start[1] @ g.T + w)

    def loglikeobs_all(self):
        return self.ssm.loglikeobs()


def test_a_filter_with_one_state_has_statsmodels_likelihood():
    rng = np.random.default_rng(6)
    values = np.cumsum(rng.normal(0.1, 0.5, 200)) + rng.normal(0, 1, 200)
    alone = HS1971._replace(probability=(1.0, 0.0, 0.0, 0.0), level=(0.3, 0, 0, 0), slope=(0.02, 0, 0, 0))
    readouts, _ = run(begun((0, 4), (0, 1), (1.5, np.inf), alone), values, alone)
    peer = _Growth(values, 0.45, 0.03, 1.5, (np.zeros(2), np.diag([4.0, 1.0])))
    np.testing.assert_allclose([r.log_evidence[0] for r in readouts], peer.loglikeobs_all(), atol=1e-10)


def test_two_gaps_of_half_a_cadence_move_the_level_by_one_slope():
    (*_, before), state = run(known(), [100, 101])
    (_, after), _ = run(state, [np.nan, np.nan], gap=0.5)
    assert after.level[0] - before.level[0] == pytest.approx(before.slope[0], abs=1e-12)


def test_a_constant_series_keeps_a_noise_and_finite_figures():
    state = begun((5, 1), (0, 0.1), (1, 5))._replace(s_least=np.array([1e-6]))
    readouts, state = run(state, [5.0] * 3000)
    assert (state.moments.s >= 1e-6).all()
    assert all(np.isfinite(figure).all() for figure in readouts[-1])
