# SPDX-License-Identifier: AGPL-3.0-or-later
"""Files that hold secrets: replaced in one step, readable by their owner alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

OWNER: Final = 0o600
OWNER_AND_GROUP: Final = 0o640
"""For files that a broker of another user reads: the folder's group is that user's."""


def write_private(path: Path, text: str, *, mode: int = OWNER) -> None:
    """Replace the file, whole or not at all, whatever dies meanwhile; from its first byte it has this mode."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())
    fresh.replace(path)
