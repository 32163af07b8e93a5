# SPDX-License-Identifier: AGPL-3.0-or-later
"""How a collector works, as the settings say it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from collector.contract.topics import ROOT_DEFAULT
from collector.quota import Quota
from collector.rules import Rules

OURSELVES: Final = "collector"
"""The device under whose name the collector states its own trouble."""


class Ways(NamedTuple):
    """How a collector works: what it hears (None: all of the registry), its name, its bounds.

    Few messages share an fsync for up to `calm_s` real seconds; 0: every turn is kept at once. `newcomers` is the file
    of newcomers that were dismissed, `ours` are topic filters under which we speak to other programs ourselves.
    """

    root: str = ROOT_DEFAULT
    filters: Sequence[str] | None = None
    name: str = OURSELVES
    rules: Rules = Rules()
    quota: Quota = Quota()
    calm_s: float = 0.0
    newcomers: Path | None = None
    ours: Sequence[str] = ()
