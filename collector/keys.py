# SPDX-License-Identifier: AGPL-3.0-or-later
"""The devices' credentials: a password is told once, and only slow hashes of it are kept.

Two hashes, because the brokers read different ones: PBKDF2-SHA512 in Mosquitto's own notation, and bcrypt for
nats-server, made where the extra `broker` is installed. Our HTTP door asks bcrypt, or where there is none PBKDF2. The
passwords are ours, of 139 random bits: no hash has to make up for a word that can be guessed. So PBKDF2 is only as
slow as Mosquitto can bear, which in its one thread computes those of all who are connected at every reload.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import hmac
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from collector.contract.errors import Misconfigured, Refusal
from collector.contract.place import check_device
from collector.private import write_private

try:
    import bcrypt
except ImportError:  # a gateway without the extra `broker` has no nats-server either
    bcrypt = None  # type: ignore[assignment]

ALPHABET: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz"
"""No sign that is taken for another one, none that a shell or a settings page reads as something else."""
PASSWORD_CHARS: Final = 24
PASSWORD_BYTES_MAX: Final = 72
"""A longer one is wrong without being hashed: bcrypt reads no more."""
RESERVED: Final = frozenset({"collector", "keeper", "cybersyn", "simulator"})
"""Users of the services and of the shipped broker: no device gets them."""
_SALT_BYTES: Final = 12


class Work(NamedTuple):
    """How slow the hashes are."""

    pbkdf2_rounds: int
    bcrypt_cost: int


SLOW: Final = Work(1_000, 10)
"""About 1 ms and 65 ms of a core for one login."""
QUICK: Final = Work(101, 4)
"""For passwords that live as long as one demo."""


class Hashes(msgspec.Struct, frozen=True):
    """What is kept of a password; `bcrypt` is None where it could not be made."""

    pbkdf2: str
    bcrypt: str | None = None


class _File(msgspec.Struct):
    devices: dict[str, Hashes] = {}
    v: int = 1


def user_name(device: str) -> str:
    """Return the device's user name at brokers and at the HTTP door, where a colon would end it.

    >>> user_name("AC:67:B2"), device_name("AC~67~B2")
    ('AC~67~B2', 'AC:67:B2')
    """
    return device.replace(":", "~")


def device_name(user: str) -> str:
    """Return the device that a user name stands for."""
    return user.replace("~", ":")


class Keys:
    """The credentials in `folder/keys.json`, or in memory where there is no folder; any thread and process may ask.

    What another process changed in the file is known at the next question.
    """

    def __init__(self, folder: Path | None, *, work: Work = SLOW) -> None:
        self._path = None if folder is None else folder / "keys.json"
        self._work = work
        self._mixing = threading.RLock()
        self._devices: dict[str, Hashes] = {}
        self._seen: tuple[int, int, int] | None = None
        self._secret = secrets.token_bytes(32)
        self._verified: dict[str, tuple[Hashes, bytes]] = {}
        self._nobody = self._hashes(_new_password())
        self.devices()

    def __repr__(self) -> str:
        return f"Keys({self._path}, {len(self._devices)} devices)"

    def issue(self, device: str) -> str:
        """Return a new password of the device; an older one is worth nothing from now on. Raises Misconfigured."""
        return self.issue_all([device])[device]

    def issue_all(self, devices: list[str]) -> dict[str, str]:
        """Return new passwords of several devices, written in one step."""
        words = {_checked(device): _new_password() for device in devices}
        fresh = {device: self._hashes(word) for device, word in words.items()}
        with self._changing() as kept:
            kept.update(fresh)
        return words

    def revoke(self, device: str) -> None:
        """Forget the device's credentials, if it had any."""
        with self._changing() as kept:
            kept.pop(device, None)

    def devices(self) -> frozenset[str]:
        """Return which devices have credentials."""
        return frozenset(self._newest())

    def check(self, device: str, password: str) -> bool:
        """Tell whether this is the device's password; takes as long where there is no such device.

        A password that was right once is afterwards told by a keyed digest in memory, until the file changes.
        """
        word = password.encode()
        if len(word) > PASSWORD_BYTES_MAX or b"\0" in word:
            return False
        kept = self._newest().get(device)
        digest = hmac.digest(self._secret, word, "sha256")
        known = self._verified.get(device)
        if kept is not None and known is not None and known[0] is kept and hmac.compare_digest(known[1], digest):
            return True
        right = _verified(kept or self._nobody, word) and kept is not None
        if right and kept is not None:
            with self._mixing:
                self._verified[device] = (kept, digest)
        return right

    def hash_for_nats(self, device: str) -> str:
        """Return the bcrypt hash of the device's password; raises Misconfigured where there is none."""
        found = self._of(device).bcrypt
        if found is None:
            raise Misconfigured(
                f"device {device!r} has no bcrypt hash: it got its password without the extra cybersyn[broker]; "
                "new credentials work"
            )
        return found

    def hash_for_mosquitto(self, device: str) -> str:
        """Return the hash of the device's password as it stands in Mosquitto's password file."""
        return self._of(device).pbkdf2

    def _of(self, device: str) -> Hashes:
        found = self._newest().get(device)
        if found is None:
            raise Misconfigured(f"device {device!r} has no credentials: issue some first")
        return found

    def _hashes(self, word: str) -> Hashes:
        slow = None
        if bcrypt is not None:
            slow = bcrypt.hashpw(word.encode(), bcrypt.gensalt(self._work.bcrypt_cost)).decode()
        return Hashes(hash_of(word, rounds=self._work.pbkdf2_rounds), slow)

    def _newest(self) -> Mapping[str, Hashes]:
        """Return the credentials as the file has them now."""
        if self._path is None:
            return self._devices
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return self._devices
        seen = (found.st_mtime_ns, found.st_ino, found.st_size)
        with self._mixing:
            if seen != self._seen:
                try:
                    self._devices = msgspec.json.decode(self._path.read_bytes(), type=_File).devices
                except (OSError, msgspec.DecodeError) as error:
                    raise Misconfigured(f"credentials {self._path}: {error}") from None
                self._seen = seen
            return self._devices

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Hashes]]:
        """Let the block change a copy of the newest credentials, and keep it; one process and thread at a time."""
        with self._mixing:
            if self._path is None:
                devices = dict(self._devices)
                yield devices
            else:
                with _alone(self._path.with_name("keys.lock")):
                    devices = dict(self._newest())
                    yield devices
                    text = msgspec.json.format(msgspec.json.encode(_File(devices)), indent=1).decode()
                    write_private(self._path, text + "\n")
            self._devices = devices
            self._verified = {name: row for name, row in self._verified.items() if name in devices}


def hash_of(word: str, *, rounds: int = SLOW.pbkdf2_rounds) -> str:
    """Return a fresh salted hash as Mosquitto's password file has it: `$7$rounds$salt$hash`."""
    salt = secrets.token_bytes(_SALT_BYTES)
    derived = hashlib.pbkdf2_hmac("sha512", word.encode(), salt, rounds)
    return f"$7${rounds}${base64.b64encode(salt).decode()}${base64.b64encode(derived).decode()}"


def _verified(kept: Hashes, word: bytes) -> bool:
    """Tell whether the hashes are those of the word, in constant time, by the slower one."""
    if kept.bcrypt is not None and bcrypt is not None:
        return bcrypt.checkpw(word, kept.bcrypt.encode())
    _, _, rounds, salt, derived = kept.pbkdf2.split("$")
    found = hashlib.pbkdf2_hmac("sha512", word, base64.b64decode(salt), int(rounds))
    return hmac.compare_digest(found, base64.b64decode(derived))


def _new_password() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(PASSWORD_CHARS))


def _checked(device: str) -> str:
    if device in RESERVED:
        raise Misconfigured(f"device {device!r}: this name is a service's own; another one works")
    try:
        return check_device(device)
    except Refusal as refusal:
        raise Misconfigured(refusal.detail) from None


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    lock.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with lock.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
