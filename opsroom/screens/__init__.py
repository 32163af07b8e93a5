# SPDX-License-Identifier: AGPL-3.0-or-later
"""The screens in menu order; each answers one question. A screen only lays out: values arrive by the own socket."""

from __future__ import annotations

from typing import Final

from opsroom.screens import alerts, index, intake, machine, now, phone, production
from opsroom.screens.frame import Screen

SCREENS: Final[tuple[Screen, ...]] = (
    now.SCREEN,
    machine.SCREEN,
    index.SCREEN,
    production.SCREEN,
    alerts.SCREEN,
    intake.SCREEN,
    phone.SCREEN,
)
PATHS: Final = frozenset(screen.path for screen in SCREENS)


def screen_at(path: str | None) -> Screen:
    """Return the screen of a path; the first one where there is none."""
    return next((screen for screen in SCREENS if screen.path == path), SCREENS[0])
