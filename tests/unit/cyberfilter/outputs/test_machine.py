# SPDX-License-Identifier: AGPL-3.0-or-later
"""What others hear of a machine is folded from its facts: newest wins, parts count once."""

from __future__ import annotations

from collector.contract.event import JobEnded, JobStarted, Outcome, PartCounted, State, StateSeen
from collector.contract.reading import Batch, Samples
from cyberfilter.outputs.machine import COUNTS_MAX, VALUES_MAX, Machine, News, fold


def folded(*facts: object, machine: Machine | None = None) -> tuple[Machine, News]:
    known = machine or Machine()
    return known, fold(known, Batch("mk4", "hall/mk4", "native", 9.0, facts))  # type: ignore[arg-type]


def test_newest_sample_wins_whatever_the_order() -> None:
    machine, news = folded(Samples((3.0, 1.0, 2.0), {"power_w": (30.0, 10.0, 20.0)}))
    assert (machine.values["power_w"], news) == ((3.0, 30.0), News.VALUES)
    _, again = folded(Samples((2.5,), {"power_w": (25.0,)}), machine=machine)
    assert (machine.values["power_w"].value, again) == (30.0, News.NOTHING)


def test_null_is_no_sample() -> None:
    machine, news = folded(Samples((1.0, 2.0), {"power_w": (10.0, None), "bed_degc": (None, None)}))
    assert (machine.values, news) == ({"power_w": (1.0, 10.0)}, News.VALUES)


def test_state_that_is_confirmed_keeps_its_beginning_and_an_old_one_changes_nothing() -> None:
    machine, _ = folded(StateSeen(5.0, State.RUNNING))
    _, again = folded(StateSeen(8.0, State.RUNNING), machine=machine)
    _, old = folded(StateSeen(4.0, State.FAULT), machine=machine)
    assert (machine.state, machine.state_at, again, old) == (State.RUNNING, 5.0, News.NOTHING, News.NOTHING)


def test_file_is_that_of_the_job_under_way() -> None:
    machine, news = folded(JobStarted("j1", 1.0, "gear.gcode"))
    assert (machine.file, news) == ("gear.gcode", News.EVENT)
    folded(JobEnded("j1", 2.0, Outcome.DONE), machine=machine)
    assert machine.file is None


def test_corrected_count_replaces_the_first_one_once() -> None:
    machine, _ = folded(PartCounted(1.0, good=4, scrap=1, id="a"), PartCounted(2.0, good=2, id="b"))
    correction = PartCounted(3.0, good=3, scrap=2, id="c", corrects="a")
    folded(correction, correction, machine=machine)
    assert (machine.good_count, machine.scrap_count) == (5, 2)


def test_correction_of_what_was_never_heard_counts_nothing() -> None:
    machine, news = folded(PartCounted(1.0, good=3, id="c", corrects="gone"))
    assert (machine.good_count, machine.parts_at, news) == (0, None, News.NOTHING)


def test_memory_of_a_machine_is_bounded() -> None:
    columns = {f"x{n}_count": (1.0,) for n in range(VALUES_MAX + 1)}
    parts = [PartCounted(1.0, good=1, id=f"p{n}") for n in range(COUNTS_MAX + 1)]
    machine, _ = folded(Samples((1.0,), columns), *parts)
    assert (len(machine.values), len(machine.counted), machine.good_count) == (VALUES_MAX, COUNTS_MAX, COUNTS_MAX + 1)
