# SPDX-License-Identifier: AGPL-3.0-or-later
"""What is remembered survives as bytes; another version's keeps all but what was learned."""

import msgspec
import pytest

from collector.contract.errors import Misconfigured
from collector.contract.event import State
from collector.contract.ports import IndexRow
from cyberfilter.alerts.standing import Standing
from cyberfilter.alerts.watched import Watch
from cyberfilter.checkpoint import VERSION, MachineMemory, Memory, pack, unpack

ROW = IndexRow("a/m", "energy_w", 60.0, 100.0)
MEMORY = Memory(
    VERSION, 7, {"m": MachineMemory("a/m", standing=Standing(State.RUNNING), watches={"energy_w": Watch()})}, {}, [ROW]
)


def test_reading_undoes_writing() -> None:
    assert pack(unpack(pack(MEMORY))) == pack(MEMORY)


def test_another_version_keeps_where_machines_stand_and_what_is_owed() -> None:
    other = msgspec.msgpack.decode(pack(MEMORY)) | {"version": VERSION - 1, "banks": {"x": "another form"}}
    other["machines"]["m"]["watches"] = {"energy_w": {"homes": "another form"}}
    found = unpack(msgspec.msgpack.encode(other))
    assert (found.version, found.n, found.owed, found.banks) == (VERSION - 1, 7, [ROW], {})
    assert (found.machines["m"].standing.state, found.machines["m"].watches) == (State.RUNNING, {})


@pytest.mark.parametrize("blob", [b"", b"nonsense", msgspec.msgpack.encode({"version": VERSION})])
def test_what_is_no_checkpoint_is_refused(blob: bytes) -> None:
    with pytest.raises(Misconfigured, match="checkpoint"):
        unpack(blob)
