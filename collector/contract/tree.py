# SPDX-License-Identifier: Apache-2.0
"""The tree of viable systems as data: units, what they agreed, and which device stands where.

One TOML file holds it; `read_plant` turns the parsed file into values or says what is wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from collector.contract.errors import Misconfigured, Refusal
from collector.contract.indicator import is_name
from collector.contract.limits import DURATION_S_MAX, NUMBER_ABS_MAX, TIME_S_MAX, TOPIC_BYTES_MAX
from collector.contract.place import check_device, check_place, contains, parent
from collector.contract.shift import Hours, check_hours

REACTION_S_BY_DEPTH: Final = {0: 3_600.0, 1: 3_600.0, 2: 28_800.0, 3: 172_800.0}
"""Reaction times proposed until a unit agrees its own, by height above the machine (cyberstride.md 2.1)."""
REACTION_S_TOP: Final = 604_800.0
_HOST: Final = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*|[0-9A-Fa-f.]*:[0-9A-Fa-f:.]+")
_PORT_MAX: Final = 65_535
_FINGERPRINT: Final = re.compile(r"[0-9A-Fa-f]{64}")
_PREFIX: Final = re.compile(r"[A-Za-z0-9_.:@=~-]+(/[A-Za-z0-9_.:@=~-]+)*")


class Unit(msgspec.Struct, frozen=True):
    """A unit of the recursion: its agreed time before an alert goes one level up, and who is on duty there.

    `duty` are names that the unit chose: of people, or of a shared phone. `hours` are the keys of `Hours` in the
    unit's own table: timezone, shifts, closed, maintenance, grid_g_per_kwh. In a `serial` flow what stands in the unit
    works on the same piece one after the other, so the narrowest stage is all that the unit can do; `usage` is how
    much of this unit's output a piece of the unit above takes.
    """

    place: str
    name: str
    level: str = ""
    reaction_s: float | None = None
    duty: tuple[str, ...] = ()
    hours: Hours = Hours()
    flow: Literal["parallel", "serial"] = "parallel"
    usage: float = 1.0


class Limits(msgspec.Struct, frozen=True):
    """Between which values an indicator must stay, in its unit; outside is a hazard. None: no bound on that side."""

    low: float | None = None
    high: float | None = None


class Capacity(msgspec.Struct, frozen=True):
    """What a unit agreed about an index: what it can do now, and what it could do (contract 0).

    For the units above: `weight` turns the index into their common unit (standard hours, say), and `usage` is how much
    of it a piece of a serial flow takes.
    """

    capability: float
    potentiality: float | None = None
    weight: float = 1.0
    usage: float = 1.0


class Stay(msgspec.Struct, frozen=True):
    """Where a device stood before: `place` (`@device` while it had none) until `until` (Unix s)."""

    place: str
    until: float


class Attach(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a machine is dialled that does not come to our broker; its secrets stand elsewhere.

    A Bambu printer is known by the authority in `ca_file` (PEM), which has certified its serial number, or by the
    SHA-256 `fingerprint` of its certificate (64 hex digits). `poll_s` is how often PrusaLink is asked.
    """

    kind: Literal["bambu", "prusalink"]
    host: str
    port: int | None = None
    fingerprint: str | None = None
    ca_file: str | None = None
    poll_s: float = 3.0


ATTACH_PORTS: Final = {"bambu": 8883, "prusalink": 80}
"""Where a machine listens unless told otherwise."""
POLL_S_MIN: Final = 1.0
POLL_S_MAX: Final = 60.0


class Machine(msgspec.Struct, frozen=True):
    """A device and where it stands; `prefix` is the topic under which a foreign dialect speaks.

    `cadence_s` is how often it speaks when all is well; 0: its silence means nothing; None: learn it. `clock` "none":
    it has no clock of its own, and its samples bear their arrival time. `formerly` is where it stood before, oldest
    first. `attach` says how we dial it, where it does not come to our broker.
    """

    device: str
    place: str
    dialect: str = "native"
    prefix: str | None = None
    cadence_s: float | None = None
    clock: Literal["own", "none"] = "own"
    indices: dict[str, Capacity] = {}
    limits: dict[str, Limits] = {}
    formerly: tuple[Stay, ...] = ()
    attach: Attach | None = None


class Plant(msgspec.Struct, frozen=True):
    """The whole tree: units by place, machines by device id."""

    units: dict[str, Unit]
    machines: dict[str, Machine]

    def reaction_s(self, place: str) -> float:
        """Return the agreed reaction time of a unit, or the proposed one for its height above the machines."""
        unit = self.units.get(place)
        if unit is not None and unit.reaction_s is not None:
            return unit.reaction_s
        depths = [m.place.count("/") for m in self.machines.values() if contains(place, m.place)]
        height = max(depths, default=place.count("/")) - place.count("/")
        return REACTION_S_BY_DEPTH.get(height, REACTION_S_TOP)

    def name(self, place: str) -> str:
        """Return what people call the unit: its name, or the last segment of its place."""
        unit = self.units.get(place)
        return unit.name if unit is not None else place.rpartition("/")[2]


def read_plant(parsed: Mapping[str, Any]) -> Plant:
    """Return the plant that a parsed TOML file describes; raises Misconfigured, which names the key.

    >>> read_plant({"machines": {"mk4": {"place": "commons/mk4"}}}).machines["mk4"].dialect
    'native'
    """
    try:
        units = {p: _unit(p, row) for p, row in parsed.get("units", {}).items()}
        machines = {d: msgspec.convert({"device": d, **row}, Machine) for d, row in parsed.get("machines", {}).items()}
    except (msgspec.ValidationError, TypeError) as error:
        raise Misconfigured(f"plant file: {error}") from None
    try:
        for place, unit in units.items():
            check_place(place)
            check_hours(place, unit.hours)
            _check_share(f"units.{place}: usage", unit.usage)
        for machine in machines.values():
            _check_machine(machine)
    except Refusal as refusal:
        raise Misconfigured(f"plant file: {refusal.detail}") from None
    _check_prefixes(machines)
    everywhere = set(units)
    for machine in machines.values():
        above: str | None = machine.place
        while above is not None:
            everywhere.add(above)
            above = parent(above)
    for place in everywhere - set(units):
        units[place] = Unit(place, place.rpartition("/")[2])
    return Plant(units, machines)


def _unit(place: str, row: Mapping[str, Any]) -> Unit:
    """Return the unit of a table, named by its last segment if by nothing else; its hours stand beside the rest."""
    return msgspec.convert({"place": place, "name": place.rpartition("/")[2], **row, "hours": row}, Unit)


def _check_machine(machine: Machine) -> None:
    check_device(machine.device)
    check_place(machine.place)
    if machine.cadence_s is not None and not 0.0 <= machine.cadence_s <= DURATION_S_MAX:
        raise Refusal("bad_cadence", f"machines.{machine.device}: cadence_s = {machine.cadence_s} is not within 0..1e9")
    if machine.attach is not None:
        _check_attach(machine, machine.attach)
    since = 0.0
    for stay in machine.formerly:
        check_device(stay.place[1:]) if stay.place.startswith("@") else check_place(stay.place)
        if not since < stay.until < TIME_S_MAX:
            raise Refusal(
                "bad_stay", f"machines.{machine.device}: formerly at {stay.place} until {stay.until}: not in order"
            )
        since = stay.until
    for index, capacity in machine.indices.items():
        for name in ("weight", "usage"):
            _check_share(f"machines.{machine.device}.indices.{index}: {name}", getattr(capacity, name))
    for indicator, limits in machine.limits.items():
        _check_limits(f"machines.{machine.device}.limits.{indicator}", indicator, limits)


def _check_share(where: str, share: float) -> None:
    if not 0.0 < share <= NUMBER_ABS_MAX:
        raise Refusal("bad_share", f"{where} = {share} is not above 0")


def _check_limits(where: str, indicator: str, limits: Limits) -> None:
    if not is_name(indicator):
        raise Refusal("bad_limits", f"{where}: an indicator is snake_case with its unit last, as nozzle_degc")
    low, high = limits.low, limits.high
    if (low is None and high is None) or (low is not None and high is not None and low >= high):
        raise Refusal("bad_limits", f"{where}: low = {low} and high = {high}; one of them, or low below high")
    if any(bound is not None and not abs(bound) <= NUMBER_ABS_MAX for bound in (low, high)):
        raise Refusal("bad_limits", f"{where}: low = {low} and high = {high} are not within ±{NUMBER_ABS_MAX:g}")


def _check_attach(machine: Machine, attach: Attach) -> None:
    """Raise a Refusal `bad_attach` that names key, value and bound."""

    def refuse(key: str, what: str) -> Refusal:
        return Refusal("bad_attach", f"machines.{machine.device}.attach: {key} {what}")

    if attach.kind != machine.dialect:
        raise refuse("kind", f"= {attach.kind!r}, but its dialect is {machine.dialect!r}: they have to be the same")
    if not _HOST.fullmatch(attach.host):
        raise refuse("host", f"= {attach.host[:80]!r} is neither a name nor an address")
    if attach.port is not None and not 1 <= attach.port <= _PORT_MAX:
        raise refuse("port", f"= {attach.port} is not within 1..{_PORT_MAX}")
    if not POLL_S_MIN <= attach.poll_s <= POLL_S_MAX:
        raise refuse("poll_s", f"= {attach.poll_s} is not within {POLL_S_MIN:g}..{POLL_S_MAX:g}")
    if attach.fingerprint is not None and not _FINGERPRINT.fullmatch(attach.fingerprint.replace(":", "")):
        raise refuse("fingerprint", f"= {attach.fingerprint[:80]!r} is not 64 hex digits (SHA-256)")
    known_by = sum(known is not None for known in (attach.fingerprint, attach.ca_file))
    if attach.kind == "bambu" and known_by != 1:
        raise refuse("fingerprint, ca_file", f"are {known_by}: one of them, or nobody knows whether it is this printer")
    if attach.kind != "bambu" and known_by:
        raise refuse("fingerprint, ca_file", f"are for TLS, which {attach.kind} does not speak")


def _check_prefixes(machines: Mapping[str, Machine]) -> None:
    """Raise Misconfigured for a prefix that is missing, is none, no topic, or another machine's."""
    taken: dict[str, str] = {}
    for machine in machines.values():
        if (machine.dialect == "native") is (machine.prefix is not None):
            raise Misconfigured(
                f"plant file: machines.{machine.device}: dialect {machine.dialect!r} with prefix {machine.prefix!r}; "
                "a foreign dialect needs a prefix, and native has none"
            )
        if machine.prefix is None:
            continue
        prefix = machine.prefix.rstrip("/")
        if not _PREFIX.fullmatch(prefix) or len(prefix) > TOPIC_BYTES_MAX // 2:
            raise Misconfigured(
                f"plant file: machines.{machine.device}: prefix {machine.prefix[:80]!r} is no topic that all brokers "
                "take: letters, digits, / and -_.:@=~, at most 512 characters"
            )
        other = taken.setdefault(prefix, machine.device)
        if other != machine.device:
            raise Misconfigured(
                f"plant file: machines.{machine.device}: prefix {machine.prefix!r} is that of {other} already"
            )
