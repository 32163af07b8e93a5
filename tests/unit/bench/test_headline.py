# SPDX-License-Identifier: AGPL-3.0-or-later
"""A type is right where the right word is said some rows after the alarm; a spike must also leave nothing behind."""

from __future__ import annotations

import numpy as np
import pytest
from headline import SIZES, right
from judging import Bools
from ours import WORDS, Heard

ROWS = 400
ALARM = 305


def heard(told: dict[int, str]) -> Heard:
    """Return one run in which these rows, and those after them until the next, have that kind and verdict."""
    numbers = {field: np.zeros((1, ROWS)) for field in Heard._fields}
    words = np.zeros((1, ROWS), dtype=np.int8)
    for at, word in sorted(told.items()):
        words[0, at:] = WORDS.index(word)
    return Heard(**numbers | {"kind": words, "verdict": words})


def alarm() -> Bools:
    return np.arange(ROWS)[None] == ALARM


@pytest.mark.parametrize(("word", "share"), [("step", 1.0), ("slope", 0.0), ("", 0.0)])
def test_type_of_a_step_is_told_ten_rows_after_the_alarm(word: str, share: float) -> None:
    assert right(heard({ALARM: "slope", ALARM + 10: word}), alarm(), SIZES["step 2"], 10) == share


def test_flat_line_may_be_called_stuck_or_less_noise() -> None:
    shares = [right(heard({ALARM: word}), alarm(), SIZES["flat"], 10) for word in ("stuck", "noise", "step")]
    assert shares == [1.0, 1.0, 0.0]


def test_spike_was_called_transient_and_is_over() -> None:
    assert right(heard({303: "transient", 304: ""}), alarm(), SIZES["spike 6"], 10) == 1.0


def test_spike_that_is_called_a_step_later_is_wrong() -> None:
    assert right(heard({303: "transient", 304: "step"}), alarm(), SIZES["spike 6"], 10) == 0.0


def test_runs_without_an_alarm_have_no_type() -> None:
    assert np.isnan(right(heard({}), ~alarm() & alarm(), SIZES["step 2"], 10))
