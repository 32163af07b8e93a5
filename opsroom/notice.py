# SPDX-License-Identifier: AGPL-3.0-or-later
"""What every page says of the product itself: its version, where its source is, and whether this is a demo."""

from __future__ import annotations

from typing import NamedTuple


class Notice(NamedTuple):
    """This is a demo with so many simulated machines, and so many recorded real ones."""

    simulated: int
    recorded: int = 0


class About(NamedTuple):
    """Version, the source's address where it is known, and the demo's notice where it is one."""

    version: str
    source: str | None = None
    notice: Notice | None = None
