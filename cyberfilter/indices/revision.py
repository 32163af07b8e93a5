# SPDX-License-Identifier: AGPL-3.0-or-later
"""When a unit does more than it said it can: after three values in a row a new capability is proposed, never set.

Actuality above capability is information, not an error (Beer, Brain of the Firm, ch. 11): the unit itself agrees a new
figure, or none.
"""

from __future__ import annotations

from typing import Final

import msgspec

from cyberfilter.contract.index import Revision
from cyberfilter.indices.catalogue import Good, Index

VALUES: Final = 3
"""Values in a row beyond the capability before anything is proposed."""
STANDS_S: Final = 86_400.0
"""How long a proposal stands after the last such run."""
_DIGITS: Final = 3


class Beyond(msgspec.Struct):
    """The values in a row that are beyond `capability`, and the proposal that stands."""

    capability: float | None = None
    count: int = 0
    total: float = 0.0
    since: float = 0.0
    proposed: Revision | None = None


def note(beyond: Beyond, row: Index, value: float, capability: float | None, ts: float) -> Revision | None:
    """Take a value (at `ts`, Unix s) against its capability; return the proposal that stands, if there is one.

    A proposal is the mean of the run, to three digits; one made under another capability is void.
    """
    if capability != beyond.capability:
        beyond.capability, beyond.count, beyond.proposed = capability, 0, None
    if capability is None or row.good is Good.NEITHER:
        return None
    if (value < capability) if row.good is Good.LOWER else (value > capability):
        if beyond.count == 0:
            beyond.total, beyond.since = 0.0, ts
        beyond.count, beyond.total = beyond.count + 1, beyond.total + value
    else:
        beyond.count = 0
    if beyond.count >= VALUES:
        mean = float(f"{beyond.total / beyond.count:.{_DIGITS}g}")
        if mean != capability:
            beyond.proposed = Revision(mean, beyond.since, ts, beyond.count)
    elif beyond.proposed is not None and ts - beyond.proposed.until > STANDS_S:
        beyond.proposed = None
    return beyond.proposed
