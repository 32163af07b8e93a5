# SPDX-License-Identifier: AGPL-3.0-or-later
"""kill -9 of a writer: what it reported as written is there, every time."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from collector.contract.ports import Historian
from collector.historian.embedded import EmbeddedHistorian
from collector.journal import SqliteJournal

ROWS = 50
HISTORIAN_CHILD = f"""
import itertools, sys
from pathlib import Path
from collector.contract.ports import ReadingRow
from collector.historian.embedded import EmbeddedHistorian
historian = EmbeddedHistorian(Path(sys.argv[1]))
for n in itertools.count(int(sys.argv[2])):
    historian.write([ReadingRow("p", "d", "n_degc", n * {ROWS} + k, n) for k in range({ROWS})])
    print(n, flush=True)
"""
JOURNAL_CHILD = """
import itertools, sys
from pathlib import Path
from collector.contract.ports import Checkpoint, Entry
from collector.journal import SqliteJournal
journal = SqliteJournal(Path(sys.argv[1]))
for n in itertools.count(int(sys.argv[2])):
    entries = [Entry(f"{n}.{k}", float(n), "raised", "a", {"n": n}) for k in range(5)]
    journal.append(entries, checkpoint=Checkpoint(n, b"x" * 1000))
    print(n, flush=True)
"""


def killed(program: str, path: Path) -> Iterator[int]:
    """Start the writer five times, kill it in the middle, and yield the last number that it reported each time."""
    rng = random.Random(9)
    last = -1
    for _ in range(5):
        command = [sys.executable, "-P", "-c", program, str(path), str(last + 1)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            reported = [child.stdout.readline() for _ in range(rng.randint(1, 60))]
            child.kill()
            reported += child.stdout.readlines()
        last = int(reported[-1])
        yield last


def count(historian: Historian, number: int) -> int:
    found = historian.series("p", "n_degc", start=number * ROWS, end=(number + 1) * ROWS, most=ROWS)
    return [value for _, value in found].count(number)


def test_every_batch_that_was_reported_is_whole_after_kill_9(tmp_path: Path) -> None:
    for last in killed(HISTORIAN_CHILD, tmp_path / "historian.db"):
        historian = EmbeddedHistorian(tmp_path / "historian.db")
        assert [count(historian, n) for n in range(last + 1)] == [ROWS] * (last + 1)
        assert count(historian, last + 1) in {0, ROWS}
        historian.close()


def test_the_journal_has_every_reported_entry_and_its_checkpoint_after_kill_9(tmp_path: Path) -> None:
    for last in killed(JOURNAL_CHILD, tmp_path / "journal.db"):
        journal = SqliteJournal(tmp_path / "journal.db")
        checkpoint = journal.checkpoint()
        assert checkpoint is not None
        assert checkpoint.n in {last, last + 1}
        kept = [f"{n}.{k}" for n in range(checkpoint.n + 1) for k in range(5)]
        assert [entry.id for entry in journal.entries()] == kept
        journal.close()
