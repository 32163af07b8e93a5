# SPDX-License-Identifier: AGPL-3.0-or-later
"""`cybersyn backtest`: a small story and a small past, scored; errors in one line that name what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from collector import plant_file
from collector.contract.ports import IndexRow
from collector.contract.tree import Machine, Plant, Unit
from collector.historian.memory import MemoryHistorian
from cyberfilter.judge import FILTER
from deploy.backtest import EPOCH_S, faults, history, simulated
from deploy.cli import main
from deploy.traces import TRACES
from firmware_sim.faults import Kind
from firmware_sim.stories import scenario
from firmware_sim.truth import TruthEntry

STORY = """# SPDX-License-Identifier: CC0-1.0
[[machines]]
name = "mk4"
place = "hall"
[[faults]]
kind = "heater-weak"
device = "mk4-01"
at_s = 7200
"""
HOURS_6 = str(6 / 168)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the story, and what the command wrote of it."""
    folder = tmp_path_factory.mktemp("backtest")
    (folder / "weak.toml").write_text(STORY, encoding="utf-8")
    options = ["--weeks", HOURS_6, "--days-before", "4", "--json", str(folder / "o.json"), "--html"]
    assert main(["backtest", str(folder / "weak.toml"), *options, str(folder / "o.html"), "--quiet"]) == 0
    return folder


def test_a_weak_heater_is_found_with_its_size_its_delay_and_its_type(told: Path) -> None:
    (fault,) = json.loads((told / "o.json").read_text(encoding="utf-8"))["faults"]
    assert (fault["kind"], fault["place"], fault["shape"]) == ("heater-weak", "hall/mk4-01", "step")
    assert fault["size_sigma"] > 5
    assert 0 < fault["delay_s"] < 3_600


def test_the_report_is_one_file_that_fetches_nothing(told: Path) -> None:
    html = (told / "o.html").read_text(encoding="utf-8")
    assert "http" not in html
    assert "heater-weak" in html


def test_the_same_seed_gives_the_same_report(told: Path) -> None:
    story = scenario(str(told / "weak.toml"))
    first, second = (
        simulated(story, seed=7, weeks=1 / 84, history_days=0.05, filter_name=FILTER, place=None, tell=lambda _: None)
        for _ in range(2)
    )
    assert first == second
    assert first.values_count > 0


def test_nothing_is_printed_of_a_quiet_run_and_a_table_of_another(
    told: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["backtest", str(told / "weak.toml"), "--weeks", str(1 / 168), "--days-before", "0.05"]
    assert main([*small, "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main(small) == 0
    out, err = capsys.readouterr()
    assert out.startswith("weak, seed 7: 1 machines, 0.01 weeks")
    assert err == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "SCENARIO or --history: one of the two is needed"),
        (["workshop", "--history"], "--history goes without SCENARIO (workshop); --data-dir names a folder"),
        (["workshop", "--weeks", "0"], "--weeks = 0 is not within 0.00595..520"),
        (["workshop", "--days-before", "-1"], "--days-before = -1 is not within 0..3660"),
        (["workshop", "--place", "nowhere"], "--place = 'nowhere': none of the machines of workshop stands there"),
        (["workshop", "--from", "2026-11-23"], "--from, --to and --truth go with --history"),
        (["workshop", "--json", "/no/such/folder/o.json"], "/no/such/folder/o.json: there is no folder"),
        (["no-story"], "scenario = 'no-story' is none of"),
        (["--history", "--data-dir", "/no/such"], "/no/such is no data folder"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backtest", *words]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"cybersyn backtest: {said}")


@pytest.fixture
def past(tmp_path: Path) -> tuple[Path, MemoryHistorian]:
    """A folder with one machine, whose energy rose by half an hour before the end, and a truth that says so."""
    plant = Plant({"hall": Unit("hall", "Hall")}, {"mk4": Machine("mk4", "hall/mk4", "native", None, 60.0)})
    plant_file.save(tmp_path / "plant.toml", plant)
    historian = MemoryHistorian()
    rows = [
        IndexRow("hall/mk4", "energy_w", EPOCH_S + 60.0 * n, 100.0 + (n * 7919 % 11 - 5) / 5 + 40.0 * (n >= 570))
        for n in range(600)
    ]
    historian.write(rows)
    entry = TruthEntry(EPOCH_S + 60.0 * 570, "fault", "mk4", "hall/mk4", {"kind": "chiller", "lasts_s": 900.0})
    (tmp_path / "truth.jsonl").write_text(json.dumps(entry._asdict()) + "\n", encoding="utf-8")
    return tmp_path, historian


def test_the_past_goes_through_the_filter_again(past: tuple[Path, MemoryHistorian]) -> None:
    folder, historian = past
    report = history(
        folder, historian, place=None, start=EPOCH_S + 60.0 * 500, end=EPOCH_S + 60.0 * 600, filter_name=FILTER,
        days=1.0, truth=None, tell=lambda _: None,
    )  # fmt: skip
    assert report.found is not None
    ((fault, alarm),) = report.found
    assert fault.kind == "chiller"
    assert alarm is not None
    assert 0 < alarm.ts - fault.onset < 900
    assert (report.alone, report.values_count) == ((), 100)
    (change,) = report.looked_back or ()
    assert (change.place, change.index, change.ts) == ("hall/mk4", "energy_w", fault.onset - 60.0)


def test_what_no_index_value_shows_is_not_missed_in_a_past(past: tuple[Path, MemoryHistorian]) -> None:
    folder, historian = past
    silent = TruthEntry(EPOCH_S + 60.0 * 530, "fault", "mk4", "hall/mk4", {"kind": "silence", "lasts_s": 600.0})
    with (folder / "truth.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(silent._asdict()) + "\n")
    report = history(
        folder, historian, place=None, start=EPOCH_S + 60.0 * 500, end=EPOCH_S + 60.0 * 600, filter_name=FILTER,
        days=1.0, truth=None, tell=lambda _: None,
    )  # fmt: skip
    assert [fault.kind for fault, _ in report.found or ()] == ["chiller"]


def test_a_past_without_a_truth_has_alarms_and_no_faults(past: tuple[Path, MemoryHistorian]) -> None:
    folder, historian = past
    (folder / "truth.jsonl").unlink()
    report = history(
        folder, historian, place="hall", start=EPOCH_S + 60.0 * 500, end=EPOCH_S + 60.0 * 600, filter_name=FILTER,
        days=1.0, truth=None, tell=lambda _: None,
    )  # fmt: skip
    assert report.found is None
    assert [alarm.index for alarm in report.alone] == ["energy_w"]


def test_every_fault_of_the_catalogue_has_a_trace() -> None:
    assert set(TRACES) == set(Kind)


def test_a_fault_that_goes_on_ends_with_the_run_and_a_service_excuses() -> None:
    entries = [
        TruthEntry(100.0, "fault", "m", "hall/m", {"kind": "alarm", "lasts_s": 50.0}),
        TruthEntry(150.0, "fault_ended", "m", "hall/m", {"kind": "alarm"}),
        TruthEntry(200.0, "state", "m", "hall/m", {"state": "maintenance"}),
        TruthEntry(300.0, "fault", "m", "hall/m", {"kind": "alarm", "lasts_s": 50.0}),
    ]
    assert [(fault.kind, fault.onset, fault.end, fault.due) for fault in faults(entries, 900.0)] == [
        ("alarm", 100.0, 150.0, "must"),
        ("maintenance", 200.0, 7_400.0, "may"),
        ("alarm", 300.0, 900.0, "must"),
    ]


def test_what_left_no_trace_has_not_to_be_found() -> None:
    entries = [
        TruthEntry(100.0, "fault", "m", "hall/m", {"kind": "wifi-drop", "lasts_s": 12.0}),
        TruthEntry(112.0, "fault_ended", "m", "hall/m", {"kind": "wifi-drop"}),
        TruthEntry(200.0, "fault", "m", "hall/m", {"kind": "run-out", "lasts_s": 50.0}),
        TruthEntry(250.0, "fault_ended", "m", "hall/m", {"kind": "run-out"}),
        TruthEntry(300.0, "fault", "m", "hall/m", {"kind": "run-out", "lasts_s": 50.0}),
        TruthEntry(301.0, "state", "m", "hall/m", {"state": "waiting_person"}),
        TruthEntry(350.0, "fault_ended", "m", "hall/m", {"kind": "run-out"}),
    ]
    assert [fault.due for fault in faults(entries, 900.0, period_s=30.0)] == ["may", "may", "must"]
    assert faults(entries, 900.0)[0].due == "must"
