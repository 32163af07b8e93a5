# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a broker refused, read from its log, and what of it is worth a person's attention (pure).

A violation is a line of the log. An event is made of violations of one kind by one sender: of the first refused
publish, but only of the tenth wrong password within a minute, and then at most one a minute.
"""

from __future__ import annotations

import re
from collections import OrderedDict, deque
from typing import Final, NamedTuple

PUBLISH: Final = "publish_violation"
SUBSCRIPTION: Final = "subscription_violation"
PASSWORD: Final = "authentication_error"  # noqa: S105 - a kind of violation
TAKEOVER: Final = "takeover"
WINDOW_S: Final = 60.0
SENDERS_MAX: Final = 1_000
"""Senders remembered at once; beyond, the one that was quiet longest is forgotten."""
COUNTS: Final = {PUBLISH: 1, SUBSCRIPTION: 1, PASSWORD: 10, TAKEOVER: 4}
"""How many within WINDOW_S make an event. A takeover is a second connection with the same client id."""

_NATS_KINDS: Final = {
    "Publish Violation": PUBLISH,
    "Subscription Violation": SUBSCRIPTION,
    "authentication error": PASSWORD,
    "Replacing old client": TAKEOVER,
}
_NATS: Final = re.compile(
    r'(?P<address>\S+):\d+ - mid:\d+ - "(?P<client>[^"]*)" - '
    rf'(?P<kind>{"|".join(_NATS_KINDS)})(?: - User "(?P<user>[^"]*)")?'
)
_MOSQUITTO: Final = (
    (PUBLISH, re.compile(r"Denied PUBLISH from (?P<who>.+) \(d\d, q\d")),
    (PASSWORD, re.compile(r"Client (?P<who>.+?)(?: \[(?P<address>\S+):\d+\])? disconnected, not authori[sz]ed\.")),
    (TAKEOVER, re.compile(r"Client (?P<who>.+) already connected, closing old connection\.")),
)
_UNKNOWN: Final = "<unknown>"


class Violation(NamedTuple):
    """Something that a broker refused, or closed; `who` is the user where it is named, else the MQTT client id.

    Both are what the sender says of itself. `address` is where it spoke from; either is "" where the log has none.
    """

    kind: str
    who: str
    line: str
    address: str = ""


def of_nats(line: str) -> Violation | None:
    """Return what a line of nats-server's log tells, if anything."""
    found = _NATS.search(line)
    if found is None:
        return None
    return Violation(_NATS_KINDS[found["kind"]], found["user"] or found["client"], line, found["address"])


def of_mosquitto(line: str) -> Violation | None:
    """Return what a line of Mosquitto's log tells, if anything; a refused publish is there with log_type debug alone.

    >>> of_mosquitto("1795551359: Client dev already connected, closing old connection.").kind
    'takeover'
    """
    for kind, pattern in _MOSQUITTO:
        if found := pattern.search(line):
            who = "" if found["who"] == _UNKNOWN else found["who"]
            return Violation(kind, who, line, found.groupdict().get("address") or "")
    return None


class Event(NamedTuple):
    """What the collector notes: `security` with kind, who, detail, or `takeover` with client."""

    event: str
    body: dict[str, str]


class Watchman:
    """Counts violations by sender, in bounded memory, and tells which make an event."""

    def __init__(self) -> None:
        self._recent: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()
        self._told_s: dict[tuple[str, str], float] = {}

    def event_of(self, violation: Violation, now_s: float) -> Event | None:
        """Return the event that this violation makes at `now_s` (monotonic), if it makes one."""
        guess = violation.kind == PASSWORD
        who = (violation.address if guess else "") or violation.who
        key = (violation.kind, who)
        times = self._recent.setdefault(key, deque(maxlen=COUNTS[violation.kind]))
        self._recent.move_to_end(key)
        times.append(now_s)
        if len(self._recent) > SENDERS_MAX:
            self._told_s.pop(self._recent.popitem(last=False)[0], None)
        told_s = self._told_s.get(key)
        if len(times) < COUNTS[violation.kind] or now_s - times[0] > WINDOW_S:
            return None
        if told_s is not None and now_s - told_s < WINDOW_S:
            return None
        self._told_s[key] = now_s
        if violation.kind == TAKEOVER:
            return Event("takeover", {"client": who})
        return Event("security", {"kind": violation.kind, "who": who, "detail": violation.line})
