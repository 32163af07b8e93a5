# SPDX-License-Identifier: AGPL-3.0-or-later
"""NAB's score by hand: a detector that is silent has 0, a perfect one 100, and each false alarm costs its share."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from nab import PROFILES, File, curve, fixed, read, tuned

LENGTH = 1000
"""The first 150 rows do not count; the window is 400..449."""
ONE = File("one", np.arange(LENGTH, dtype=float), np.zeros(LENGTH), [(400, 449)])
SIGMA_1 = 2 / (1 + math.exp(-5)) - 1


def score(*places: int) -> np.ndarray:
    told = np.zeros(LENGTH)
    told[list(places)] = 1.0
    return told


@pytest.mark.parametrize("profile", PROFILES)
def test_silence_has_nothing(profile: str) -> None:
    assert fixed([ONE], [score()], profile, 0.5).score == 0.0


@pytest.mark.parametrize("profile", PROFILES)
def test_alarm_at_the_first_row_of_every_window_is_perfect(profile: str) -> None:
    assert fixed([ONE], [score(400)], profile, 0.5).score == pytest.approx(100.0)


def test_later_detection_is_worth_what_the_sigmoid_says() -> None:
    worth = (2 / (1 + math.exp(-5 * 25 / 50)) - 1) / SIGMA_1
    assert fixed([ONE], [score(425)], "standard", 0.5).score == pytest.approx(100 * (worth + 1) / 2)


def test_only_the_best_detection_of_a_window_counts() -> None:
    assert fixed([ONE], [score(400, 410, 440)], "standard", 0.5).score == pytest.approx(100.0)


def test_alarm_before_any_window_costs_a_whole_false_one() -> None:
    assert fixed([ONE], [score(300)], "standard", 0.5).score == pytest.approx(-100 * 0.11 / 2)


def test_alarm_soon_after_a_window_costs_less() -> None:
    cost = 0.11 * (1 - 2 / (1 + math.exp(5 * 10 / 49)))
    assert fixed([ONE], [score(459)], "standard", 0.5).score == pytest.approx(-100 * cost / 2)


def test_low_fp_weighs_false_alarms_twice_and_low_fn_missed_windows() -> None:
    assert fixed([ONE], [score(300)], "low FP", 0.5).score == pytest.approx(-100 * 0.22 / 2)
    assert fixed([ONE], [score(300)], "low FN", 0.5).score == pytest.approx(-100 * 0.11 / 3)


def test_first_rows_of_a_file_do_not_count() -> None:
    assert fixed([ONE], [score(149)], "standard", 0.5).score == 0.0


def test_no_threshold_is_better_than_the_best() -> None:
    told = np.random.default_rng(1).random(LENGTH)
    every = [fixed([ONE], [told], "standard", level).score for level in [*told[150::9], math.inf]]
    assert len(every) > 90
    assert tuned([ONE], [told], "standard").score >= max(every)


def test_curve_at_a_threshold_is_the_sum_of_what_is_above() -> None:
    told = score(300, 425) * np.linspace(0.5, 1.0, LENGTH)
    levels, totals = curve([ONE], [told], "standard")
    assert levels[:3].tolist() == [math.inf, told[425], told[300]]
    assert totals[2] == pytest.approx(totals[1] - 100 * 0.11 / 2)


def test_files_are_read_with_their_windows_as_rows(tmp_path: Path) -> None:
    (tmp_path / "data/real").mkdir(parents=True)
    stamps = [f"2014-04-01 00:{minute:02d}:00" for minute in (0, 5, 10, 15, 20)]
    lines = [f"{stamp},{at}.5" for at, stamp in enumerate(stamps)]
    (tmp_path / "data/real/a.csv").write_text("\n".join(["timestamp,value", *lines]), encoding="utf-8")
    windows = {"real/a.csv": [["2014-04-01 00:05:00.000000", "2014-04-01 00:15:00.000000"]], "real/b.csv": []}
    (tmp_path / "combined_windows.json").write_text(json.dumps(windows), encoding="utf-8")
    (file,) = read(tmp_path)
    assert (file.name, file.windows, file.value.tolist()) == ("real/a.csv", [(1, 3)], [0.5, 1.5, 2.5, 3.5, 4.5])
    assert np.diff(file.time_s).tolist() == [300.0] * 4
