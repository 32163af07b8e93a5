# SPDX-License-Identifier: AGPL-3.0-or-later
"""A season that like series lend: what one hands on, how another takes it up, and when it speaks against it.

Arrays in, arrays out: the rows are those of season.py.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from cyberfilter.filter.model import Floats
from cyberfilter.filter.period import COEFFICIENTS, turned_by
from cyberfilter.filter.season import AT, CERTAINTY, FOLLOWED, LENT_PERIODS, ROW, SUSPICION
from cyberfilter.filter.verdict import Bools

TAUGHT: Final = 1 + COEFFICIENTS + 1
"""What a season hands on: period (cadences; 0: there is none), coefficients from a time on, that time (cadences)."""


def read(own: Floats, cadence_s: float) -> Floats:
    """Return what the seasons (k) hand on (TAUGHT, k); NaN where the pattern is lent."""
    there = own[AT["period"]] > 0
    turned = turned_by(own[ROW["coefficients"]], own[AT["turn"]])
    at = own[AT["time"]] / cadence_s
    taught = np.concatenate((own[AT["period"]][None], turned, at[None])) * there
    return np.where(own[AT["lent"]] > 0, np.nan, taught)


def take_up(own: Floats, given: Floats, noise: Floats, cadence_s: float) -> Bools:
    """Let series without a pattern follow that of like ones (TAUGHT, k; 0: none), beside this noise (k).

    Return which now do.
    """
    period, coefficients, at = given[0], given[1:-1], given[-1]
    new = (period > 0) & (own[AT["period"]] == 0)
    some = own[:FOLLOWED, new]
    some[AT["period"]], some[ROW["coefficients"]] = period[new], coefficients[:, new]
    some[AT["time"]] = at[new] * cadence_s
    some[AT["count"]], some[AT["noise"]], some[AT["lent"]] = LENT_PERIODS * period[new], noise[new], CERTAINTY
    some[AT["on"]] = some[AT["off"]] = np.nan
    for name in ("turn", "product", "error", "against"):
        some[AT[name]] = 0.0
    own[:FOLLOWED, new] = some
    return np.asarray(new)


def doubted(own: Floats) -> Bools:
    """Return which series (k) speak against a pattern that is lent: what seems to change may be the pattern's fault."""
    return np.asarray((own[AT["lent"]] > 0) & (own[AT["against"]] >= SUSPICION))
