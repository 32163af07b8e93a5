# SPDX-License-Identifier: AGPL-3.0-or-later
"""Profiles and priors: what ships is sound, what cannot be is refused by name."""

from __future__ import annotations

import math

import pytest

from collector.contract.errors import Misconfigured
from cyberfilter.filter.model import PROFILES, Prior, check_prior, check_profile


@pytest.mark.parametrize("name", PROFILES)
def test_shipped_profiles_add_up_and_name_their_source(name):
    profile = check_profile(PROFILES[name])
    assert math.isclose(math.fsum(profile.probability), 1)
    assert profile.source


def test_the_profile_of_1971_is_the_published_one():
    assert PROFILES["hs1971"].probability == (0.900, 0.094, 0.003, 0.003)


def test_outlier_and_step_are_equally_surprising_on_the_day():
    profile = PROFILES["workshop"]
    assert profile.observation[1] == profile.observation[2] + profile.level[2]


@pytest.mark.parametrize(
    ("prior", "said"),
    [
        (Prior(level=(1, -1)), "prior level = 1,-1"),
        (Prior(level=(math.nan, 1)), "prior level = nan,1"),
        (Prior(slope=(0, math.inf)), "prior slope = 0,inf"),
        (Prior(noise=(0, 5)), "prior noise = 0,5"),
        (Prior(noise=(1, 0)), "prior noise = 1,0"),
    ],
)
def test_a_prior_that_cannot_be_is_named(prior, said):
    with pytest.raises(Misconfigured, match=said):
        check_prior(prior)


def test_a_known_noise_has_infinite_degrees():
    assert check_prior(Prior(noise=(1, math.inf))).noise == (1, math.inf)


@pytest.mark.parametrize(
    "wrong",
    [{"probability": (0.5, 0.5, 0.5, 0)}, {"observation": (0, 101, 1, 1)}, {"slope": (0, 0, 0, -1)}],
)
def test_a_profile_that_cannot_be_is_refused(wrong):
    with pytest.raises(Misconfigured, match="profile workshop"):
        check_profile(PROFILES["workshop"]._replace(**wrong))
