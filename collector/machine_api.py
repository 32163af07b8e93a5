# SPDX-License-Identifier: AGPL-3.0-or-later
"""Machines come, move and go over HTTP, with the token of the data folder; and what is wrong with one."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec
from fastapi import APIRouter, Depends, Header, HTTPException
from pydantic import BaseModel, Field

from collector import listing, quarantine
from collector.check import Dialled, Heard, lines
from collector.contract.errors import Refusal
from collector.contract.tree import Machine
from collector.keys import user_name
from collector.newcomers import with_history
from collector.register import Issued, Register
from collector.registry import NATIVE, wished
from collector.service import Collector
from collector.violations import Violation

ToType = Callable[[Machine, str], Sequence[str]]
"""Returns the lines to type into a machine, given its password."""
REFUSED_LOOKED_AT: Final = 500
_STATUS: Final = {
    **dict.fromkeys(("exists", "same_place", "read_only", "bad_file"), 409),
    **dict.fromkeys(("unknown_device", "unknown_newcomer"), 404),
}


class Desk(NamedTuple):
    """What the routes need: the register, its token, the lines to type, what the broker refused lately.

    `dialled` tells how a machine stands that we dial, None for one that comes by itself.
    """

    register: Register
    token: str
    to_type: ToType
    violations: Callable[[], Sequence[Violation]]
    dialled: Callable[[str], Dialled | None] = lambda _: None


class NewMachine(BaseModel):
    """A machine that comes: `device` is the place's last part unless given, its prefix the dialect's usual one.

    `attach` is as in the plant file, of a machine that we dial; its secret is none of it.
    """

    place: str
    device: str | None = None
    dialect: str = NATIVE
    prefix: str | None = None
    cadence_s: float | None = Field(default=None, ge=0.0, le=1e9)
    clock: Literal["own", "none"] = "own"
    attach: dict[str, Any] | None = None


class NewPlace(BaseModel):
    """Where a machine stands from now on."""

    place: str


def routes(collector: Collector, desk: Desk) -> APIRouter:
    """Return the routes that change the register, and the one that checks a machine."""
    router = APIRouter(prefix="/api/v1/machines", tags=["machines"])
    allowed = [Depends(_guard(desk.token))]

    @router.post("", status_code=201, dependencies=allowed, summary="Register a machine; its password is told once")
    def add(wanted: NewMachine) -> dict[str, Any]:
        return issued(asked(lambda: desk.register.add(_wished(collector, wanted))), desk)

    @router.post(
        "/{device}/move", dependencies=allowed, summary="Put a machine at another place; its history comes along"
    )
    def move(device: str, wanted: NewPlace) -> dict[str, Any]:
        return _shown(asked(lambda: desk.register.move(device, wanted.place)))

    @router.delete(
        "/{device}", dependencies=allowed, summary="Revoke a machine: it can write no more; its history stays"
    )
    def revoke(device: str) -> dict[str, Any]:
        return _shown(asked(lambda: desk.register.revoke(device)))

    @router.post("/{device}/credentials", dependencies=allowed, summary="A new password; the one before is void")
    def renew(device: str) -> dict[str, Any]:
        return issued(asked(lambda: desk.register.renew(device)), desk)

    @router.get("/{device}/check", summary="What is heard from a device, and what is wrong with it, line by line")
    def check(device: str) -> dict[str, Any]:
        found = lines(_heard(collector, desk, device))
        return {"device": device, "fine": all(line.fine for line in found), "lines": [line._asdict() for line in found]}

    return router


def _wished(collector: Collector, wanted: NewMachine) -> Machine:
    return with_history(wished(**wanted.model_dump()), collector.memory, collector.clock)


def _heard(collector: Collector, desk: Desk, device: str) -> Heard:
    rows = listing.machines(collector.memory, collector.registry, collector.spool)
    row = next((row for row in rows if row["device"] == device), None)
    newest = [quarantine.shown(item) for item in quarantine.items(collector.spool, most=REFUSED_LOOKED_AT)]
    own = [item for item in newest if item["device"] == device or item["topic"].endswith(f"/@{device}")]
    names = {device, user_name(device)}
    registered = device in desk.register.plant.machines
    violations = [violation for violation in desk.violations() if violation.who in names]
    has_password = device in desk.register.keys.devices()
    return Heard(device, row, own, violations, registered, has_password, desk.dialled(device))


def _guard(token: str) -> Callable[[str | None], None]:
    def check(authorization: Annotated[str | None, Header()] = None) -> None:
        kind, _, word = (authorization or "").partition(" ")
        if kind.lower() != "bearer" or not hmac.compare_digest(word.strip().encode(), token.encode()):
            detail = "this needs the header `Authorization: Bearer TOKEN`, the token of broker.json in the data folder"
            raise HTTPException(401, detail, headers={"WWW-Authenticate": "Bearer"})

    return check


def asked(change: Callable[[], Any]) -> Any:
    """Return what the register answers; its refusals bear their HTTP status."""
    try:
        return change()
    except Refusal as refusal:
        if refusal.reason not in _STATUS:
            raise
        raise HTTPException(_STATUS[refusal.reason], refusal.detail) from None


def _shown(machine: Machine) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(machine)
    return shown


def issued(fresh: Issued, desk: Desk) -> dict[str, Any]:
    """Return a machine with its new password and the lines to type."""
    machine, password = fresh
    told = {"user": user_name(machine.device), "password": password}
    return {**_shown(machine), **told, "lines": list(desk.to_type(machine, password))}
