# SPDX-License-Identifier: AGPL-3.0-or-later
"""The register: machines come, move and go while everything runs.

The plant file is the one truth. A change is written there first, whole or not at all, and then told to everybody who
lives by it: the collector, the cyberfilter, the broker's doors. A file that others change is taken over too.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from msgspec.structs import replace

from collector import plant_file
from collector.contract.errors import Misconfigured, Refusal, Unavailable
from collector.contract.limits import STAYS_PER_MACHINE_MAX
from collector.contract.topics import ROOT_DEFAULT
from collector.contract.tree import Machine, Plant, Stay
from collector.dialects import DIALECTS
from collector.registry import NATIVE

LOOK_S: Final = 1.0
"""Real seconds between two looks at the plant file."""
_LOG: Final = logging.getLogger("cybersyn")


class Passwords(Protocol):
    """Who has a password; only hashes are kept, so a password is told once."""

    def issue(self, device: str) -> str:
        """Return a new password; the one before is worth nothing from now on."""

    def revoke(self, device: str) -> None:
        """Take the device's password away."""

    def devices(self) -> frozenset[str]:
        """Return who has one."""


class Issued(NamedTuple):
    """A machine with its new password, which nobody can tell again."""

    machine: Machine
    password: str


class _Stamp(NamedTuple):
    """What tells that a file is another one."""

    inode: int
    changed_ns: int
    bytes: int


class Register:
    """The plant and who may speak in it. Any thread may call; one change is made at a time."""

    def __init__(self, path: Path, keys: Passwords, *, now: Callable[[], float], root: str = ROOT_DEFAULT) -> None:
        """Read the plant file; raises Misconfigured where it cannot be used. `now` is the plant's time (Unix s)."""
        self.keys = keys
        self._path, self._now, self._root = path, now, root
        self._changing = threading.RLock()
        self._listeners: dict[str, Callable[[Plant], None]] = {}
        self._owed: dict[str, str] = {}
        self._trouble: str | None = None
        self._stamp = _stamp(path)
        self._plant = plant_file.load(path)

    @property
    def plant(self) -> Plant:
        """Return the plant as it is now."""
        return self._plant

    @property
    def trouble(self) -> str | None:
        """Return why the plant file could not be taken over, or who has not taken the last change, else None."""
        told = [f"{name}: {why}" for name, why in list(self._owed.items())]
        return "; ".join([*([self._trouble] if self._trouble else []), *told]) or None

    def listen(self, name: str, take: Callable[[Plant], None]) -> None:
        """Let `take` hear of every change from now on; one that raises Unavailable is told again at the next look."""
        with self._changing:
            self._listeners[name] = take

    def add(self, machine: Machine) -> Issued:
        """Put a machine into the register and return its password. Raises Refusal: `exists`, `bad_machine`.

        One that stands in the plant file already, at the same place, and never had a password gets one.
        """
        with self._changing:
            known = self._fresh().machines.get(machine.device)
            if known is not None and known.place == machine.place and machine.device not in self.keys.devices():
                return self.renew(machine.device)
            if known is not None:
                raise Refusal("exists", f"device {machine.device!r} is registered at {known.place} already")
            self._check(machine)
            self._change(machine.device, machine)
            password = self.keys.issue(machine.device)
            self._tell()
            return Issued(machine, password)

    def move(self, device: str, place: str) -> Machine:
        """Let the machine stand at another place from now on; what it measured before stays its own."""
        with self._changing:
            before = self._known(device)
            if before.place == place:
                raise Refusal("same_place", f"device {device!r} stands at {place} already")
            stays = _bounded((*before.formerly, Stay(before.place, self._now())))
            moved = replace(before, place=place, formerly=stays)
            self._change(device, moved)
            self._tell()
            return moved

    def revoke(self, device: str) -> Machine:
        """Take the machine out: its password is worth nothing, its open connection is cut, its history stays."""
        with self._changing:
            gone = self._known(device)
            self._change(device, None)
            self.keys.revoke(device)
            self._tell()
            return gone

    def renew(self, device: str) -> Issued:
        """Give the machine a new password; the one before is worth nothing from now on."""
        with self._changing:
            machine = self._known(device)
            password = self.keys.issue(device)
            self._tell()
            return Issued(machine, password)

    def tell(self) -> None:
        """Tell everybody the plant as it is, as after a start."""
        with self._changing:
            self._tell()

    def look(self) -> bool:
        """Take the plant file over where somebody else changed it; tell again who missed a change; tell whether so."""
        with self._changing:
            changed = self._read_again()
            if changed:
                self._tell()
            elif self._owed:
                self._tell(only=set(self._owed))
            return changed

    def _fresh(self) -> Plant:
        """Return the plant of the file as it is this moment: somebody may have edited it a second ago."""
        if self._read_again():
            self._tell()
        if self._trouble is not None:
            raise Refusal("bad_file", f"the plant file must be mended first: {self._trouble}")
        return self._plant

    def _read_again(self) -> bool:
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            plant = plant_file.load(self._path)
            for machine in plant.machines.values():
                self._check(machine)
        except (Misconfigured, Refusal) as error:
            self._trouble = error.detail if isinstance(error, Refusal) else str(error)
            _LOG.warning("the plant file is not taken over: %s", self._trouble)
            return False
        self._trouble = None
        changed = plant != self._plant
        self._plant = plant
        return changed

    def _known(self, device: str) -> Machine:
        machines = self._fresh().machines
        if device not in machines:
            there = ", ".join(sorted(machines)[:20]) or "none"
            raise Refusal("unknown_device", f"device {device[:80]!r} is not registered; there is {there}")
        return machines[device]

    def _check(self, machine: Machine) -> None:
        """Raise a Refusal where nobody would understand the machine, or its words would be taken for ours."""
        if machine.dialect not in {NATIVE, *DIALECTS}:
            known = ", ".join((NATIVE, *DIALECTS))
            raise Refusal("bad_machine", f"dialect {machine.dialect!r} is none of {known} (device: {machine.device})")
        if machine.prefix is not None and f"{machine.prefix}/".startswith(f"{self._root}/"):
            raise Refusal(
                "bad_machine",
                f"prefix {machine.prefix!r} lies under {self._root}/, which is ours (device: {machine.device})",
            )

    def _change(self, device: str, machine: Machine | None) -> None:
        try:
            self._plant = plant_file.change(self._path, device, machine, self._plant.units)
        except Misconfigured as error:
            raise Refusal("read_only", str(error)) from None
        self._stamp = _stamp(self._path)

    def _tell(self, only: set[str] | None = None) -> None:
        for name, take in self._listeners.items():
            if only is not None and name not in only:
                continue
            try:
                take(self._plant)
            except Unavailable as error:
                if name not in self._owed:
                    _LOG.warning("%s has not taken the register's change yet: %s", name, error)
                self._owed[name] = str(error)
            else:
                self._owed.pop(name, None)


def _stamp(path: Path) -> _Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return _Stamp(found.st_ino, found.st_mtime_ns, found.st_size)


def _bounded(stays: tuple[Stay, ...]) -> tuple[Stay, ...]:
    """Return the stays, the oldest gone where there are too many: the one after it then reaches back for ever."""
    return stays[-STAYS_PER_MACHINE_MAX:]
