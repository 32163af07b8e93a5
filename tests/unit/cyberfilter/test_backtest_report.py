# SPDX-License-Identifier: AGPL-3.0-or-later
"""A backtest as text, as JSON and as one HTML file that fetches nothing."""

from __future__ import annotations

import json
import math
import re

import pytest

from cyberfilter.backtest.faults import Alarm, Fault, Found
from cyberfilter.backtest.forecasts import Calibration
from cyberfilter.backtest.lookback import Dated
from cyberfilter.backtest.page import page
from cyberfilter.backtest.report import WEEK_S, Report, document, table

WEAK = Fault("heater-weak", "hall/mk4-01", "heater_effort_w", 3_600.0, 9_000.0, "step", 6.0)
DIRT = Fault("lens-dirt", "hall/laser-02", "energy_w", 7_200.0, 9_000.0, "slope", 2.5)
LINE = Fault("wifi-drop", "hall/mk4-01", "silence", 9_000.0, 9_030.0, "link")
REPORT = Report(
    "hall <1>",
    "classic",
    25,
    0.0,
    2 * WEEK_S,
    (
        Found(WEAK, Alarm("hall/mk4-01", "heater_effort_w", 4_320.0, "step")),
        Found(DIRT, None),
        Found(LINE, Alarm("hall/mk4-01", "silence", 9_001.0)),
    ),
    (Alarm("hall/mk4-03", "pace_ratio", 500_000.0, "step"),),
    (Calibration("energy_w", 3, 900, (0.48, 0.79, 0.94), (0.1,) * 10, 0.71),),
    unseen_count=4,
    values_count=5_000,
    looked_back=(Dated("hall/mk4-02", "energy_w", 43_200.0, 0.987, 101.23456, 140.0),),
)


def test_the_table_says_what_was_found_and_how_soon() -> None:
    text = table(REPORT)
    assert re.search(r"5–10 σ +1 +1 +100 % +21–100 +12.0 +100 %", text)
    assert re.search(r"2–3 σ +1 +0 +0 % +0–79 +– +–", text)
    assert "3 faults, 4 more came while nothing was measured" in text
    assert "1 alarms without a fault: 1.00 per 50 machines and week (95 % interval 0.03 to 5.57)" in text
    assert re.search(r"energy_w +900 +48.0 % +79.0 % +94.0 % +0.71", text)


def test_what_is_not_known_of_forecasts_is_a_dash() -> None:
    unknown = Calibration("availability_ratio", 1, 20, (math.nan, math.nan, 0.9), (math.nan,) * 10, math.nan)
    report = REPORT._replace(calibration=(unknown,))
    assert re.search(r"availability_ratio +20 +– +– +90.0 % +–", table(report))
    assert "nan" not in page(report)


def test_without_a_truth_nothing_is_called_false() -> None:
    text = table(REPORT._replace(found=None))
    assert "without a fault" not in text
    assert "1 alarms: 1.00 per 50" in text


def test_changes_found_looking_back_are_told_everywhere() -> None:
    line = "  energy_w at hall/mk4-02, 1970-01-01T12:00:00.000Z: 101.2 to 140, 99 %"
    assert table(REPORT).split("1 changes found looking back\n")[1].splitlines()[0] == line
    assert document(REPORT)["looking_back"] == [
        {"place": "hall/mk4-02", "index": "energy_w", "at": "1970-01-01T12:00:00.000Z", "p": 0.987,
         "before": 101.23456, "after": 140.0},
    ]  # fmt: skip
    for words in ("Changes found looking back", "hall/mk4-02", "1 Jan 1970, 12:00", "101.2", "99 %"):
        assert words in page(REPORT)


def test_json_has_no_number_that_json_has_not() -> None:
    told = json.loads(json.dumps(document(REPORT), allow_nan=False))
    assert told["faults"][1] == {
        "kind": "lens-dirt", "place": "hall/laser-02", "index": "energy_w", "onset": "1970-01-01T02:00:00.000Z",
        "end": "1970-01-01T02:30:00.000Z", "shape": "slope", "size_sigma": 2.5, "found_at": None, "delay_s": None,
        "told": None,
    }  # fmt: skip
    assert told["false_alarms"] == {"count": 1, "per_50_machine_weeks": 1.0, "lo95": 0.0253, "hi95": 5.5716}


def test_the_page_fetches_nothing() -> None:
    html = page(REPORT)
    assert not re.search(r"https?:|src=|<link|@import|url\(", html)


def test_the_page_holds_the_figures_and_the_plots() -> None:
    html = page(REPORT)
    for figure in ("1.00 per 50 machines and week", "12 min", "94.0 %", "1 of 1", "heater-weak", "pace"):
        assert figure.lower() in html.lower()
    assert "2 of 3 faults found, half of them within 6 min; 4 more came" in html
    plots = re.findall(r'role="img" aria-label="([^"]+)"', html)
    assert plots == [
        "recall by size",
        "delay by size",
        "faults and alarms over time",
        "where values of Energy fell in their forecasts",
    ]


def test_times_are_written_as_people_read_them() -> None:
    html = page(REPORT)
    assert "25 machines from 1 Jan 1970, 00:00 to 15 Jan 1970, 00:00 UTC (14 d)" in html
    assert "T00:00:00" not in html


def test_a_fault_alone_stands_inside_the_axes_of_its_plot() -> None:
    html = page(REPORT._replace(found=REPORT.found[:1] if REPORT.found else None))
    x, y = map(float, re.findall(r'<circle class="dot" cx="([\d.]+)" cy="([\d.]+)"', html)[0])
    assert (52 < x < 410, 12 < y < 190) == (True, True)
    for tick in ("5 σ", "10 σ", "10 min", "20 min"):
        assert f">{tick}</text>" in html


def test_alarms_of_a_past_without_truth_are_listed_and_not_called_false() -> None:
    html = page(REPORT._replace(found=None))
    assert "6 Jan 1970, 18:53" in html
    assert "hall/mk4-03" in html
    assert "without a fault" not in html


def test_words_of_others_are_no_markup() -> None:
    assert "hall &lt;1&gt;" in page(REPORT)
    assert "<1>" not in page(REPORT)


@pytest.mark.parametrize("found", [None, ()])
def test_a_page_of_nothing_is_a_page(found: tuple[Found, ...] | None) -> None:
    html = page(REPORT._replace(found=found, alone=(), calibration=()))
    assert "Nothing happened." in html
