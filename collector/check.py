# SPDX-License-Identifier: AGPL-3.0-or-later
"""What is heard from one device, and what is wrong with it, line by line, each with the next step (pure)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from collector.contract.event import State
from collector.violations import PASSWORD, PUBLISH, SUBSCRIPTION, TAKEOVER, Violation

SKEW_S_MAX: Final = 5.0
"""A clock that is further off is worth a sentence."""


class Line(NamedTuple):
    """One finding: `fine` tells whether all is well with it; `step` is what to do where it is not."""

    about: str
    fine: bool
    text: str
    step: str = ""


class Dialled(NamedTuple):
    """How a machine stands that we dial: `where` it is, and the `trouble` with it, None where it answers."""

    where: str
    trouble: str | None


class Heard(NamedTuple):
    """What is known of a device.

    `row` is its own of `GET /machines` (None: neither registered nor heard), `refused` its messages in quarantine as
    the API lists them, newest first, `violations` what the broker refused to its user, oldest first.
    """

    device: str
    row: Mapping[str, Any] | None
    refused: Sequence[Mapping[str, Any]]
    violations: Sequence[Violation]
    registered: bool
    has_password: bool
    dialled: Dialled | None = None


def lines(heard: Heard) -> list[Line]:
    """Return the findings, in the order in which one would look."""
    return [*_registered(heard), *_dialled(heard), *_broker(heard), *_presence(heard), *_words(heard), *_refused(heard)]


def _registered(heard: Heard) -> Iterator[Line]:
    device = heard.device
    if not heard.registered:
        newcomer = heard.row is not None
        text = "heard, but it has no place yet" if newcomer else "not registered"
        yield Line("place", False, text, f"cybersyn machine add PLACE --device {device}")
        return
    assert heard.row is not None
    yield Line("place", True, f"stands at {heard.row['place']}, speaks {heard.row['dialect']}")
    if not heard.has_password and heard.dialled is None:
        text = "it has no password at the broker"
        yield Line(
            "password", False, text, f"cybersyn machine add {heard.row['place']} --device {device}: that makes one"
        )


def _dialled(heard: Heard) -> Iterator[Line]:
    if heard.dialled is None:
        return
    where, trouble = heard.dialled
    step = "is it switched on, in the local network, and is its access code the one that we have?"
    yield Line("dialled", trouble is None, f"{where}: {trouble or 'it answers'}", step if trouble else "")


def _broker(heard: Heard) -> Iterator[Line]:
    """Yield what the broker refused, the newest of each kind."""
    newest = {violation.kind: violation for violation in heard.violations}
    if PASSWORD in newest:
        yield Line("login", False, "the broker refused its password", "type user and password again, or get new ones")
    if PUBLISH in newest:
        step = "let it publish under its own topic alone, as `machine add` printed it"
        yield Line("topic", False, f"it published where it may not: {newest[PUBLISH].line[-160:]}", step)
    if SUBSCRIPTION in newest:
        yield Line("topic", False, f"it subscribed to what it may not read: {newest[SUBSCRIPTION].line[-160:]}")
    if TAKEOVER in newest:
        yield Line("client id", False, "several connections use its client id", "give each client an id of its own")


def _presence(heard: Heard) -> Iterator[Line]:
    row = heard.row
    if row is None or row["last_seen"] is None:
        step = "check address, port, user, password; MQTT version 3.1.1 (3.1 is refused)"
        yield Line("heard", False, "never heard", step)
        return
    yield Line("heard", True, f"last heard {row['last_seen']}")
    state, why = row["state"], f" ({row['why']})" if row["why"] else ""
    if state in {State.OFFLINE, State.FAULT}:
        yield Line(
            "state", False, f"{state}{why}", "see to the machine" if state == State.FAULT else "is it switched on?"
        )
    else:
        yield Line("state", True, f"{state}{why}")
    yield from _silence(row)


def _silence(row: Mapping[str, Any]) -> Iterator[Line]:
    """Yield after how long it is missed; where it is not, what would change that."""
    limit_s = row["silent_after_s"]
    if limit_s is not None:
        yield Line("silence", True, f"it is missed after {limit_s:.0f} s without a word")
    elif row["cadence_s"] == 0:
        yield Line("silence", True, "its silence means nothing: cadence_s = 0 in the plant file")
    elif row["cadence_s"] is None and row["state"] != State.OFFLINE:
        step = "say how often it speaks: cadence_s in the plant file"
        yield Line("silence", True, "it is not missed now: it is at rest, or its rhythm is not known yet", step)
    elif row["state"] != State.OFFLINE:
        yield Line("silence", True, "it is not missed now: as it is, it need not speak")


def _words(heard: Heard) -> Iterator[Line]:
    """Yield what its messages lack: a right clock, numbers, completeness."""
    row = heard.row
    if row is None or row["last_seen"] is None:
        return
    skew_s = row.get("skew_s")
    if skew_s is None:
        skew_s = row["lag_s"]
    if skew_s is not None:
        off = abs(skew_s) > SKEW_S_MAX
        how = "behind ours" if skew_s > 0 else "ahead of ours"
        text = f"its clock is {abs(skew_s):.1f} s {how}, or its messages are late by that"
        yield Line("clock", not off, text, "let it set its clock (NTP)" if off else "")
    if row["dialect"] == "native" and not row["numbered"]:
        step = "send `boot` and `seq` with each reading (the README shows how)"
        yield Line("numbers", True, "its messages bear no numbers: they are taken at least once", step)
    if row["missing_count"]:
        text = f"{row['missing_count']} messages are missing, by their numbers"
        yield Line("gaps", False, text, "GET /api/v1/gaps lists them; a sender that keeps its buffer sends them again")
    account = ", ".join(f"{word} {count}" for word, count in row["account"].items())
    yield Line("account", True, account)


def _refused(heard: Heard) -> Iterator[Line]:
    counts = Counter(str(item["reason"]) for item in heard.refused)
    for reason, count in counts.most_common():
        newest = next(item for item in heard.refused if item["reason"] == reason)
        yield Line(
            "refused",
            False,
            f"{count} × {reason}, newest {newest['at']}: {newest['detail']}",
            "cybersyn quarantine list",
        )
