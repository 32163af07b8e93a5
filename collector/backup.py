# SPDX-License-Identifier: AGPL-3.0-or-later
"""Everything that lives in the data folder, as one archive, while the system runs.

Why a restore loses and doubles nothing of what is in the archive. The reader's checkpoint (journal), the log
(facts) and the historian are three files, and a reader must find in the log exactly what its checkpoint lacks. So
snapshots are pinned in the order journal, facts, and only then the historian is copied:

- journal before facts: a checkpoint at n is pinned when the log already held n, and the log is pinned after it, so
  the log holds everything up to n at least. Between the two pins a newer checkpoint may have let the log delete
  facts after n: then the reader's position in the log is beyond n, and both are pinned anew.
- facts before the historian: the historian has at least what the log says that it has; what it has beyond is
  written again, and the same sample twice is one sample.
- A snapshot is one read transaction of SQLite's write-ahead log: neither writers nor we wait for each other.

Numbers that were given out after the snapshot are never given out again: restoring lifts the log's next number, so
that a reader elsewhere that has seen them passes nothing over.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

import msgspec

from collector.contract.errors import Misconfigured, Unavailable

JOURNAL: Final = "journal.db"
FACTS: Final = "facts.db"
READER: Final = "cyberfilter"
"""Whose checkpoint the journal holds."""
MANIFEST: Final = "manifest.json"
FORMAT: Final = 1
NUMBERS_LIFTED: Final = 1_000_000_000
"""The log's next number after a restore is the next multiple of this."""
_HEAD: Final = b"SQLite format 3\x00"
_LEFT_OUT: Final = frozenset({"broker", "broker.json", "ballast"})
"""The embedded broker's store, where the running system is, and space held in reserve."""
BEFORE: Final = "before-restore-"
"""How the folder begins in which a restore leaves what was there."""
_PASSING: Final = (".lock", "-wal", "-shm", "-journal", ".bak", ".new", ".tmp", ".pid", ".log")
_PINS_MAX: Final = 50
_STEP_PAGES: Final = 2_048
_CHUNK_BYTES: Final = 1024 * 1024
Say = Callable[[str], None]


class Kept(msgspec.Struct, frozen=True):
    """A file of an archive."""

    name: str
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """What an archive holds, which program made it, and when (Unix s); `formats` are those of its databases."""

    format: int
    version: str
    made_at: float
    formats: dict[str, int]
    files: tuple[Kept, ...]


def snapshot(source: Path, target: Path, say: Say) -> dict[str, int]:
    """Fill the empty folder `target` with what `source` holds at one moment; return the databases' formats.

    Raises Misconfigured where there is nothing to keep, Unavailable where a file can't be read or written.
    """
    names = [path.relative_to(source) for path in sorted(_files(source))]
    if not names:
        raise Misconfigured(f"{source} holds nothing to keep; is it the data folder?")
    try:
        databases = [name for name in names if _is_database(source / name)]
        formats = _copy_databases(source, target, databases, say)
        for name in names:
            if name not in databases:
                _copy_file(source / name, target / name)
    except (OSError, sqlite3.Error) as error:
        raise Unavailable(f"backup of {source}: {error}") from error
    return formats


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name in _LEFT_OUT or path.name.endswith(_PASSING) or path.is_symlink():
            continue
        if path.name.startswith((BEFORE, ".")):
            continue
        if path.is_dir():
            yield from _files(path)
        elif path.is_file():
            yield path


def _is_database(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_HEAD)) == _HEAD


def _copy_file(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(path.read_bytes())
    target.chmod(path.stat().st_mode & 0o777)


def _copy_databases(source: Path, target: Path, names: list[Path], say: Say) -> dict[str, int]:
    """Copy journal and log from one moment, then the others."""
    first = [name for name in (Path(JOURNAL), Path(FACTS)) if name in names]
    formats: dict[str, int] = {}
    with ExitStack() as stack:
        pinned = _pinned(source, first, stack)
        for name, db in pinned.items():
            formats[str(name)] = _copied(db, name, target, say)
    for name in names:
        if name not in first:
            with closing(_opened(source / name)) as db:
                db.execute("BEGIN")
                formats[str(name)] = _copied(db, name, target, say)
    return formats


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=10.0, isolation_level=None)


def _pinned(source: Path, names: list[Path], stack: ExitStack) -> Mapping[Path, sqlite3.Connection]:
    """Return connections that hold one moment of each file, in this order, such that they fit together."""
    opened = {name: stack.enter_context(closing(_opened(source / name))) for name in names}
    for attempt in range(_PINS_MAX):
        for db in opened.values():
            db.execute("BEGIN")
            db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if len(opened) < 2 or _fit(*opened.values()):  # noqa: PLR2004 - journal and log
            return opened
        for db in opened.values():
            db.execute("COMMIT")
        time.sleep(0.01 * (attempt + 1))
    raise Unavailable(f"backup of {source}: the log was pruned during {_PINS_MAX} attempts; try again")


def _fit(journal: sqlite3.Connection, facts: sqlite3.Connection) -> bool:
    """Tell whether the log has everything that the journal's checkpoint lacks.

    It deletes only what the reader's position in it covers, and writes that position in the same transaction.
    """
    checkpoint = journal.execute("SELECT n FROM checkpoint").fetchone()
    position = facts.execute("SELECT n FROM readers WHERE name = ?", (READER,)).fetchone()
    return checkpoint is None or position is None or bool(position[0] <= checkpoint[0])


def _copied(db: sqlite3.Connection, name: Path, target: Path, say: Say) -> int:
    path = target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    told_s = time.monotonic()

    def progress(_: int, left: int, pages: int) -> None:
        nonlocal told_s
        if time.monotonic() - told_s >= 1.0:
            told_s = time.monotonic()
            say(f"{name}: {100 * (pages - left) // max(pages, 1)} %")

    with closing(sqlite3.connect(path, isolation_level=None)) as copy:
        db.backup(copy, pages=_STEP_PAGES, progress=progress, sleep=0.0)
        copy.execute("PRAGMA journal_mode = DELETE")
        version: int = copy.execute("PRAGMA user_version").fetchone()[0]
    path.chmod(0o600)
    say(f"{name}: {path.stat().st_size} bytes")
    return version


def manifest_of(folder: Path, formats: dict[str, int], *, version: str, made_at: float) -> Manifest:
    """Return the manifest of a folder that `snapshot` filled."""
    files = [
        Kept(str(path.relative_to(folder)), path.stat().st_size, sha256_of(path)) for path in sorted(_files(folder))
    ]
    return Manifest(FORMAT, version, made_at, formats, tuple(files))


def sha256_of(path: Path) -> str:
    """Return a file's checksum, in hex."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            found.update(chunk)
    return found.hexdigest()


def read_manifest(blob: bytes) -> Manifest:
    """Return an archive's manifest. Raises Misconfigured where it is none, or of a newer program."""
    try:
        found = msgspec.json.decode(blob, type=Manifest)
    except msgspec.DecodeError as error:
        raise Misconfigured(f"{MANIFEST} can't be read: {error}") from None
    if found.format > FORMAT:
        raise Misconfigured(f"the archive's format is {found.format}, this program reads up to {FORMAT}")
    return found


def check(folder: Path, manifest: Manifest) -> None:
    """Return where every file is there as the manifest says, and every database is sound. Raises Misconfigured."""
    for kept in manifest.files:
        path = folder / kept.name
        size = path.stat().st_size if path.is_file() else None
        if size != kept.bytes or sha256_of(path) != kept.sha256:
            raise Misconfigured(
                f"{kept.name} is damaged: {size} bytes, {kept.bytes} with sha256 {kept.sha256} expected"
            )
        if _is_database(path):
            with closing(_opened(path)) as db:
                (told,) = db.execute("PRAGMA quick_check(1)").fetchone()
            if told != "ok":
                raise Misconfigured(f"{kept.name} is damaged: {told}")


def lift_numbers(facts: Path) -> None:
    """Let the log go on with numbers that were never given out, whatever happened after the snapshot."""
    try:
        with closing(_opened(facts)) as db:
            db.execute("UPDATE sqlite_sequence SET seq = (seq / ?1 + 1) * ?1 WHERE name = 'facts'", (NUMBERS_LIFTED,))
    except sqlite3.Error as error:
        raise Unavailable(f"{facts}: {error}") from error
