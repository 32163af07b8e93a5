# SPDX-License-Identifier: AGPL-3.0-or-later
"""Whole histories are the same for the same seed, and change where they say."""

from __future__ import annotations

import numpy as np
import pytest
from histories import CHANGES_MAX, LONG, SHORT, SORTS, history


@pytest.mark.parametrize("name", SORTS)
def test_a_history_is_regenerated_from_its_seed_and_keeps_its_bounds(name: str) -> None:
    for seed in range(1000, 1005):
        value, cuts = history(name, seed)
        again, same = history(name, seed)
        assert (value.tolist(), cuts) == (again.tolist(), same)
        assert SHORT - 1 <= len(value) <= LONG
        assert np.isfinite(value).all()
        assert cuts == sorted(cuts)
        assert len(cuts) <= (CHANGES_MAX if SORTS[name].changes else 0)
        assert all(10 <= at < len(value) - 10 for at in cuts)


def test_a_level_moves_where_the_truth_says_so() -> None:
    for seed in range(1000, 1010):
        value, cuts = history("steps", seed)
        moved = [abs(value[at : at + 10].mean() - value[at - 10 : at].mean()) for at in cuts]
        assert all(by > 1.5 for by in moved)
