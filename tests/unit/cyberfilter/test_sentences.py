# SPDX-License-Identifier: AGPL-3.0-or-later
"""Every alert says why, in one sentence with figures."""

import re

import pytest

from cyberfilter.alerts.sentences import why
from cyberfilter.alerts.signal import Begins
from cyberfilter.contract.alert import AlertClass

SINCE = "2026-11-23T10:00:00.000Z"
STEP = {"change": "step", "level": 37.52, "expected": 30.0, "lo": 27.0, "hi": 33.0, "size": 7.52}
KINDS = ("fault", "thermal", "limit", "run_out", "plate_full", "finished", "waiting", "failed", "silence", "smoke")


def test_a_change_tells_size_share_level_spread_and_the_usual_band() -> None:
    facts = {**STEP, "size_ratio": 0.2507, "sigma": 8.1, "since": SINCE}
    begins = Begins(AlertClass.ALGEDONIC, "heater_effort_step", "heater_effort_w", 0.0, facts, "heater_effort_w")
    assert why(begins, "Mk4 7") == (
        "Heater effort of Mk4 7 rose by 7.52 W (25%) to 37.5 W since 2026-11-23 10:00:00 UTC, "
        "8.1 times its usual spread; usual is 27 to 33 W."
    )


def test_a_change_tells_its_give_how_sure_by_which_clock_and_against_what() -> None:
    known = {"sd": 0.311, "probability": 0.9987, "clock_s": 300.0, "learned": 240, "size_ratio": 0.25, "since": SINCE}
    begins = Begins(AlertClass.ALGEDONIC, "energy_step", "energy_w", 0.0, {**STEP, **known}, "energy_w")
    assert why(begins, "Mk4 7") == (
        "Energy of Mk4 7 rose by 7.52 ± 0.311 W (25%) to 37.5 W since 2026-11-23 10:00:00 UTC, 99% sure, "
        "by a clock of 5 min; usual is 27 to 33 W, learned from 240 values."
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("noise", "scatters by 37.5 W instead of 30 W since 2026-11-23 10:00:00 UTC; usual is at most 33 W."),
        ("stuck", "has not moved from 37.5 W since"),
        ("season", "no longer follows its season, and stands at 37.5 W since"),
    ],
)
def test_louder_noise_a_stuck_sensor_and_a_lost_season_have_words_of_their_own(change: str, words: str) -> None:
    facts = {**STEP, "change": change, "since": SINCE}
    begins = Begins(AlertClass.ALGEDONIC, f"energy_{change}", "energy_w", 0.0, facts, "energy_w")
    assert f"Energy of Mk4 7 {words}" in why(begins, "Mk4 7")


def test_a_slope_is_still_going_on() -> None:
    facts = {**STEP, "change": "slope", "size": -0.3, "since": SINCE}
    begins = Begins(AlertClass.ALGEDONIC, "pace_slope", "pace_ratio", 0.0, facts, "pace_ratio")
    assert why(begins, "Mk4 7").startswith("Pace of Mk4 7 is falling by 0.3 to 37.5 since")


def test_silence_tells_for_how_long() -> None:
    facts = {"since": SINCE, "seconds": 20.5, "cause": "last will"}
    said = why(Begins(AlertClass.ALGEDONIC, "silence", "silence", 0.0, facts), "Mk4 7")
    assert said == "Mk4 7 is silent: nothing measured for 20.5 s, since 2026-11-23 10:00:00 UTC: last will."


@pytest.mark.parametrize("kind", KINDS)
def test_a_sentence_has_a_figure_and_one_full_stop_however_little_is_known(kind: str) -> None:
    said = why(Begins(AlertClass.CALL, kind, kind, 0.0, {"since": SINCE}), "Mk4")
    assert re.search(r"\d", said)
    assert said.endswith(".")
    assert not said.endswith("..")
