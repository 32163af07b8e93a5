# SPDX-License-Identifier: AGPL-3.0-or-later
"""Regimes of jobs: a number for each file, and its name for people."""

from cyberfilter.indices.regimes import FILES_MAX, UNNAMED_JOB, keep, regime_of


def test_the_file_that_has_not_come_for_longest_makes_room() -> None:
    files: dict[float, str] = {}
    names = [f"{n}.gcode" for n in range(FILES_MAX)]
    for name in (*names, names[0], "new.gcode"):
        assert keep(files, name) == regime_of(name)
    assert list(files.values()) == [*names[2:], names[0], "new.gcode"]


def test_a_job_without_a_name_leaves_none() -> None:
    files: dict[float, str] = {}
    assert (keep(files, None), keep(files, ""), files) == (UNNAMED_JOB, UNNAMED_JOB, {})
