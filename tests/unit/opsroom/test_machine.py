# SPDX-License-Identifier: AGPL-3.0-or-later
"""One machine in full."""

from __future__ import annotations

from collector.contract.codec import encode_batch, format_time
from collector.contract.event import JobStarted
from collector.contract.reading import Batch, Samples
from collector.contract.topics import Kind, Topic
from opsroom.picture import Picture
from opsroom.views.machine import detail, trail


def picture() -> Picture:
    found = Picture()
    job = JobStarted("j1", 10.0, "a.gcode", 600.0)
    samples = Samples((19.9,), {"progress_ratio": (0.4,), "nozzle_degc": (210.0,), "odd_thing_mm": (3.0,)})
    payload = encode_batch(Batch("mk4", "cell/mk4", "native", 20.0, (job, samples)))
    found.fold(Topic(Kind.FACT, place="cell/mk4"), payload)
    band = {"at": format_time(20.0), "mean": 1.0, "lo95": 0.5, "hi95": 1.5}
    for name in ("zeal_ratio", "pace_ratio", "heater_effort_w"):
        row = {
            "place": "cell/mk4",
            "index": name,
            "unit": "1",
            "at": format_time(20.0),
            "actuality": 1.0,
            "expected": band,
        }
        found.seed({"indices": [row]})
    return found


def test_the_job_is_told_with_its_progress() -> None:
    device = detail(picture(), "cell/mk4").devices[0]
    assert device.job is not None
    assert (device.job.file, device.job.started_at, device.job.progress, device.lag_s) == ("a.gcode", 10.0, 0.4, 0.1)


def test_raw_values_come_by_name_with_their_units() -> None:
    values = detail(picture(), "cell/mk4").devices[0].values
    assert [(name, unit, value) for name, unit, _, value in values] == [
        ("nozzle_degc", "°C", 210.0),
        ("odd_thing_mm", "mm", 3.0),
        ("progress_ratio", "1", 0.4),
    ]


def test_the_usual_indices_come_first() -> None:
    assert [index.index for index in detail(picture(), "cell/mk4").indices] == [
        "heater_effort_w",
        "pace_ratio",
        "zeal_ratio",
    ]


def test_the_trail_holds_values_with_their_bands() -> None:
    assert trail(picture(), "cell/mk4")["pace_ratio"] == [(20.0, 1.0, 0.5, 1.5, "unsure")]


def test_where_no_device_stands_nothing_is_known() -> None:
    found = detail(picture(), "cell/other")
    assert (found.known, found.devices, found.indices, found.name) == (False, (), (), "other")
