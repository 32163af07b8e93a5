# SPDX-License-Identifier: AGPL-3.0-or-later
"""kill -9 of a writer: what it reported as written is there, every time."""

from __future__ import annotations

import math
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.contract.ports import Historian, ReadingColumn
from collector.historian import packing
from collector.historian.embedded import EmbeddedHistorian
from collector.historian.retention import FOR_EVER
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
TIDYING_CHILD = f"""
import itertools, sys
from pathlib import Path
from collector.contract.ports import ReadingRow
from collector.historian import packing
from collector.historian.embedded import EmbeddedHistorian
from collector.historian.retention import FOR_EVER
packing.CHUNK_SAMPLES, packing.STEP_WORK = 16, 1
historian = EmbeddedHistorian(Path(sys.argv[1]), FOR_EVER)
for n in itertools.count(int(sys.argv[2])):
    late = [ReadingRow("p", "d", "n_degc", (n - 1) * 3600 + k * 72 + 1, n) for k in range({ROWS})]
    historian.write([ReadingRow("p", "d", "n_degc", n * 3600 + k * 72, n) for k in range({ROWS})] + late)
    while historian.tidy((n + 1) * 3600 + 300):
        pass
    print(n, flush=True)
"""
"""Batch n has half of hour n and the other half of the hour before, which is packed by then."""
READING_CHILD = """
import select, sys
from pathlib import Path
from collector.historian.embedded import EmbeddedHistorian
historian = EmbeddedHistorian(Path(sys.argv[1]))
seen = set()
print("reads", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    samples = historian.series("p", "n_degc", start=0, end=4e4, most=99_999)
    minutes = historian.rolled("p", "n_degc", start=0, end=4e4, step_s=60, most=99_999)
    seen.add((len(samples), len(minutes), sum(mean for _, _, mean, _ in minutes)))
print(seen)
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


def test_kill_9_in_the_midst_of_tidying_loses_nothing_and_counts_nothing_twice(tmp_path: Path) -> None:
    for last in killed(TIDYING_CHILD, tmp_path / "historian.db"):
        historian = EmbeddedHistorian(tmp_path / "historian.db", FOR_EVER)
        for tidied in range(2):
            found = historian.series("p", "n_degc", start=0, end=math.inf, most=99_999)
            hours = historian.rolled("p", "n_degc", start=0, end=1e9, step_s=3_600, most=99_999)
            for n in range(last):  # the last hour's late half is in the next batch
                mine = [(n * 3_600 + k * 72 + late, n + late) for k in range(ROWS) for late in range(2)]
                assert found[2 * ROWS * n : 2 * ROWS * (n + 1)] == mine
                assert hours[n] == (n * 3_600, n, n + 0.5, n + 1)
            while not tidied and historian.tidy((last + 9) * 3_600):
                pass
        historian.close()


def test_reader_in_another_process_sees_everything_while_it_is_tidied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "CHUNK_SAMPLES", 300)
    monkeypatch.setattr(packing, "STEP_WORK", 1)
    historian = EmbeddedHistorian(tmp_path / "historian.db", FOR_EVER)
    historian.write([ReadingColumn("p", "d", "n_degc", [float(n) for n in range(36_000)], [1.0] * 36_000)])
    command = [sys.executable, "-P", "-c", READING_CHILD, str(tmp_path / "historian.db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "reads\n"
        while historian.tidy(1e6):
            pass
        assert child.communicate()[0] == "{(36000, 600, 600.0)}\n"
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
