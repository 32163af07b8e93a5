# SPDX-License-Identifier: AGPL-3.0-or-later
"""The shift calendar: what is planned, across midnight and changes of the clock, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from collector import plant_file
from collector.contract.codec import parse_time
from collector.contract.errors import Misconfigured
from collector.contract.tree import read_plant
from cyberfilter.production.calendar import By, Calendar, buckets, calendar_of, planned
from cyberfilter.production.spans import length

EARLY = {"name": "early", "days": "mon-fri", "from": "06:00", "to": "14:00", "breaks": ["10:00-10:15"]}
NIGHT = {"name": "night", "from": "22:00", "to": "06:00", "breaks": ["01:30-02:00"]}


def calendar(place: str = "a/b/c", **units: dict[str, Any]) -> Calendar:
    return calendar_of(read_plant({"units": {name.replace("_", "/"): row for name, row in units.items()}}), place)


def unix(text: str) -> float:
    found = parse_time(text)
    assert found is not None
    return found


def hours(found: Calendar, start: str, end: str) -> float:
    return length(planned(found, unix(start), unix(end))) / 3600


def test_without_shifts_all_time_is_planned() -> None:
    assert hours(calendar(), "2026-11-23T00:00:00Z", "2026-11-25T00:00:00Z") == 48.0


def test_a_shift_is_planned_on_its_days_without_its_breaks() -> None:
    found = calendar(a={"timezone": "America/Santiago", "shifts": [EARLY]})
    assert hours(found, "2026-11-23T09:00:00Z", "2026-11-23T17:00:00Z") == 7.75
    assert hours(found, "2026-11-21T00:00:00Z", "2026-11-23T09:00:00Z") == 0.0


@pytest.mark.parametrize(
    ("start", "end", "wanted"),
    [
        ("2026-10-24T12:00:00Z", "2026-10-25T12:00:00Z", 8.5),
        ("2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z", 6.5),
        ("2026-11-10T12:00:00Z", "2026-11-11T12:00:00Z", 7.5),
    ],
    ids=["longer night", "shorter night", "usual night"],
)
def test_a_night_shift_is_as_long_as_its_night(start: str, end: str, wanted: float) -> None:
    assert hours(calendar(a={"timezone": "Europe/Madrid", "shifts": [NIGHT]}), start, end) == wanted


def test_a_unit_has_from_above_what_it_does_not_say() -> None:
    found = calendar(
        a={"timezone": "Europe/Madrid", "grid_g_per_kwh": 90}, a_b={"shifts": [NIGHT]}, a_b_c={"shifts": []}
    )
    assert (str(found.zone), found.shifts, found.grid_g_per_kwh) == ("Europe/Madrid", (), 90.0)


def test_closed_days_and_maintenance_of_all_levels_add_up() -> None:
    found = calendar(
        a={"closed": ["2026-12-25"]},
        a_b={"closed": ["2026-12-26"], "maintenance": [{"from": "2026-12-27T08:00", "to": "2026-12-27T10:00"}]},
    )
    assert hours(found, "2026-12-24T00:00:00Z", "2026-12-28T00:00:00Z") == 24 + 22


def test_a_shift_that_begins_before_a_closed_day_is_worked_to_its_end() -> None:
    found = calendar(a={"shifts": [NIGHT], "closed": ["2026-12-25"]})
    assert hours(found, "2026-12-25T00:00:00Z", "2026-12-26T12:00:00Z") == 5.5


def test_a_day_has_as_many_hours_as_its_clock() -> None:
    found = calendar(a={"timezone": "Europe/Madrid"})
    window = unix("2026-10-23T22:00:00Z"), unix("2026-10-26T23:00:00Z")
    assert [(row.end - row.start) / 3600 for row in buckets(found, By.DAY, *window)] == [24.0, 25.0, 24.0]
    assert len(buckets(found, By.HOUR, *window)) == 73


def test_hours_neither_overlap_nor_miss_where_the_clock_changes_by_half_an_hour() -> None:
    window = unix("2026-10-03T13:30:00Z"), unix("2026-10-05T13:00:00Z")
    found = buckets(calendar(a={"timezone": "Australia/Lord_Howe"}), By.HOUR, *window)
    assert sum(row.end - row.start for row in found) == window[1] - window[0]


def test_buckets_are_cut_at_the_windows_ends() -> None:
    found = calendar(a={"shifts": [NIGHT]})
    rows = buckets(found, By.SHIFT, unix("2026-11-10T02:00:00Z"), unix("2026-11-10T23:00:00Z"))
    assert [(row.name, (row.end - row.start) / 3600) for row in rows] == [("night", 4.0), ("night", 1.0)]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"timezone": "Mars/Base"}, "units.a: timezone = 'Mars/Base'"),
        ({"shifts": [{**EARLY, "from": "25:00"}]}, "units.a: shifts.early: from = '25:00'"),
        ({"shifts": [{**EARLY, "days": "mon-fry"}]}, "units.a: shifts.early: days = 'mon-fry'"),
        ({"shifts": [{**EARLY, "breaks": ["15:00-15:10"]}]}, "breaks: '15:00-15:10' is not within 06:00-14:00"),
        ({"shifts": [{**EARLY, "pause": []}]}, "pause"),
        ({"shifts": [EARLY] * 25}, "shifts has 25 entries, at most 24"),
        ({"maintenance": [{"from": "2026-01-02T00:00", "to": "2026-01-01T00:00"}]}, "is not after"),
        ({"maintenance": [{"from": "2026-01-01T00:00Z", "to": "2026-01-01T00:00"}]}, "has a zone"),
        ({"grid_g_per_kwh": -1}, "grid_g_per_kwh = -1.0 is not within 0..10000"),
    ],
)
def test_what_cannot_be_kept_is_named(row: dict[str, Any], told: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        read_plant({"units": {"a": row}})
    assert told in str(caught.value)


def test_the_plant_file_is_written_as_it_is_read(tmp_path) -> None:
    row = {
        "timezone": "America/Santiago",
        "shifts": [EARLY, NIGHT],
        "closed": ["2026-12-25"],
        "maintenance": [{"from": "2026-12-27T08:00", "to": "2026-12-27T10:00"}],
        "grid_g_per_kwh": 300,
    }
    plant = read_plant({"units": {"a": row, "a/b": {"shifts": []}}})
    plant_file.save(tmp_path / "plant.toml", plant)
    assert plant_file.load(tmp_path / "plant.toml") == plant
