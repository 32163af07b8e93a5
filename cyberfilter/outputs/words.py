# SPDX-License-Identifier: AGPL-3.0-or-later
"""Names as others take them: a device's id as one plain word, an indicator's or index's name as a title."""

from __future__ import annotations

import re
from typing import Final

_PLAIN: Final = re.compile(r"[^A-Za-z0-9-]")


def device_word(device: str) -> str:
    """Return the id in letters, digits, - and _ alone; two ids never give the same word.

    >>> device_word("mk4-07"), device_word("a.b"), device_word("a_2eb")
    ('mk4-07', 'a_2eb', 'a__2eb')
    """
    return _PLAIN.sub(lambda sign: "__" if sign[0] == "_" else f"_{ord(sign[0]):02x}", device)


def title(name: str) -> str:
    """Return a name without its unit, for people.

    >>> title("nozzle_target_degc"), title("pace_ratio")
    ('Nozzle target', 'Pace')
    """
    return name.rpartition("_")[0].replace("_", " ").capitalize() or name
