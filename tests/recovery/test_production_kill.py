# SPDX-License-Identifier: AGPL-3.0-or-later
"""The production book after kill -9: every fact up to its number is in it once, and none beyond."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

from collector.chronicle import SqliteChronicle
from cyberfilter.production.book import HOUR, STATE, read_hour

CHILD = """
import sys
from pathlib import Path
from collector.chronicle import SqliteChronicle
from collector.contract.event import State, StateSeen
from collector.contract.reading import Batch, Numbered, Samples
from cyberfilter.production.book import Book
book = Book(SqliteChronicle(Path(sys.argv[1])))
while True:
    some = range(book.n + 1, book.n + 8)
    facts = [(StateSeen(float(n), State.IDLE), Samples((float(n),), {"voc_ppb": (1.0,)})) for n in some]
    book.take(Numbered(n, Batch("mk4", "a/mk4", "native", float(n), told)) for n, told in zip(some, facts))
    book.save()
    print(book.n, flush=True)
"""


def test_a_killed_book_goes_on_where_it_was_and_doubles_nothing(tmp_path: Path) -> None:
    chance, path = random.Random(3), tmp_path / "production.db"
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-P", "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            told = [int(child.stdout.readline()) for _ in range(chance.randint(1, 40))]
            child.kill()
        chronicle = SqliteChronicle(path)
        assert chronicle.n() >= told[-1]
        states = [row.start for row in chronicle.find(STATE, "mk4", start=0.0, end=1e9)]
        assert states == [float(n) for n in range(1, chronicle.n() + 1)]
        hours = [read_hour(row) for row in chronicle.find(HOUR, "mk4", start=0.0, end=1e9)]
        assert sum(minute.means["voc_ppb"][1] for hour in hours for minute in hour.values()) == chronicle.n()
        chronicle.close()
