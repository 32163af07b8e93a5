# SPDX-License-Identifier: AGPL-3.0-or-later
"""Peers from PyPI: a child process in an environment of their own reads series and writes where it alarmed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from judging import Bools, Floats
from scenarios import CHANGES
from table import Session

CHILD: Final = Path(__file__).with_name("peers_child.py")
SERIES: Final = 30
"""So many runs of each cell are enough for programs that take a row at a time."""
PATIENCE_S: Final = 1800.0


class Waiting(NamedTuple):
    """A child at work, and where it writes."""

    child: subprocess.Popen[bytes]
    folder: Path


def _there(session: Session) -> bool:
    return session.peers is not None and session.peers.exists()


def begin(session: Session, tuning: Floats, quiet: Floats, cells: Sequence[Floats]) -> Waiting | None:
    """Start the peers on the headline's series (the first SERIES of each); None where they are not installed."""
    if not _there(session):
        session.say("the peers' environment is not there (make bench-filter makes it): their rows are left out")
        return None
    folder = Path(tempfile.mkdtemp(prefix="bench-filter-"))
    count = 5 if session.quick else SERIES
    series = {f"cell {change.name}": cell[:count] for change, cell in zip(CHANGES, cells, strict=True)}
    np.savez(folder / "series.npz", tuning=tuning[:count], quiet=quiet[:count], **series)
    return Waiting(_start(session, "alarms", folder), folder)


def _start(session: Session, what: str, folder: Path) -> subprocess.Popen[bytes]:
    one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen(
        [str(session.peers), str(CHILD), what, str(folder)], env=os.environ | one, stdout=subprocess.DEVNULL
    )


def end(session: Session, waiting: Waiting | None) -> dict[str, tuple[Bools, dict[str, Bools]]]:
    """Return each peer's alarms on the noise and on every cell; nothing where there is no child, or it failed."""
    if waiting is None:
        return {}
    session.say("waiting for the peers from PyPI")
    try:
        if waiting.child.wait(PATIENCE_S):
            session.say("the peers from PyPI failed: their rows are left out")
            return {}
        with np.load(waiting.folder / "alarms.npz") as told:
            names = sorted({key.partition("|")[0] for key in told.files})
            return {
                f"{name} ({len(told[f'{name}|quiet'])} runs)": (
                    told[f"{name}|quiet"],
                    {change.name: told[f"{name}|cell {change.name}"] for change in CHANGES},
                )
                for name in names
            }
    except subprocess.TimeoutExpired:
        waiting.child.kill()
        session.say("the peers from PyPI took too long: their rows are left out")
        return {}
    finally:
        shutil.rmtree(waiting.folder)


def speeds(session: Session) -> dict[str, Any]:
    """Return how fast each peer is, by name: updates a second, and of how many series at once."""
    if not _there(session):
        return {}
    with tempfile.TemporaryDirectory(prefix="bench-filter-") as folder:
        if _start(session, "speed", Path(folder)).wait(PATIENCE_S):
            return {}
        return dict(json.loads((Path(folder) / "speed.json").read_text(encoding="utf-8")))
