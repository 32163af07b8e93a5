# SPDX-License-Identifier: AGPL-3.0-or-later
"""The truth log says what happened, in memory and in its file."""

from __future__ import annotations

import json
from pathlib import Path

from collector.contract.event import JobEnded, JobStarted, Outcome, State, StateSeen
from firmware_sim.faults import FaultPlan, Kind
from firmware_sim.truth import Truth

PLAN = FaultPlan(Kind.CLOG, "mk4-01", "commons/mk4-01", 50.0, 900.0)


def fill(truth: Truth) -> None:
    truth.struck(PLAN)
    truth.eased(PLAN, 60.0)
    truth.happened("mk4-01", "commons/mk4-01", 61.0, StateSeen(61.0, State.FAULT, "stuck"))
    truth.happened("mk4-01", "commons/mk4-01", 62.0, JobStarted("j", 62.0, "a.gcode", 10.0))
    truth.happened("mk4-01", "commons/mk4-01", 63.0, JobEnded("j", 63.0, Outcome.DONE))


def test_entries_and_faults_are_kept_in_memory() -> None:
    truth = Truth()
    fill(truth)
    assert [entry.what for entry in truth.entries] == ["fault", "fault_ended", "state", "job_started", "job_ended"]
    assert truth.faults == (PLAN,)


def test_the_file_holds_the_same_as_json_lines_and_is_appended_to(tmp_path: Path) -> None:
    for _ in range(2):
        with Truth(tmp_path / "truth.jsonl") as truth:
            fill(truth)
    rows = [json.loads(line) for line in (tmp_path / "truth.jsonl").read_text().splitlines()]
    assert len(rows) == 10
    assert rows[0] == {
        "ts": 50.0,
        "what": "fault",
        "device": "mk4-01",
        "place": "commons/mk4-01",
        "body": {"kind": "clog", "lasts_s": 900.0},
    }
    assert rows[4]["body"] == {"job": "j", "ts": 63.0, "outcome": "done"}
