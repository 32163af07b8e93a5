# SPDX-License-Identifier: AGPL-3.0-or-later
"""The plant file is written as it is read."""

from pathlib import Path

import pytest

from collector import plant_file
from collector.contract.errors import Misconfigured
from collector.contract.tree import Capacity, Limits, Machine, Plant, Unit

MACHINES = {
    "mk4": Machine("mk4", "commons/valpo/mk4", cadence_s=60.0, indices={"energy_w": Capacity(100.0, 80.0)}),
    "octo.1": Machine(
        "octo.1",
        "commons/valpo/octo",
        "octoprint",
        "octoPrint",
        cadence_s=0.0,
        limits={"bed_degc": Limits(high=120.0), "nozzle_degc": Limits(5.0, 280.0)},
    ),
}
UNITS = {"commons/valpo": Unit("commons/valpo", 'Valparaíso "north"', "workshop", 28_800.0, ("Ana", "phone 2"))}


def test_what_was_written_reads_back_the_same(tmp_path: Path) -> None:
    plant_file.save(tmp_path / "plant.toml", Plant(UNITS, MACHINES))
    found = plant_file.load(tmp_path / "plant.toml")
    assert found.machines == MACHINES
    assert found.units["commons/valpo"] == UNITS["commons/valpo"]
    assert found.units["commons"].name == "commons"


def test_no_file_is_an_empty_plant(tmp_path: Path) -> None:
    assert plant_file.load(tmp_path / "plant.toml") == Plant({}, {})


def test_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "nowhere").write_text("a file, no folder")
    with pytest.raises(Misconfigured, match="nowhere"):
        plant_file.save(tmp_path / "nowhere" / "plant.toml", Plant({}, {}))


@pytest.mark.parametrize(
    ("limits", "named"),
    [
        ("nozzle_degc = {}", "low = None and high = None"),
        ("nozzle_degc = { low = 5, high = 5 }", "low = 5.0 and high = 5.0"),
        ("nozzle_degc = { high = inf }", "±1e+15"),
        ("nozzle_degc = { low = nan }", "±1e+15"),
        ("Nozzle = { high = 5 }", "snake_case"),
    ],
)
def test_limits_that_bound_nothing_are_misconfigured(tmp_path: Path, limits: str, named: str) -> None:
    (tmp_path / "plant.toml").write_text(f'[machines.mk4]\nplace = "a/mk4"\nlimits.{limits}\n')
    with pytest.raises(Misconfigured) as refused:
        plant_file.load(tmp_path / "plant.toml")
    assert "machines.mk4.limits." in str(refused.value)
    assert named in str(refused.value)
