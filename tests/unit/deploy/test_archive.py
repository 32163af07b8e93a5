# SPDX-License-Identifier: AGPL-3.0-or-later
"""`cybersyn backup` and `cybersyn restore`: whole or not at all, and nothing is lost by trying."""

from __future__ import annotations

import io
import tarfile
import threading
from pathlib import Path

import pytest

from collector.contract.reading import Batch, Samples
from collector.drain import Drain
from collector.historian.memory import MemoryHistorian
from collector.listing import accounts
from collector.spool import Spool
from collector.turn import Turn
from deploy.cli import main
from deploy.clock import FileClock


def turn(n: int) -> Turn:
    made = Turn([Batch("mk4", "p", "native", float(n), (Samples((float(n),), {"a_w": (float(n),)}),))])
    made.counts["mk4", "received"] = made.counts["mk4", "kept"] = 1
    return made


def data(folder: Path, count: int = 3) -> Path:
    spool = Spool(folder / "facts.db")
    for n in range(count):
        spool.commit(turn(n))
    spool.close()
    (folder / "plant.toml").write_text("plant")
    return folder


def run(*words: object) -> int:
    return main([str(word) for word in words])


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
def test_restored_folder_holds_what_was_backed_up(tmp_path: Path, name: str) -> None:
    source, target = data(tmp_path / "data"), tmp_path / "new" / "folder"
    assert run("backup", tmp_path / name, "--data-dir", source) == 0
    assert run("restore", tmp_path / name, "--data-dir", target) == 0
    assert (target / "plant.toml").read_text() == "plant"
    assert ((tmp_path / name).stat().st_mode & 0o777, (target / "facts.db").stat().st_mode & 0o777) == (0o600, 0o600)
    spool = Spool(target / "facts.db")
    assert [row.batch for row in spool.read_from(1, most=9)] == [turn(n).batches[0] for n in range(3)]
    spool.close()


def test_backup_under_load_balances_and_drains_to_exactly_what_it_counts(tmp_path: Path) -> None:
    spool, stop = Spool(data(tmp_path / "data") / "facts.db"), threading.Event()

    def load() -> None:
        n = 3
        while not stop.is_set():
            spool.commit(turn(n))
            n += 1

    thread = threading.Thread(target=load)
    thread.start()
    assert run("backup", tmp_path / "a.tar", "--data-dir", tmp_path / "data") == 0
    stop.set()
    thread.join()
    spool.close()
    assert run("restore", tmp_path / "a.tar", "--data-dir", tmp_path / "new") == 0
    again, historian = Spool(tmp_path / "new" / "facts.db"), MemoryHistorian()
    account = accounts(again)["mk4"]
    Drain(again, historian, FileClock(1.0)).turn(wait_s=0.0)
    count = len(historian.series("p", "a_w", start=0.0, end=1e9, most=10**6))
    assert account["received"] == account["pending"] == count >= 3
    again.close()


def test_folder_that_is_not_empty_is_left_alone_and_with_force_kept_beside(tmp_path: Path) -> None:
    source, target = data(tmp_path / "data"), data(tmp_path / "other", count=1)
    assert run("backup", tmp_path / "a.tar", "--data-dir", source) == 0
    assert run("restore", tmp_path / "a.tar", "--data-dir", target) == 2
    assert run("restore", tmp_path / "a.tar", "--data-dir", target, "--force") == 0
    spool, before = Spool(target / "facts.db"), Spool(tmp_path / "other.before-restore-1" / "facts.db")
    assert (len(spool.read_from(1, most=9)), len(before.read_from(1, most=9))) == (3, 1)
    spool.close()
    before.close()


def test_running_system_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = data(tmp_path / "data")
    assert run("backup", tmp_path / "a.tar", "--data-dir", source) == 0
    spool = Spool(source / "facts.db")
    assert run("restore", tmp_path / "a.tar", "--data-dir", source, "--force") == 2
    assert "is in use by process" in capsys.readouterr().err
    assert spool.last() == 3
    spool.close()


def test_damaged_archive_touches_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, archive = data(tmp_path / "data"), tmp_path / "a.tar"
    assert run("backup", archive, "--data-dir", source) == 0
    blob = archive.read_bytes()
    at = blob.index(b"SQLite format 3") + 9_000
    archive.write_bytes(blob[:at] + b"\xff" + blob[at + 1 :])
    assert run("restore", archive, "--data-dir", source, "--force") == 2
    assert "facts.db is damaged" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar", "data"]


@pytest.mark.parametrize("cut", [100, 1_000])
def test_archive_that_was_cut_off_is_refused(tmp_path: Path, cut: int, capsys: pytest.CaptureFixture[str]) -> None:
    archive = tmp_path / "a.tar.gz"
    assert run("backup", archive, "--data-dir", data(tmp_path / "data")) == 0
    archive.write_bytes(archive.read_bytes()[:cut])
    assert run("restore", archive, "--data-dir", tmp_path / "new") == 2
    assert capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_archive_that_reaches_out_of_the_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = b'{"format":1,"version":"1","made_at":1.0,"formats":{},"files":[{"name":"../x","bytes":1,"sha256":""}]}'
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, content in (("manifest.json", manifest), ("../x", b"x")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    assert run("restore", tmp_path / "a.tar", "--data-dir", tmp_path / "new") == 2
    assert "is not what its manifest says" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("name", ["a.zip", "data/a.tar", "nowhere/a.tar"])
def test_place_that_cannot_work_is_wrong_use(tmp_path: Path, name: str) -> None:
    assert run("backup", tmp_path / name, "--data-dir", data(tmp_path / "data")) == 2
