# SPDX-License-Identifier: AGPL-3.0-or-later
"""Every journal keeps entries once and in order, with their checkpoint."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.contract.errors import Misconfigured, Unavailable
from collector.contract.ports import Checkpoint, Entry, Journal
from collector.journal import MemoryJournal, SqliteJournal


def entry(n: int, **body: object) -> Entry:
    return Entry(f"a-1:{n}", 1_700_000_000.1 + n, "raised", "a-1", body)


@pytest.fixture(params=["memory", "sqlite"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    opened = MemoryJournal() if request.param == "memory" else SqliteJournal(tmp_path / "journal.db")
    yield opened
    opened.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def test_entries_come_back_in_order_and_as_they_were(journal: Journal) -> None:
    kept = [entry(2, why="0.1 °C", at=0.1, nested={"a": [1, None, True]}), entry(1)]
    journal.append(kept)
    journal.append([entry(3)])
    assert journal.entries() == [*kept, entry(3)]


def test_an_id_is_kept_once_and_its_first_words_count(journal: Journal) -> None:
    journal.append([entry(1, why="first"), entry(1, why="second")])
    journal.append([entry(1, why="third"), entry(2)])
    assert journal.entries() == [entry(1, why="first"), entry(2)]


def test_a_new_journal_has_no_entries_and_no_checkpoint(journal: Journal) -> None:
    assert journal.entries() == []
    assert journal.checkpoint() is None
    assert journal.said() == 0


def test_the_number_of_the_last_fact_that_was_said_is_kept_with_its_entries(journal: Journal) -> None:
    journal.append([entry(1)], said=7, checkpoint=Checkpoint(5, b"five"))
    journal.append([entry(2)])
    assert (journal.said(), journal.checkpoint()) == (7, Checkpoint(5, b"five"))
    with pytest.raises(ValueError, match="JSON"):
        journal.append([entry(3, value=float("nan"))], said=9)
    assert journal.said() == 7


def test_the_newest_checkpoint_counts(journal: Journal) -> None:
    journal.append([], checkpoint=Checkpoint(1, b"one"))
    journal.append([entry(1)], checkpoint=Checkpoint(2, b"\x00two"))
    journal.append([entry(2)])
    assert journal.checkpoint() == Checkpoint(2, b"\x00two")


def test_a_body_that_json_cannot_say_keeps_nothing_of_the_call(journal: Journal) -> None:
    with pytest.raises(ValueError, match="JSON"):
        journal.append([entry(1), entry(2, value=float("nan"))], checkpoint=Checkpoint(1, b""))
    assert journal.entries() == []
    assert journal.checkpoint() is None


def test_an_entry_is_not_changed_by_changing_what_was_handed_in(journal: Journal) -> None:
    body: dict[str, object] = {"note": "as it was"}
    journal.append([Entry("1", 0.0, "note", "a", body)])
    body["note"] = "changed"
    journal.entries()[0].body["note"] = "changed"
    assert journal.entries()[0].body == {"note": "as it was"}


def test_entries_and_checkpoint_are_there_after_a_restart(path: Path) -> None:
    first = SqliteJournal(path)
    first.append([entry(1)], said=8, checkpoint=Checkpoint(7, b"state"))
    first.close()
    second = SqliteJournal(path)
    assert (second.entries(), second.said(), second.checkpoint()) == ([entry(1)], 8, Checkpoint(7, b"state"))
    second.close()


def test_a_locked_journal_is_unavailable_and_keeps_nothing(path: Path) -> None:
    journal = SqliteJournal(path, busy_s=0)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked"):
        journal.append([entry(1)])
    other.close()
    journal.append([entry(2)])
    assert journal.entries() == [entry(2)]
    journal.close()


def test_a_full_disk_is_unavailable_and_keeps_neither_entry_nor_checkpoint(path: Path) -> None:
    journal = SqliteJournal(path)
    journal.append([entry(1)], checkpoint=Checkpoint(1, b"one"))
    pages = journal._connection.execute("PRAGMA page_count").fetchone()[0]
    journal._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(Unavailable, match="full"):
        journal.append([entry(2, text="x" * 100_000)], checkpoint=Checkpoint(2, b"two"))
    assert (journal.entries(), journal.checkpoint()) == ([entry(1)], Checkpoint(1, b"one"))
    journal.close()


def test_a_file_that_is_no_journal_is_misconfigured(path: Path) -> None:
    path.write_bytes(b"not a database, " * 100)
    with pytest.raises(Misconfigured, match=f"journal {path}"):
        SqliteJournal(path)


def test_a_folder_that_is_not_there_is_misconfigured(path: Path) -> None:
    with pytest.raises(Misconfigured, match="existing"):
        SqliteJournal(path / "journal.db")


def test_a_file_of_a_later_format_is_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version = 99")
    other.close()
    with pytest.raises(Misconfigured, match="format is 99"):
        SqliteJournal(path)
