# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a way to a machine must do: hold the line as long as it can, and say what it hears."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple, Protocol

from collector.attach.credentials import Secret


class Ear(NamedTuple):
    """Who listens: `answers` hears that the machine is there, `say` each message by the rest of its topic.

    `closing` asks to hang up.
    """

    answers: Callable[[], None]
    say: Callable[[str, bytes], None]
    closing: threading.Event


class Line(Protocol):
    """A way to one machine; it may be held again and again, and knows when it last asked for what."""

    def hold(self, secret: Secret, ear: Ear) -> None:
        """Dial, and listen until `ear.closing`.

        Raises Unavailable where the machine is away, Misconfigured where somebody has to change something.
        """
