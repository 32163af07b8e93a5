# SPDX-License-Identifier: AGPL-3.0-or-later
"""A backup as one file: a tar archive whose first member says what it holds."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import tempfile
import time
import zlib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import IO, Final

import msgspec

from collector import backup
from collector.backup import Manifest
from collector.contract.errors import Misconfigured, Unavailable
from collector.durable import Hold

_MANIFEST_BYTES_MAX: Final = 16 * 1024**2
_CHUNK_BYTES: Final = 1024 * 1024
RESTORING: Final = ".restoring"
Say = Callable[[str], None]


def write(file: Path, source: Path, extra: dict[str, Path], say: Say) -> Manifest:
    """Write the archive of a data folder, whole or not at all, readable by its owner alone.

    `extra` are files from elsewhere, by the name that they get. A name that ends in `gz` is compressed.
    """
    fresh = file.with_name(f".{file.name}.new")
    try:
        with tempfile.TemporaryDirectory(prefix=".cybersyn-backup-", dir=file.parent) as name:
            folder = Path(name)
            formats = backup.snapshot(source, folder, say)
            for called, path in extra.items():
                shutil.copyfile(path, folder / called)
            manifest = backup.manifest_of(folder, formats, version=version("cybersyn"), made_at=time.time())
            _pack(fresh, folder, manifest, say)
        fresh.replace(file)
    except OSError as error:
        raise Unavailable(f"backup to {file}: {error.strerror or error}") from error
    finally:
        fresh.unlink(missing_ok=True)
    return manifest


def _pack(fresh: Path, folder: Path, manifest: Manifest, say: Say) -> None:
    packed = fresh.name.removesuffix(".new").endswith("gz")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as out:
        with tarfile.open(fileobj=out, mode="w:gz" if packed else "w") as archive:
            _add(archive, backup.MANIFEST, io.BytesIO(told := msgspec.json.encode(manifest)), len(told), 0o600)
            for kept in manifest.files:
                path = folder / kept.name
                say(f"packing {kept.name}: {kept.bytes} bytes")
                with path.open("rb") as content:
                    _add(archive, kept.name, content, kept.bytes, path.stat().st_mode & 0o777)
        out.flush()
        os.fsync(out.fileno())


def _add(archive: tarfile.TarFile, name: str, content: IO[bytes], size: int, mode: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, mode, int(time.time())
    archive.addfile(member, content)


def restore(file: Path, folder: Path, say: Say, *, force: bool) -> Path | None:
    """Put the archive in the folder's place; return where what was there is now, None where there was nothing.

    Everything is unpacked beside and verified first. Raises Misconfigured where the archive is damaged, the folder
    is not empty and `force` is not given, or a running system holds it: then nothing was touched.
    """
    if folder.exists() and not folder.is_dir():
        raise Misconfigured(f"{folder} is not a folder")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise Misconfigured(f"{folder} is not empty; with --force its content is moved aside")
    folder.parent.mkdir(parents=True, exist_ok=True)
    mounted = folder.is_mount()
    fresh = folder / RESTORING if mounted else folder.with_name(folder.name + RESTORING)
    holds: list[Hold] = []
    try:
        if folder.is_dir():
            holds += [Hold(folder / name) for name in (backup.FACTS, backup.JOURNAL)]
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        backup.check(fresh, _unpack(file, fresh, say))
        if (fresh / backup.FACTS).exists():
            backup.lift_numbers(fresh / backup.FACTS)
        return _swap_inside(fresh, folder) if mounted else _swap(fresh, folder)
    except OSError as error:
        raise Unavailable(f"restore of {file} to {folder}: {error.strerror or error}") from error
    finally:
        for hold in holds:
            hold.release()
        shutil.rmtree(fresh, ignore_errors=True)


def _unpack(file: Path, fresh: Path, say: Say) -> Manifest:
    try:
        with tarfile.open(file) as archive:
            first = archive.next()
            content = archive.extractfile(first) if first and first.name == backup.MANIFEST else None
            if content is None or first is None or first.size > _MANIFEST_BYTES_MAX:
                raise Misconfigured(f"{file} does not begin with {backup.MANIFEST}: no archive of `cybersyn backup`")
            manifest = backup.read_manifest(content.read())
            expected = {kept.name: kept for kept in manifest.files}
            while (member := archive.next()) is not None:
                kept, content = expected.get(member.name), archive.extractfile(member)
                if kept is None or content is None or member.size != kept.bytes or not _is_inside(member.name):
                    raise Misconfigured(f"{file}: {member.name!r} is not what its manifest says")
                say(f"unpacking {member.name}: {member.size} bytes")
                _put(content, fresh / member.name, member.mode & 0o700)
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise Misconfigured(f"{file} can't be read: {error}") from None
    return manifest


def _is_inside(name: str) -> bool:
    return not name.startswith("/") and ".." not in Path(name).parts


def _put(content: IO[bytes], path: Path, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as out:
        shutil.copyfileobj(content, out, _CHUNK_BYTES)
        out.flush()
        os.fsync(out.fileno())
    path.chmod(mode | 0o600)


def _aside(folder: Path) -> Path:
    """Return the first free name for what was there."""
    for number in range(1, 1_000):
        path = folder.with_name(f"{folder.name}.{backup.BEFORE}{number}")
        if not path.exists():
            return path
    raise Unavailable(f"{folder.parent} holds {number} folders of earlier restores; remove some")


def _swap(fresh: Path, folder: Path) -> Path | None:
    """Put the new folder in the old one's place by renaming."""
    aside = _aside(folder) if folder.is_dir() else None
    if aside is not None:
        folder.rename(aside)
    try:
        fresh.rename(folder)
    except OSError:
        if aside is not None:
            aside.rename(folder)
        raise
    return aside


def _swap_inside(fresh: Path, folder: Path) -> Path | None:
    """Do the same inside a folder that can't be renamed, because a disk is mounted there."""
    old = [path for path in folder.iterdir() if path != fresh and not path.name.startswith(backup.BEFORE)]
    aside = next(path for n in range(1, 1_000) if not (path := folder / f"{backup.BEFORE}{n}").exists())
    aside.mkdir(mode=0o700)
    for path in old:
        path.rename(aside / path.name)
    for path in sorted(fresh.iterdir()):
        path.rename(folder / path.name)
    return aside
