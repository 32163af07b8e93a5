# SPDX-License-Identifier: AGPL-3.0-or-later
"""Who speaks at the HTTP door, and whether they may say it."""

from __future__ import annotations

import base64
import binascii
import math
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from collector.attempts import Attempts
from collector.contract.tree import Plant
from collector.keys import Keys, device_name
from collector.violations import PASSWORD, Violation


class Denied(NamedTuple):
    """Why somebody is not let in: an HTTP status, a sentence, and after how many seconds asking again has a chance."""

    status: int
    detail: str
    retry_after_s: int | None = None


class Login:
    """The credentials' check at our own door; ten failures within a minute make an address wait (`Attempts`).

    Credentials are checked wherever they are given; with `required` nobody gets in without. `on_violation` hears of
    each wrong password. Any thread may ask.
    """

    def __init__(
        self,
        keys: Keys,
        *,
        required: bool,
        on_violation: Callable[[Violation], None] = lambda _violation: None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = keys
        self._required = required
        self._on_violation = on_violation
        self._clock_s = clock_s
        self._attempts = Attempts()
        self._counting = threading.Lock()

    def device(self, authorization: str | None, address: str) -> str | Denied | None:
        """Return the device whose credentials these are, None for nobody where that is allowed, or why not."""
        if authorization is None:
            return Denied(401, "the device's user and password are missing") if self._required else None
        with self._counting:
            wait_s = self._attempts.wait_s(address, self._clock_s())
        if wait_s > 0:
            return Denied(429, f"too many wrong passwords from {address}; wait {wait_s:.0f} s", math.ceil(wait_s))
        user, password = _basic(authorization) or ("", "")
        if user and self._keys.check(device_name(user), password):
            return device_name(user)
        with self._counting:
            self._attempts.failed(address, self._clock_s())
        self._on_violation(Violation(PASSWORD, user[:80], f"HTTP intake: wrong password for {user[:80]!r}", address))
        return Denied(401, f"user {user[:80]!r} with this password is not known here")


def trespass(plant: Plant, device: str, *, said_device: object, said_place: object) -> str | None:
    """Return why a device's credentials don't cover what a body says of its sender, or None where they do."""
    if said_device is not None and said_device != device:
        return f"device {str(said_device)[:80]!r} in the body, but the credentials are {device}'s"
    machine = plant.machines.get(device)
    place = None if machine is None else machine.place
    if said_place is not None and said_place != place:
        return f"place {str(said_place)[:80]!r} in the body, but {device} stands at {place or 'no place yet'}"
    return None


def _basic(authorization: str) -> tuple[str, str] | None:
    """Return user and password of an Authorization header, None where it is none of the kind Basic."""
    kind, _, text = authorization.partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(text.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return (user, password) if colon else None
