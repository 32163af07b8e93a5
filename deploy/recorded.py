# SPDX-License-Identifier: AGPL-3.0-or-later
"""The recorded real machines of the demo, and how they speak: again and again, with a pause between the rounds."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

import firmware_sim
from collector.bus.link import Address
from collector.contract.errors import Unavailable
from deploy.clock import DemoClock
from firmware_sim.replay import publish, read_lines

RECORDINGS: Final = Path(firmware_sim.__file__).parent / "recordings"
RECORDED: Final = (
    ("octo-a", "octoprint", "octoPrint"),
    ("octo-b", "octoprint", "fab/north/octoprint/p02"),
    ("voron-01", "moonraker", "voron-01"),
)
"""The real printers of the recordings, what they speak, and the prefixes under which they do."""
ROUND_PAUSE_S: Final = 1_200.0
"""Plant's seconds between two rounds of a recording: its jobs are short, and real printers rest."""
RECORDED_PLACE: Final = "commons/valparaiso/recorded"
DIALECTS: Final = tuple(dict.fromkeys(dialect for _, dialect, _ in RECORDED))
"""What they speak; each dialect has a recording of its own."""


def speak(dialect: str, address: Address, clock: DemoClock, halt: threading.Event) -> None:
    """Let the recorded machines of a dialect speak until `halt` is set."""
    lines = read_lines(RECORDINGS / f"{dialect}.jsonl")
    while not halt.is_set():
        with suppress(Unavailable):
            publish(
                lines,
                host=address.host,
                port=address.port,
                user=address.username,
                password=address.password,
                stop=halt,
                clock=clock,
            )
        halt.wait(clock.real_s(ROUND_PAUSE_S))
