# SPDX-License-Identifier: AGPL-3.0-or-later
"""How much of the disk the fact log may take, and when intake stops, so that nothing acknowledged is ever lost.

Three lines, from above: below the reserve no message is taken; down to a quarter of it our own facts still are;
and the ballast is space held for the moment when the disk is full to the last byte, because then even deleting
needs a few pages.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

HARD_SHARE: Final = 4
"""The last of so many parts of the reserve is left alone even by our own facts."""
BALLAST_BYTES_MAX: Final = 64 * 1024**2
RESUME_S: Final = 2.0
"""After how long (real s) a message that found no room is tried again."""


class Bounds(NamedTuple):
    """The bounds of the log on disk, in bytes: it takes at most `log_bytes_max`, and leaves `reserve_bytes` free."""

    log_bytes_max: int = 4 * 1024**3
    reserve_bytes: int = 256 * 1024**2

    @property
    def hard_reserve_bytes(self) -> int:
        """What is left free by everything, our own facts included."""
        return self.reserve_bytes // HARD_SHARE

    @property
    def ballast_bytes(self) -> int:
        """How large the ballast is: it lies within the reserve."""
        return min(BALLAST_BYTES_MAX, self.reserve_bytes // HARD_SHARE)


class LogState(NamedTuple):
    """How the log stands: sizes in bytes, `oldest_at` (Unix s) of what waits for the historian, `behind` in batches.

    `full` says why no message is taken now, and is None while all are.
    """

    bytes: int
    bytes_max: int
    oldest_at: float | None
    behind: int
    disk_free_bytes: int
    full: str | None


class Disk:
    """The file system that a log stands on."""

    def __init__(self, folder: Path, bounds: Bounds | None = None, *, ballast: bool = False) -> None:
        self.bounds = bounds or Bounds()
        self._folder = folder
        self._ballast = folder / "ballast" if ballast else None
        self.restore_ballast()

    def free_bytes(self) -> int:
        """Return what a program that is not root may still write."""
        found = os.statvfs(self._folder)
        return found.f_bavail * found.f_frsize

    def full(self, log_bytes: int, *, spare_bytes: int = 0, owed_bytes: int = 0) -> str | None:
        """Return why no message may be taken, or None.

        Of the log's file `spare_bytes` lie unused, and it has still to grow by `owed_bytes`.
        """
        bounds, free = self.bounds, self.free_bytes() - owed_bytes
        if free < bounds.hard_reserve_bytes or free + spare_bytes < bounds.reserve_bytes:
            return f"the disk of {self._folder} has {max(free, 0)} bytes free, {bounds.reserve_bytes} are the reserve"
        if log_bytes >= bounds.log_bytes_max:
            return f"the fact log has {log_bytes} bytes, at most {bounds.log_bytes_max} are allowed"
        return None

    def exhausted(self, *, owed_bytes: int = 0) -> str | None:
        """Return why not even our own facts may be written, or None."""
        least, free = self.bounds.hard_reserve_bytes, self.free_bytes() - owed_bytes
        if free >= least:
            return None
        return f"the disk of {self._folder} has {max(free, 0)} bytes free, the last {least} are left alone"

    def give_up_ballast(self) -> bool:
        """Free the ballast's space; tell whether there was one."""
        if self._ballast is None or not self._ballast.exists():
            return False
        with suppress(OSError):
            self._ballast.unlink()
            return True
        return False

    def restore_ballast(self) -> None:
        """Take the ballast's space again, where that leaves the reserve free."""
        size = self.bounds.ballast_bytes
        if self._ballast is None or self._ballast.exists() or self.free_bytes() < self.bounds.reserve_bytes + size:
            return
        try:
            handle = os.open(self._ballast, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                os.posix_fallocate(handle, 0, max(size, 1))
            finally:
                os.close(handle)
        except OSError:  # the disk filled up in between: a half ballast would be none
            self.give_up_ballast()
