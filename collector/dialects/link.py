# SPDX-License-Identifier: AGPL-3.0-or-later
"""The word of who dials a machine: whether the machine answers."""

from __future__ import annotations

from typing import Final

from collector.contract.errors import Refusal
from collector.contract.limits import JOB_TEXT_CHARS_MAX

LOST: Final = "agent up, machine lost"


def lost_by(payload: bytes) -> str | None:
    """Return why the machine cannot be reached, None where it can; raises Refusal for any other word.

    >>> lost_by(b"offline: no route to host"), lost_by(b"online")
    ('agent up, machine lost: no route to host', None)
    """
    word = payload[:JOB_TEXT_CHARS_MAX].decode(errors="replace").strip()
    if word == "online":
        return None
    head, _, why = word.partition(":")
    if head != "offline":
        raise Refusal("wrong_shape", f"link says {word[:60]!r}, not online or offline")
    return f"{LOST}: {why.strip()}"[:JOB_TEXT_CHARS_MAX] if why.strip() else LOST
