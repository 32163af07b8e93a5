# SPDX-License-Identifier: AGPL-3.0-or-later
"""A Mosquitto's users and rights: the two files that it reads, and how it is told that they changed."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from collector.bus.rights import BrokerUser
from collector.contract.errors import Misconfigured, Unavailable
from collector.private import OWNER_AND_GROUP, write_private

RELOAD_S: Final = 10.0
"""How long the command that tells the broker may take."""
SERVICES: Final = BrokerUser("", ("#",), ("#", "$SYS/broker/#"))
"""What the services may do; `#` leaves out what begins with $."""
_HEAD: Final = "# Written by cybersyn whenever a device comes, moves or goes; changes here are lost.\n"


def users_text(users: Mapping[str, BrokerUser]) -> str:
    """Return the password file: a line `user:hash` each. Raises Misconfigured for what can't stand in it."""
    for name, user in users.items():
        if not name or ":" in name or not user.password.startswith("$7$") or _is_broken(name + user.password):
            raise Misconfigured(f"broker user {name[:80]!r}: a name without : and control characters, and a hash, work")
    return "".join(f"{name}:{user.password}\n" for name, user in users.items())


def acl_text(users: Mapping[str, BrokerUser]) -> str:
    """Return the rights file: under each user the topics that it may write and read, and so nothing else.

    >>> print(acl_text({"mk4": BrokerUser("$7$…", ("octoPrint/mk4/#",))}).partition("lost.")[2])
    <BLANKLINE>
    <BLANKLINE>
    user mk4
    topic write octoPrint/mk4/#
    <BLANKLINE>
    """
    rows = [_HEAD]
    for name, user in users.items():
        for topic in (*user.publish, *user.subscribe):
            if not topic or topic != topic.strip() or _is_broken(topic):
                raise Misconfigured(
                    f"topic {topic[:80]!r} of broker user {name}: not empty, without control characters"
                )
        rows.append(f"\nuser {name}\n")
        rows += [f"topic write {topic}\n" for topic in user.publish]
        rows += [f"topic read {topic}\n" for topic in user.subscribe]
    return "".join(rows)


class MosquittoFiles:
    """The files `users` and `acl` in a folder that a Mosquitto reads; `reload_command` tells it that they changed.

    The folder's group may read them. Without a command somebody watches the files (deploy/mosquitto/start.sh).
    """

    def __init__(self, folder: Path, *, reload_command: Sequence[str] = ()) -> None:
        self._folder = folder
        self._reload_command = tuple(reload_command)

    def write(self, users: Mapping[str, BrokerUser]) -> bool:
        """Replace both files where they differ, and tell the broker; return whether they differed.

        Raises Misconfigured for a user that can't be written, and changes nothing; Unavailable where the folder can't
        be written or the command fails.
        """
        wanted = {"acl": acl_text(users), "users": users_text(users)}
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o750)
            changed = [name for name, text in wanted.items() if self._kept(name) != text]
            for name in changed:
                write_private(self._folder / name, wanted[name], mode=OWNER_AND_GROUP)
        except OSError as error:
            raise Unavailable(f"broker's users in {self._folder}: {error.strerror}") from None
        if changed and self._reload_command:
            self._tell()
        return bool(changed)

    def _kept(self, name: str) -> str | None:
        path = self._folder / name
        return path.read_text(encoding="utf-8") if path.exists() else None

    def _tell(self) -> None:
        try:
            done = subprocess.run(  # noqa: S603 - the operator's own command, no shell
                self._reload_command, capture_output=True, text=True, timeout=RELOAD_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unavailable(f"broker.reload_command {self._reload_command[0]}: {error}") from None
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["nothing"]
            raise Unavailable(f"broker.reload_command {self._reload_command[0]} ended {done.returncode}: {said[0]}")


def _is_broken(text: str) -> bool:
    return any(sign < " " or sign == "\x7f" for sign in text)
