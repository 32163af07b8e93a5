# SPDX-License-Identifier: AGPL-3.0-or-later
"""The doors that machines come in by: one port, an adapter for each kind of broker.

After `apply` the devices of the plant that have credentials get in, each with the rights of its own topics; whoever
is not among them is cut and does not come back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from collector.bus.broker import EmbeddedBroker
from collector.bus.mosquitto import SERVICES, MosquittoFiles
from collector.bus.rights import BrokerUser, device_user, foreign_user
from collector.contract.errors import Misconfigured
from collector.contract.topics import ROOT_DEFAULT
from collector.contract.tree import Plant
from collector.dialects import DIALECTS
from collector.keys import Keys, hash_of, user_name
from collector.registry import NATIVE


class Door(Protocol):
    """What lets machines in."""

    def apply(self, plant: Plant, keys: Keys) -> None:
        """Let these in and nobody else; raises Misconfigured and changes nothing, or Unavailable."""


def accounts(
    plant: Plant, keys: Keys, hash_for: Callable[[str], str], *, root: str = ROOT_DEFAULT
) -> dict[str, BrokerUser]:
    """Return the account of each device of the plant that has credentials, by user name.

    A device writes under its place only where no other one stands: who spoke would not be known otherwise.
    """
    standing: dict[str, int] = {}
    for machine in plant.machines.values():
        standing[machine.place] = standing.get(machine.place, 0) + 1
    known = keys.devices()
    users = {}
    for device, machine in sorted(plant.machines.items()):
        if device in known and machine.dialect == NATIVE:
            place = machine.place if standing[machine.place] == 1 else None
            users[user_name(device)] = device_user(hash_for(device), device, place, root=root)
        elif device in known:
            row, prefix = DIALECTS[machine.dialect], str(machine.prefix).rstrip("/")
            users[user_name(device)] = foreign_user(hash_for(device), row.filters(prefix), row.hears(prefix), root=root)
    return users


class EmbeddedDoor:
    """The embedded nats-server: its configuration is written and read again, connections of the others stay."""

    def __init__(self, broker: EmbeddedBroker, *, root: str = ROOT_DEFAULT) -> None:
        self._broker = broker
        self._root = root

    def apply(self, plant: Plant, keys: Keys) -> None:
        """Let these in and nobody else."""
        self._broker.reload(accounts(plant, keys, keys.hash_for_nats, root=self._root))


class MosquittoDoor:
    """A Mosquitto that reads our files; the services' own user stands in them too."""

    def __init__(self, files: MosquittoFiles, *, username: str, password: str, root: str = ROOT_DEFAULT) -> None:
        self._files = files
        self._username = username
        self._services = SERVICES._replace(password=hash_of(password))
        self._root = root

    def apply(self, plant: Plant, keys: Keys) -> None:
        """Let these in and nobody else; a Mosquitto needs a moment to read its files."""
        users = accounts(plant, keys, keys.hash_for_mosquitto, root=self._root)
        if self._username in users:
            raise Misconfigured(f"device {self._username!r}: this name is the services' own (broker.username)")
        self._files.write({self._username: self._services, **users})
