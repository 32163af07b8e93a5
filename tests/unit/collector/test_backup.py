# SPDX-License-Identifier: AGPL-3.0-or-later
"""A backup fits together, whatever is written meanwhile."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from collector import backup
from collector.contract.errors import Misconfigured, Unavailable
from collector.contract.ports import Checkpoint
from collector.contract.reading import Batch, Samples
from collector.journal import SqliteJournal
from collector.spool import Spool
from collector.turn import Turn


def turn() -> Turn:
    return Turn([Batch("mk4", None, "native", 1.0, (Samples((1.0,), {"a_w": (1.0,)}),))])


def quiet(_: str) -> None:
    pass


def test_everything_but_what_is_passing_is_kept(tmp_path: Path) -> None:
    source, target = tmp_path / "data", tmp_path / "copy"
    spool = Spool(source / "facts.db")
    spool.commit(turn())
    for name in ("plant.toml", "broker.json", "ballast", "facts.db.v1.bak", "keys/devices.json", "broker/store"):
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_text(name)
    assert backup.snapshot(source, target, quiet) == {"facts.db": 3}
    kept = sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file())
    assert kept == ["facts.db", "keys/devices.json", "plant.toml"]
    spool.close()


def test_snapshot_is_of_one_moment_although_the_log_is_written_meanwhile(tmp_path: Path) -> None:
    source, target = tmp_path / "data", tmp_path / "copy"
    spool = Spool(source / "facts.db")
    for _ in range(20):
        spool.commit(Turn(turn().batches * 500))
    told: list[str] = []
    backup.snapshot(source, target, lambda text: (told.append(text), spool.commit(turn()))[0])
    with closing(sqlite3.connect(target / "facts.db")) as db:
        assert db.execute("SELECT max(last_n) FROM facts").fetchone() == (10_000,)
    assert (spool.last() > 10_000, bool(told)) == (True, True)
    spool.close()


def test_log_that_has_let_go_of_what_the_checkpoint_lacks_does_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "_PINS_MAX", 2)
    source = tmp_path / "data"
    spool, journal = Spool(source / "facts.db"), SqliteJournal(source / "journal.db")
    for n in range(1, 4):
        spool.commit(turn())
        journal.append([], checkpoint=Checkpoint(n, b""))
    spool.passed("cyberfilter", 3)
    spool.prune()
    backup.snapshot(source, tmp_path / "fits", quiet)
    journal.append([], checkpoint=Checkpoint(2, b""))
    with pytest.raises(Unavailable, match="was pruned during 2 attempts"):
        backup.snapshot(source, tmp_path / "does not", quiet)
    spool.close()
    journal.close()


def test_damage_is_found_before_anything_is_touched(tmp_path: Path) -> None:
    source, target = tmp_path / "data", tmp_path / "copy"
    source.mkdir()
    (source / "plant.toml").write_text("whole")
    manifest = backup.manifest_of(source, backup.snapshot(source, target, quiet), version="1", made_at=1.0)
    backup.check(target, manifest)
    (target / "plant.toml").write_text("whale")
    with pytest.raises(Misconfigured, match=r"plant\.toml is damaged: 5 bytes"):
        backup.check(target, manifest)


def test_numbers_that_were_given_out_after_the_snapshot_are_never_given_out_again(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "facts.db")
    spool.commit(turn())
    spool.close()
    backup.lift_numbers(tmp_path / "facts.db")
    again = Spool(tmp_path / "facts.db")
    assert [row.n for row in again.commit(turn())] == [1_000_000_001]
    assert again.pending("historian") == {"mk4": 2}
    again.close()


def test_empty_folder_is_nothing_to_keep(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="holds nothing to keep"):
        backup.snapshot(tmp_path, tmp_path / "copy", quiet)
