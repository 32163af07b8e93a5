# SPDX-License-Identifier: AGPL-3.0-or-later
"""Common cause: like machines that change together are one alert at their common place, not one each.

Like are machines below one unit with the same index. When within a quarter of an hour at least two of them, and half
of those that are there, leave their homes on the same side, what they share has changed: the mains, the air, a batch
of material. Their own alerts are answered by the common one, which returns when the last of them has.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from statistics import median
from typing import Final

import msgspec

from collector.contract.place import parent
from cyberfilter.alerts.lifecycle import Happening
from cyberfilter.alerts.signal import Begins, Ends, Signal, Whose

WINDOW_S: Final = 900.0
"""Time (s of the plant) within which changes count as one."""
MEMBERS_MIN: Final = 2
SHARE_MIN: Final = 0.5
_MEDIANS: Final = ("level", "expected", "lo", "hi", "size", "size_ratio", "sigma")
_KEPT: Final = ("sign", "change", "unit", "clock_s", "block_s")


class Member(msgspec.Struct):
    """A machine that has left its home: its signal, when, and whether it is still out."""

    ts: float
    kind: str
    facts: dict[str, float | str]


class Common(msgspec.Struct):
    """What has left home on one side, of one index below one unit; `raised`: there is one alert for all of them."""

    members: dict[str, Member] = {}
    raised: bool = False


Commons = dict[str, Common]
"""By unit, index and side."""


def gather(commons: Commons, whose: Whose, signal: Signal, like: int) -> list[tuple[Whose, Signal]]:
    """Return what a machine's signal leads to: itself, an alert for all, or nothing that is not said already.

    `like` is how many machines with that index stand below the same unit.
    """
    above = parent(whose.place)
    if above is None or like < MEMBERS_MIN:
        return [(whose, signal)]
    if isinstance(signal, Ends):
        return _ended(commons, whose, signal, above)
    if signal.index_name is None:
        return [(whose, signal)]
    side = "up" if float(signal.facts["size"]) > 0 else "down"
    common = commons.setdefault(f"{above}|{signal.index_name}|{side}", Common())
    if not common.raised:
        late = [device for device, member in common.members.items() if signal.ts - member.ts > WINDOW_S]
        for device in late:
            del common.members[device]
    earlier = list(common.members)
    common.members[whose.device] = Member(signal.ts, signal.kind, signal.facts)
    if common.raised:
        joined = _of_all(signal, common.members, like)._replace(how=Happening.JOIN)
        return [(Whose(above, above), joined)]
    if len(common.members) < max(MEMBERS_MIN, math.ceil(SHARE_MIN * like)):
        return [(whose, signal)]
    common.raised = True
    answered = Ends(signal.what, signal.ts, Happening.ANSWER)
    # the members' places differ from this one's in their last part, and an ending is found by the device
    alone: list[tuple[Whose, Signal]] = [(Whose(device, whose.place), answered) for device in earlier]
    return [*alone, (Whose(above, above), _of_all(signal, common.members, like))]


def members(commons: Mapping[str, Common], index: str, device: str | None = None, place: str | None = None) -> set[str]:
    """Return the machines whose change of the index is one alert: that of a device, or at a place."""
    for key, common in commons.items():
        above, name, _ = key.split("|")
        if common.raised and name == index and (device in common.members or above == place):
            return set(common.members)
    return set()


def leave(commons: Commons, index: str, devices: Iterable[str]) -> None:
    """Forget that these machines have left home: what they are at was accepted."""
    for key in [key for key in commons if key.split("|")[1] == index]:
        for device in devices:
            commons[key].members.pop(device, None)
        if not commons[key].members:
            del commons[key]


def _ended(commons: Commons, whose: Whose, signal: Ends, above: str) -> list[tuple[Whose, Signal]]:
    for key, common in commons.items():
        at, index, _ = key.split("|")
        if at != above or index != signal.what or whose.device not in common.members:
            continue
        del common.members[whose.device]
        if common.members:
            return [] if common.raised else [(whose, signal)]
        del commons[key]
        return [(Whose(above, above), signal)] if common.raised else [(whose, signal)]
    return [(whose, signal)]


def _of_all(signal: Begins, members: Mapping[str, Member], like: int) -> Begins:
    """Return the signal for all members: medians of their figures, and how far out they are together.

    z is Stouffer's: the sum of the members' distances in spreads, over the root of their number.
    """
    told = [member.facts for member in members.values()]
    facts: dict[str, float | str] = {name: signal.facts[name] for name in _KEPT if name in signal.facts}
    for name in _MEDIANS:
        figures = [float(each[name]) for each in told if name in each]
        if figures:
            facts[name] = round(median(figures), 4)
    sigmas = [float(each["sigma"]) for each in told if "sigma" in each]
    facts |= {
        "since": min(str(each["since"]) for each in told),
        "members": ", ".join(sorted(members)),
        "count": len(members),
        "like": like,
    }
    if sigmas:
        facts["z"] = round(math.fsum(sigmas) / math.sqrt(len(sigmas)), 1)
    return signal._replace(facts=facts)
