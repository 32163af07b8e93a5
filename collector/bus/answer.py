# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a broker says to CONNECT, as far as it makes a difference to us."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final


class Answer(Enum):
    """SILENT is a broker that says nothing, REFUSED one that may think otherwise later."""

    ACCEPTED = auto()
    OTHER_VERSION = auto()
    UNWELCOME = auto()
    REFUSED = auto()
    SILENT = auto()


_ANSWERS: Final = {
    0: Answer.ACCEPTED,
    132: Answer.OTHER_VERSION,
    133: Answer.UNWELCOME,
    134: Answer.UNWELCOME,
    135: Answer.UNWELCOME,
}
"""By reason code: 132 unsupported version, 133 client id (nats-server takes no dot), 134 and 135 credentials.
Those of MQTT 3.1.1 are translated by paho; anything else is REFUSED."""


def answer_of(code: int) -> Answer:
    """Return the answer that a reason code of CONNACK means (OASIS MQTT 5.0, 3.2.2.2)."""
    return _ANSWERS.get(code, Answer.REFUSED)
