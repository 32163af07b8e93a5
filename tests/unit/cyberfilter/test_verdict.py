# SPDX-License-Identifier: AGPL-3.0-or-later
"""Which posterior becomes which word, and what the change says."""

from __future__ import annotations

import numpy as np
import pytest

from cyberfilter.filter.verdict import Before, Now, change_probability, judge

STEADY = (0.97, 0.01, 0.01, 0.01)
OUTLIER = (0.2, 0.7, 0.09, 0.01)
LEVEL = (0.2, 0.09, 0.7, 0.01)
BEFORE = Before(*(np.array([x]) for x in (98.0, 97.0, 15.0, 11.0, 10.0, 90.0)))


def now(p=STEADY, one_back=STEADY, two_back=STEADY, slope=0.0, p_slope_negative=0.5, **flags):
    four = [np.array([row], dtype=float) for row in (p, one_back, two_back)]
    one = [np.array([x]) for x in (20.0, slope, 1.0, p_slope_negative)]
    return Now(*four, *one, *(np.array([flags.get(name, False)]) for name in ("missing", "starting", "learning")))


@pytest.mark.parametrize(
    ("posterior", "word"),
    [
        (now(), "steady"),
        (now(p=OUTLIER), "unsure"),
        (now(p=LEVEL), "unsure"),
        (now(one_back=OUTLIER), "transient"),
        (now(one_back=LEVEL), "steady"),
        (now(two_back=LEVEL), "step"),
        (now(two_back=OUTLIER), "steady"),
        (now(slope=0.3, p_slope_negative=0.001), "slope"),
        (now(slope=-0.3, p_slope_negative=0.999), "slope"),
        (now(slope=0.3, p_slope_negative=0.02), "steady"),
        (now(slope=0.01, p_slope_negative=0.001), "steady"),
        (now(two_back=LEVEL, one_back=OUTLIER, p=OUTLIER), "step"),
        (now(two_back=LEVEL, missing=True), "missing"),
        (now(two_back=LEVEL, learning=True), "unsure"),
        (now(slope=0.3, p_slope_negative=0.001, learning=True), "unsure"),
        (now(learning=True), "steady"),
        (now(starting=True), "unsure"),
        (now(learning=True, missing=True), "missing"),
    ],
)
def test_each_posterior_has_its_word(posterior, word):
    assert judge(posterior, BEFORE).verdict[0] == word


@pytest.mark.parametrize(
    ("posterior", "change"),
    [
        (now(two_back=LEVEL), ("step", 97.0, 10.0)),
        (now(one_back=OUTLIER), ("transient", 98.0, 4.0)),
        (now(slope=0.3, p_slope_negative=0.001), ("slope", 90.0, 0.3)),
    ],
)
def test_a_change_says_what_since_when_and_how_much(posterior, change):
    judged = judge(posterior, BEFORE)
    assert (judged.kind[0], judged.since[0], judged.size[0]) == change


@pytest.mark.parametrize("posterior", [now(), now(p=OUTLIER), now(two_back=LEVEL, learning=True)])
def test_without_a_change_nothing_is_said(posterior):
    judged = judge(posterior, BEFORE)
    assert judged.kind[0] == ""
    assert np.isnan([judged.since[0], judged.size[0]]).all()


def test_the_probability_of_a_change_is_that_of_the_row_known_best():
    none = np.full((1, 4), np.nan)
    rows = [np.array([[0.7, 0.1, 0.1, 0.1]]), np.array([[0.5, 0.1, 0.3, 0.1]]), np.array([[0.1, 0.0, 0.8, 0.1]])]
    assert change_probability(rows[0], none, none)[0] == pytest.approx(0.2)
    assert change_probability(rows[0], rows[1], none)[0] == pytest.approx(0.4)
    assert change_probability(*rows)[0] == pytest.approx(0.9)
