# SPDX-License-Identifier: AGPL-3.0-or-later
"""The table of foreign dialects: name to decoder. A new one is a module and a line here."""

from __future__ import annotations

from typing import Final

from collector.dialects import octoprint
from collector.dialects.dialect import Dialect, Heard

__all__ = ["DIALECTS", "Dialect", "Heard", "recognise"]

DIALECTS: Final[dict[str, Dialect]] = {row.name: row for row in (octoprint.DIALECT,)}


def recognise(topic: str) -> tuple[Dialect, str] | None:
    """Return the dialect whose form the topic has and its prefix without the last slash, or None.

    >>> found = recognise("fab/north/octoprint/p02/event/PrintDone")
    >>> found and (found[0].name, found[1])
    ('octoprint', 'fab/north/octoprint/p02')
    """
    for dialect in DIALECTS.values():
        prefix = dialect.recognise(topic)
        if prefix is not None:
            return dialect, prefix
    return None
