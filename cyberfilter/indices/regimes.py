# SPDX-License-Identifier: AGPL-3.0-or-later
"""What tells an index's usual levels apart: the target, or the job's file, whose name is kept for people to read."""

from __future__ import annotations

from hashlib import blake2s
from typing import Final

NO_JOB: Final = 0.0
UNNAMED_JOB: Final = 1.0
"""Regimes of an index that depends on the job: a file has one of its own (`regime_of`)."""
FILES_MAX: Final = 64
"""Names of files kept of a machine; the one that has not come for longest makes room."""


def regime_of(file: str | None) -> float:
    """Return the regime that a job's file is: the same name gives the same whole number, which a float holds exactly.

    >>> regime_of("sign.gcode") == regime_of("sign.gcode") != regime_of("box.gcode"), regime_of(None)
    (True, 1.0)
    """
    return float(int.from_bytes(blake2s(file.encode(), digest_size=6).digest())) if file else UNNAMED_JOB


def keep(files: dict[float, str], file: str | None) -> float:
    """Return a file's regime, and keep its name as the newest seen."""
    regime = regime_of(file)
    if file:
        files.pop(regime, None)
        files[regime] = file
        if len(files) > FILES_MAX:
            del files[next(iter(files))]
    return regime
