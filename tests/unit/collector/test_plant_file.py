# SPDX-License-Identifier: AGPL-3.0-or-later
"""The plant file is written as it is read."""

from pathlib import Path

import pytest

from collector import plant_file
from collector.contract.errors import Misconfigured
from collector.contract.tree import Capacity, Machine, Plant, Unit

MACHINES = {
    "mk4": Machine("mk4", "commons/valpo/mk4", cadence_s=60.0, indices={"energy_w": Capacity(100.0, 80.0)}),
    "octo.1": Machine("octo.1", "commons/valpo/octo", "octoprint", "octoPrint"),
}
UNITS = {"commons/valpo": Unit("commons/valpo", 'Valparaíso "north"', "workshop", 28_800.0)}


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
