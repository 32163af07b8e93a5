# SPDX-License-Identifier: AGPL-3.0-or-later
"""A workshop of every voice through the collector: the jobs that it understood are those that really were."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from collector.contract.tree import Machine
from deploy.direct import replay
from firmware_sim.record import record
from firmware_sim.scenario import Scenario
from firmware_sim.stories import scenario
from firmware_sim.truth import Truth, TruthEntry
from firmware_sim.voices.catalogue import spoken

START = 1_795_399_200.0
HOURS = 3.5
LAST_S = 60.0
"""What ends so shortly before the story may not have been told yet."""
NEAR_S = {"bambu": 2.0, "sparkplug": 2.0, "octoprint": 1.0, "moonraker": 1.0, "native": 0.01}
"""How well a voice tells when a job ended: how often it speaks."""


class Heard(NamedTuple):
    story: Scenario
    truth: tuple[TruthEntry, ...]
    document: dict[str, Any]


@pytest.fixture(scope="module")
def heard() -> Heard:
    story, truth = scenario("mixed-voices"), Truth()
    lines = list(record(story, START, START + HOURS * 3600, truth=truth))
    machines = []
    for spec in story.machines:
        dialect, prefix = (spec.voice, None) if spec.prefix is None else spoken(spec.voice, spec.prefix)
        machines.append(Machine(spec.device, spec.place, dialect, prefix))
    return Heard(story, truth.entries, replay(lines, machines))


def test_every_voice_is_understood_without_a_word_refused(heard: Heard) -> None:
    assert heard.document["quarantined"] == 0
    speakers = {state["machine"] for state in heard.document["states"]}
    assert {spec.device for spec in heard.story.machines} <= speakers


@pytest.mark.parametrize("voice", ["native", "octoprint", "moonraker", "bambu", "bambu-x1", "sparkplug"])
def test_jobs_and_their_outcomes_are_those_that_were(heard: Heard, voice: str) -> None:
    (device,) = (spec.device for spec in heard.story.machines if spec.voice == voice)
    last, near_s = START + HOURS * 3600 - LAST_S, NEAR_S[voice.partition("-")[0]]
    true = [
        (pytest.approx(entry.ts, abs=near_s), str(entry.body["outcome"]))
        for entry in heard.truth
        if entry.what == "job_ended" and entry.device == device and entry.ts < last
    ]
    told = [
        (job["end"], job["outcome"])
        for job in heard.document["jobs"]
        if job["machine"] == device and job["end"] is not None and job["end"] < last
    ]
    assert told == true
    assert true
