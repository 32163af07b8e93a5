# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a person tells the filter beforehand, and that the present is usual (West & Harrison 1997, ch. 11).

| action    | what it does before the next value comes                                       |
|-----------|--------------------------------------------------------------------------------|
| ignore    | that value teaches nothing and is not judged                                   |
| shift     | the level moves by `mean`, which is known within `sd`                          |
| level     | the level is `mean`, known within `sd`; what the filter thought of it is gone  |
| uncertain | the level may have moved, by about `sd`                                        |

Every distribution that the filter holds is moved alike, so none becomes likelier by it. Slope and noise stay as they
are. Levels and covariances are on the filter's scale, `mean` and `sd` in the value's own unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from collector.contract.errors import Refusal
from collector.contract.limits import NUMBER_ABS_MAX
from cyberfilter.filter import memory
from cyberfilter.filter.births import LEVEL, START
from cyberfilter.filter.hypotheses import LOOK_BACK, begin
from cyberfilter.filter.kernel import Bools
from cyberfilter.filter.memory import AT
from cyberfilter.filter.model import Floats
from cyberfilter.filter.transform import Transform
from cyberfilter.filter.weighing import BASE, BORN, C00, C01, KIND, M0, WEIGHT, over

IGNORE, SHIFT, A_LEVEL, UNCERTAIN = ACTIONS = ("ignore", "shift", "level", "uncertain")
_WITH_MEAN: Final = (SHIFT, A_LEVEL)


class Notice(NamedTuple):
    """What a person says of k series: the action, and mean and standard deviation of the level, each (k)."""

    action: str
    mean: Floats
    sd: Floats


def check(notice: Notice, series: Sequence[int], started: Bools, transform: Transform) -> None:
    """Raise the Refusal that names the action, or the first series whose notice cannot be."""
    if notice.action not in ACTIONS:
        raise Refusal("bad_action", f"action = {notice.action!r} is none of {', '.join(ACTIONS)}")
    is_off = transform.is_off(notice.mean) & (notice.action == A_LEVEL)
    for reason, wrong, name, figures, bound in (
        ("bad_mean", ~(np.abs(notice.mean) <= NUMBER_ABS_MAX), "mean", notice.mean, f"within ±{NUMBER_ABS_MAX:g}"),
        ("bad_mean", is_off, "mean", notice.mean, f"a level of {transform.name}"),
        ("bad_mean", (notice.mean != 0) & (notice.action not in _WITH_MEAN), "mean", notice.mean, "0 with this action"),
        ("bad_sd", ~((notice.sd >= 0) & (notice.sd <= NUMBER_ABS_MAX)), "sd", notice.sd, "a number of 0 or more"),
        ("bad_sd", (notice.sd != 0) & (notice.action == IGNORE), "sd", notice.sd, "0 with this action"),
    ):
        if wrong.any():
            at = int(wrong.argmax())
            raise Refusal(reason, f"{notice.action}: {name} = {figures[at]:g} is not {bound} (series {series[at]})")
    if notice.action != IGNORE and not started.all():
        at = int(started.argmin())
        raise Refusal("too_early", f"{notice.action}: series {series[at]} is still collecting its first values")


def move(parts: Floats, level: Floats, notice: Notice, transform: Transform) -> None:
    """Move the distributions (fields, any, k; changed in place) of series whose level (k) is this, on the scale."""
    by, variance = _on_scale(level, notice, transform)
    if notice.action == A_LEVEL:
        by = by - parts[M0]
        parts[C00], parts[C01] = 0.0, 0.0
    parts[M0] += by
    parts[C00] += variance
    if len(parts) > BASE:  # what a step is told from moves along: its size is the step's alone
        parts[BASE] += np.where(parts[KIND] == LEVEL, by, 0.0)


def _on_scale(level: Floats, notice: Notice, transform: Transform) -> tuple[Floats, Floats]:
    """Return by how much the level moves (for `level`: where it is), and the variance of that."""

    def forward(value: Floats) -> Floats:
        return transform.forward(np.clip(value, transform.low, transform.high))

    here = notice.mean if notice.action == A_LEVEL else transform.back(level) + notice.mean
    at = forward(here)
    spread = np.maximum(forward(here + notice.sd) - at, 0.0)
    if transform.high < np.inf:  # at the upper end of the scale there is room below alone
        spread = np.maximum(spread, at - forward(here - notice.sd))
    moved = at if notice.action == A_LEVEL else at - forward(transform.back(level))
    return moved, spread * spread


def accept_hypotheses(h: Floats, heard: Floats) -> None:
    """Let the likeliest hypothesis (fields, any, k; changed in place) be all there is: what is, is usual.

    Where a change is likelier than none that is the likeliest change, for many births share what one change weighs.
    """
    w = np.exp(h[WEIGHT])
    recent = np.where((h[BORN] > heard - LOOK_BACK) & (h[KIND] > START), w, 0.0)
    likeliest = np.where(over(recent) > over(w - recent), recent, w - recent).argmax(axis=0)
    begin(h, h[:WEIGHT, likeliest, np.arange(h.shape[2])])


def accept_classic(columns: Floats, probability: tuple[float, ...]) -> None:
    """Let the four distributions of these columns be one, as at the start: no state of the past is likelier."""
    state = memory.state_of(columns)
    m0, m1, c00, c01, c11, s = state.moments
    level, slope = over(state.p * m0), over(state.p * m1)
    d0, d1 = m0 - level, m1 - slope
    covered = [c00 + d0 * d0, c01 + d0 * d1, c11 + d1 * d1]
    merged = [level, slope, *(over(state.p * part) for part in covered), 1.0 / over(state.p / s)]
    memory.put_one(columns, merged, probability)
    columns[AT["rows"]] = 0.0
