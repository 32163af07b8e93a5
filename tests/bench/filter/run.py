# SPDX-License-Identifier: AGPL-3.0-or-later
"""The bench of the filter: what it finds, how soon, how rightly and how fast, beside its peers and beside floors.

`make bench-filter ARGS="--nab DIR --tcpd DIR"`, or `python tests/bench/filter/run.py`. It prints, and never fails on a
figure; `README.md` beside it says what each table means.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Final

import calibration
import fixed
import headline
import histories
import nab
import nab_table
import pooling
import speed
import tails
import tcpd
from scenarios import PUBLISHED_COUNT
from table import Session, show_goals

PARTS: Final = ("headline", "fixed", "tails", "calibration", "pooling", "histories", "nab", "tcpd", "speed")


def main() -> None:
    """Run the parts that are asked for, and print the goals."""
    asked = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    asked.add_argument("--quick", action="store_true", help="few series: below a minute, figures are rough")
    asked.add_argument("--runs", type=int, default=PUBLISHED_COUNT, help="series a cell, at most %(default)s")
    asked.add_argument("--only", default=",".join(PARTS), help=f"parts, with commas: {','.join(PARTS)}")
    asked.add_argument("--nab", type=Path, help="folder with data/ and combined_windows.json of the NAB")
    asked.add_argument("--tcpd", type=Path, help="folder with datasets/ and annotations.json of the TCPD")
    asked.add_argument("--peers", type=Path, help="python of the peers' environment")
    asked.add_argument("--json", type=Path, help="write everything that was found into this file")
    words = asked.parse_args()
    parts = set(words.only.split(","))
    if parts - set(PARTS):
        asked.error(f"--only {words.only}: {', '.join(sorted(parts - set(PARTS)))} is none of {', '.join(PARTS)}")
    session = Session(quick=words.quick, seed_count=words.runs, nab=words.nab, tcpd=words.tcpd, peers=words.peers)
    _run(session, parts)
    show_goals(session)
    session.say(f"done: {len(session.goals)} goals")
    if words.json:
        words.json.write_text(json.dumps(session.found | {"goals": session.goals}, indent=1), encoding="utf-8")


def _run(session: Session, parts: set[str]) -> None:
    if "speed" in parts:  # first, while nothing else of ours runs
        speed.run(session)
    if parts & {"headline", "fixed"}:
        kept = headline.run(session)
        fixed.run(session, kept)
    for name, part in (("tails", tails), ("pooling", pooling), ("histories", histories)):
        if name in parts:
            part.run(session)
    files = nab.read(session.nab) if session.nab and parts & {"nab", "calibration"} else []
    if "calibration" in parts:
        calibration.run(session, files)
    if "nab" in parts and files:
        nab_table.run(session, files)
    if "tcpd" in parts and session.tcpd:
        tcpd.run(session, session.tcpd)
    for part, folder in (("nab", session.nab), ("tcpd", session.tcpd)):
        if part in parts and folder is None:
            session.goal(f"4 {part.upper()}", f"no data: --{part} DIR", None)


if __name__ == "__main__":
    main()
