# SPDX-License-Identifier: AGPL-3.0-or-later
"""Machines come, move and go; everybody who lives by the register is told, and the file is the one truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from collector import plant_file
from collector.contract.errors import Refusal, Unavailable
from collector.contract.ports import ReadingRow
from collector.contract.tree import Machine, Plant, Stay
from collector.historian.memory import MemoryHistorian
from collector.keys import QUICK, Keys
from collector.register import Register
from collector.stays import MovedHistorian

MK4 = Machine("mk4", "commons/hall/mk4")


class Site:
    """A register with its file, its keys, a clock, and somebody who listens."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "plant.toml"
        self.keys = Keys(folder, work=QUICK)
        self.at = 1_000.0
        self.register = Register(self.path, self.keys, now=lambda: self.at)
        self.told: list[Plant] = []
        self.register.listen("me", self.told.append)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_machine_that_comes_is_in_the_file_told_and_has_a_password(site: Site) -> None:
    machine, password = site.register.add(MK4)
    assert site.keys.check(machine.device, password)
    assert (plant_file.load(site.path).machines["mk4"], site.told[-1].machines) == (MK4, {"mk4": MK4})


def test_who_is_there_already_is_refused_by_name(site: Site) -> None:
    site.register.add(MK4)
    with pytest.raises(Refusal, match="exists: device 'mk4' is registered at commons/hall/mk4 already"):
        site.register.add(Machine("mk4", "commons/yard/mk4"))


def test_a_machine_of_the_file_without_a_password_gets_one(site: Site) -> None:
    plant_file.save(site.path, Plant({}, {"mk4": MK4}))
    assert site.register.add(MK4).machine == MK4
    assert site.keys.devices() == {"mk4"}


@pytest.mark.parametrize(
    ("machine", "why"),
    [
        (Machine("v", "a/v", "morse", "v"), "dialect 'morse' is none of native"),
        (Machine("v", "a/v", "octoprint", "cybersyn/v1"), "lies under cybersyn/"),
        (Machine("v", "a//v"), "place"),
        (Machine("v v", "a/v"), "device"),
    ],
)
def test_what_nobody_would_understand_changes_nothing(site: Site, machine: Machine, why: str) -> None:
    with pytest.raises(Refusal, match=why):
        site.register.add(machine)
    assert (plant_file.load(site.path).machines, site.keys.devices(), site.told) == ({}, frozenset(), [])


def test_revoked_is_out_of_the_file_and_its_password_is_worth_nothing(site: Site) -> None:
    _, password = site.register.add(MK4)
    site.register.revoke("mk4")
    assert not site.keys.check("mk4", password)
    assert (plant_file.load(site.path).machines, site.told[-1].machines) == ({}, {})
    with pytest.raises(Refusal, match="unknown_device: device 'mk4' is not registered; there is none"):
        site.register.revoke("mk4")


def test_a_move_is_remembered_with_its_time(site: Site) -> None:
    site.register.add(MK4)
    site.at = 2_000.0
    moved = site.register.move("mk4", "commons/yard/mk4")
    assert moved.formerly == (Stay("commons/hall/mk4", 2_000.0),)
    assert plant_file.load(site.path).machines["mk4"] == moved
    with pytest.raises(Refusal, match="same_place"):
        site.register.move("mk4", "commons/yard/mk4")


def test_who_missed_a_change_is_told_again(site: Site) -> None:
    answers: list[str] = ["away", ""]
    heard: list[Plant] = []

    def take(plant: Plant) -> None:
        if why := answers.pop(0):
            raise Unavailable(why)
        heard.append(plant)

    site.register.listen("broker", take)
    site.register.add(MK4)
    assert site.register.trouble == "broker: away"
    site.register.look()
    assert (site.register.trouble, [plant.machines for plant in heard]) == (None, [{"mk4": MK4}])


def test_a_file_that_somebody_edits_is_taken_over_and_a_broken_one_is_not(site: Site) -> None:
    site.register.add(MK4)
    text = site.path.read_text()
    site.path.write_text(text + '\n[machines.saw]\nplace = "commons/hall/saw"\n')
    assert site.register.look()
    assert sorted(site.register.plant.machines) == ["mk4", "saw"]
    site.path.write_text(text + "\n[machines.saw\n")
    assert not site.register.look()
    assert sorted(site.register.plant.machines) == ["mk4", "saw"]
    assert "plant.toml" in str(site.register.trouble)
    with pytest.raises(Refusal, match="bad_file"):
        site.register.revoke("mk4")


def test_comments_of_the_file_stay(site: Site) -> None:
    site.path.write_text('# ours\n[machines.saw]\nplace = "commons/hall/saw"  # by the window\n')
    site.register.look()
    site.register.add(MK4)
    assert "# ours" in site.path.read_text()
    assert "# by the window" in site.path.read_text()


def history(register: Register, historian: MemoryHistorian, place: str) -> list[tuple[float, float]]:
    moved = MovedHistorian(historian, lambda: register.plant)
    return moved.series(place, "power_w", start=0.0, end=9_000.0, most=100)


def test_the_history_of_a_machine_comes_along_when_it_moves(site: Site) -> None:
    historian = MemoryHistorian()
    rows: list[Any] = [ReadingRow("commons/hall/mk4", "mk4", "power_w", ts, ts) for ts in (500.0, 1_500.0, 2_500.0)]
    rows.append(ReadingRow("commons/yard/mk4", "mk4", "power_w", 2_600.0, 2_600.0))
    historian.write(rows)
    site.register.add(MK4)
    site.at = 2_000.0
    site.register.move("mk4", "commons/yard/mk4")
    assert [ts for ts, _ in history(site.register, historian, "commons/yard/mk4")] == [500.0, 1_500.0, 2_600.0]
    assert [ts for ts, _ in history(site.register, historian, "commons/hall/mk4")] == [500.0, 1_500.0, 2_500.0]
