# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a machine waits for: the people who start its jobs, clear its plate and clean its nozzle."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime
from typing import Final, NamedTuple

WAIT_MEDIAN_S: Final = 300.0
WAIT_SIGMA: Final = 0.5
WAIT_S_MAX: Final = 900.0
REPAIR_MEDIAN_S: Final = 1_200.0
REPAIR_SIGMA: Final = 0.3
REPAIR_S_MAX: Final = 2_700.0
PAUSE_MEAN_S: Final = 180.0
PAUSE_S_MAX: Final = 600.0
EVENING_H: Final = 20
MORNING_H: Final = 7
NIGHT_PRINT_SHARE: Final = 0.3
"""Jobs that are started although the workshop is closed."""
_SATURDAY: Final = 5


class Rhythm(NamedTuple):
    """When people start jobs: with `rests`, few at night and at weekends (UTC); else whenever the machine is free."""

    rests: bool


def clears_s(rng: random.Random) -> float:
    """Return how long a finished plate waits."""
    return min(rng.lognormvariate(math.log(WAIT_MEDIAN_S), WAIT_SIGMA), WAIT_S_MAX)


def repairs_s(rng: random.Random) -> float:
    """Return how long a blocked nozzle waits until it is clean."""
    return min(rng.lognormvariate(math.log(REPAIR_MEDIAN_S), REPAIR_SIGMA), REPAIR_S_MAX)


def starts_s(now: float, rhythm: Rhythm, rng: random.Random) -> float:
    """Return how long a free machine rests before its next job."""
    pause_s = min(rng.expovariate(1 / PAUSE_MEAN_S), PAUSE_S_MAX)
    return pause_s + _closed_s(now, rng) if rhythm.rests else pause_s


def _closed_s(now: float, rng: random.Random) -> float:
    moment = datetime.fromtimestamp(now, UTC)
    night = not MORNING_H <= moment.hour < EVENING_H
    if not (night or moment.weekday() >= _SATURDAY) or rng.random() < NIGHT_PRINT_SHARE:
        return 0.0
    hours = (MORNING_H - moment.hour) % 24 - moment.minute / 60
    return hours * 3600.0 + rng.uniform(0.0, 1_800.0) if hours > 0 else rng.uniform(3_600.0, 7_200.0)
