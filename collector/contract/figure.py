# SPDX-License-Identifier: Apache-2.0
"""A figure that a service publishes about itself, for /metrics."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Figure(NamedTuple):
    """One number with its labels; the name carries the unit, as Prometheus wants it."""

    name: str
    kind: Literal["gauge", "counter"]
    help: str
    value: float
    labels: dict[str, str] = {}  # noqa: RUF012 - never written to
