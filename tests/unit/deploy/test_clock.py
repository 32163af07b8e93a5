# SPDX-License-Identifier: AGPL-3.0-or-later
"""The plant's clock starts in the past and ends at the present."""

import pytest

from deploy import clock as module
from deploy.clock import DemoClock, FileClock


@pytest.fixture
def elapsed(monkeypatch: pytest.MonkeyPatch):
    """Real time that a test sets: monotonic from 100 s, wall clock from 5,000 s."""
    passed = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: 100.0 + passed[0])
    monkeypatch.setattr(module.time, "time", lambda: 5_000.0 + passed[0])
    return passed


def test_demo_clock_runs_fast_until_the_present_and_never_stamps_the_future(elapsed: list[float]) -> None:
    clock = DemoClock(start=5_000.0 - 59 * 120.0, speed=60.0)
    clock.begin()
    elapsed[0] = 60.0
    assert (clock.now(), clock.speed, clock.real_s(60.0)) == (5_000.0 - 59 * 120.0 + 3_600.0, 60.0, 1.0)
    elapsed[0] = 130.0
    assert (clock.now(), clock.speed, clock.arrived) == (5_130.0, 1.0, True)


def test_demo_clock_stands_at_its_start_until_it_begins(elapsed: list[float]) -> None:
    clock = DemoClock(start=1_000.0, speed=60.0)
    elapsed[0] = 10.0
    assert (clock.now(), clock.arrived) == (1_000.0, False)


def test_demo_clock_at_speed_one_is_at_the_present_at_once(elapsed: list[float]) -> None:
    clock = DemoClock(start=5_000.0, speed=1.0)
    clock.begin()
    assert clock.arrived


def test_file_clock_never_goes_back() -> None:
    clock = FileClock()
    clock.set(10.0)
    clock.set(5.0)
    assert clock.now() == 10.0
