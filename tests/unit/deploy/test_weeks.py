# SPDX-License-Identifier: AGPL-3.0-or-later
"""The benchmark of weeks: its truth is what it laid over the machines, and its scorer reads what others write."""

from __future__ import annotations

import importlib
import math
import sys
from pathlib import Path
from typing import Any

import pytest

from collector.contract.reading import Samples
from cyberfilter.backtest.faults import Alarm, Fault
from deploy.backtest import EPOCH_S
from firmware_sim.faults import Kind

WEEKS = Path(__file__).parents[2] / "bench" / "weeks"


@pytest.fixture(scope="module")
def bench() -> Any:
    """The modules of the benchmark, which is no package."""
    sys.path.insert(0, str(WEEKS))
    try:
        yield {name: importlib.import_module(name) for name in ("plants", "effects", "score", "detectors")}
    finally:
        sys.path.remove(str(WEEKS))


@pytest.fixture(scope="module")
def plant(bench: Any) -> Any:
    """A printer for a day with one fault: the clog of 4 sigma that is due at once."""
    made = bench["plants"].Plant(3, 4)
    made.scales = {("weeks/printers/printer-01", "heater_effort_w"): (25.0, 0.5)}
    return made


def lived(bench: Any, plant: Any, shape: str, size: float) -> list[tuple[float, float]]:
    """Return the heater's power with the fault less what it is without it."""
    plants = bench["plants"]
    effect = bench["effects"].Effect("heater_effort_w", shape, 1)
    one = bench["effects"].Overlay("weak", effect, EPOCH_S + 3_600.0, 1_800.0, size, 0.0, plants.random.Random(1))
    story = plant.story._replace(machines=plant.story.machines[:1], rests=False)
    pairs = []
    for waiting in ([one], []):
        plant._machinery = {"printer-01": plants.Machinery(list(waiting))}
        batches = plants.live(story, EPOCH_S, EPOCH_S + 14_400.0, tint=plant._tint, booked=False)
        facts = [fact for batch in batches for fact in batch.facts if isinstance(fact, Samples)]
        pairs.append([p for f in facts for p in zip(f.times, f.values["heater_power_w"], strict=True)])
        if waiting:
            plant.done = plant._machinery["printer-01"].done
    return [(ts, a - b) for (ts, a), (_, b) in zip(*pairs, strict=True)]


def test_a_step_is_as_large_as_the_truth_says_from_its_onset_to_its_end(bench: Any, plant: Any) -> None:
    changed = [(ts, d) for ts, d in lived(bench, plant, "step", 4.0) if abs(d) > 1e-9]
    (one,) = plant.done
    assert (changed[0][0], changed[-1][0]) == (one.onset, one.end)
    assert [d for _, d in changed] == pytest.approx([2.0] * 60, abs=0.011)


def test_a_slope_reaches_its_size_at_its_end(bench: Any, plant: Any) -> None:
    rise = [d for _, d in lived(bench, plant, "slope", 4.0) if abs(d) > 1e-9]
    assert rise[-1] == pytest.approx(2.0, abs=0.011)
    assert rise[len(rise) // 2] == pytest.approx(1.0, abs=0.05)


def test_a_size_that_is_worth_an_alert_is_said_to_be(bench: Any, plant: Any) -> None:
    lived(bench, plant, "step", 6.0)
    large = plant._truly(plant.done[0], "weeks/printers/printer-01")
    lived(bench, plant, "step", 4.0)
    small = plant._truly(plant.done[0], "weeks/printers/printer-01")
    assert (large.size_sigma, large.material, small.material) == (6.0, True, False)


def test_sigma_knows_of_values_that_jump(bench: Any) -> None:
    scale = bench["plants"].scale
    assert scale([0.84] * 30 + [1.12] * 70) == pytest.approx((1.12, 0.14))
    assert scale([float(k) for k in range(101)])[1] == pytest.approx(1.4826 * 25)


def test_faults_of_a_plant_strike_at_the_catalogues_rates_and_fit_its_machines(bench: Any, plant: Any) -> None:
    plants = bench["plants"]
    for spec in plant.story.machines:
        for name in ("energy_w", "heater_effort_w", "nozzle_deviation_degc", "pace_ratio"):
            plant.scales[spec.place, name] = (25.0, 0.5)
    sizes = [
        one.size_sigma
        for spec in plant.story.machines
        for one in plant._sensors(spec, EPOCH_S, EPOCH_S + 20 * plants.WEEK_S)
    ]
    hours = 20 * 168 * len(plant.story.machines)
    assert len(sizes) == pytest.approx(hours * (1 / 400 + 1 / 400 + 1 / 100), rel=0.25)
    assert 1.0 <= min(sizes) <= max(sizes) <= 10.0
    assert set(bench["effects"].EFFECTS) < set(Kind)


def test_a_truth_reads_back_as_it_was_written(bench: Any, tmp_path: Path) -> None:
    score = bench["score"]
    faults = [
        Fault("clog", "weeks/a", "heater_effort_w", 60.0, 900.0, "step", 4.25, ("energy_w",)),
        Fault("sensor-stuck", "weeks/b", "energy_w", 60.0, 900.0, "stuck", due="never"),
    ]
    path = tmp_path / "truth.jsonl"
    path.write_text("\n".join(score.truth_lines({"weeks": 1, "machines": 2}, faults)), encoding="utf-8")
    head, back = score.read_truth(path)
    assert head == {"weeks": 1, "machines": 2}
    assert back[0] == faults[0]
    assert (back[1].kind, back[1].due, math.isnan(back[1].size_sigma)) == ("sensor-stuck", "never", True)


def test_anybodys_alerts_are_scored(bench: Any, tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    score = bench["score"]
    fault = Fault("clog", "weeks/a", "heater_effort_w", 60.0, 900.0, "step", 4.25)
    truth, alerts = tmp_path / "truth.jsonl", tmp_path / "theirs.csv"
    truth.write_text("\n".join(score.truth_lines({"weeks": 1, "machines": 50}, [fault])), encoding="utf-8")
    alerts.write_text("place,index,time\nweeks/a,heater_effort_w,360\nweeks/b,energy_w,500\n", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["score.py", "--truth", str(truth), "--alerts", str(alerts)])
    assert score.main() == 0
    out = capsys.readouterr().out
    assert "3–5 σ" in out
    assert "1 alarms without a fault: 1.00 per 50 machines and week (95 % interval 0.03 to 5.57)" in out


def test_shewhart_alarms_once_an_excursion(bench: Any) -> None:
    detectors = bench["detectors"]
    values = [0.0] * 5 + [4.0] * 3 + [0.0] * 5 + [4.0] + [0.0] * 15 + [-4.0]
    rows = [detectors.IndexRow("a", "energy_w", 60.0 * n, value) for n, value in enumerate(values)]
    found = detectors.Shewhart({("a", "energy_w"): (0.0, 1.0)}).alarms(rows)
    assert [alarm.ts for alarm in found] == [5 * 60.0 + 120.0, 29 * 60.0 + 120.0]


def test_the_alarm_clock_and_chance_know_nothing(bench: Any) -> None:
    detectors = bench["detectors"]
    series = [("a", "energy_w"), ("b", "pace_ratio")]
    assert len(detectors.clock(series, 0.0, 7 * 86_400.0)) == 14
    drawn = detectors.chance(series, 100, 0.0, 1_000.0, 1)
    assert len(drawn) == 100
    assert all(isinstance(alarm, Alarm) and 0.0 <= alarm.ts <= 1_000.0 for alarm in drawn)
