# SPDX-License-Identifier: AGPL-3.0-or-later
"""Where the running system is: `broker.json` in the data folder tells local commands (contract 5)."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import msgspec

from collector.contract.errors import Misconfigured
from collector.private import write_private

DATA_DIR_DEFAULT = Path("~/.local/share/cybersyn")
_MQTT_PORT = 1883


class Running(msgspec.Struct, frozen=True):
    """Where a running system's broker and API are; its user may publish and read everything."""

    host: str
    port: int
    username: str
    password: str
    api_url: str
    token: str = ""


class BrokerUrl(NamedTuple):
    """A broker as `mqtt://user:password@host:port` names it."""

    host: str
    port: int
    username: str | None
    password: str | None


def add_data_dir(parser: ArgumentParser) -> None:
    """Give the sub-command its --data-dir."""
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=None,
        metavar="DIR",
        help=f"where the running system keeps its files (default {DATA_DIR_DEFAULT})",
    )


def data_dir(parsed: Namespace) -> Path:
    """Return the data folder that was named, or the default."""
    return Path(parsed.data_dir or DATA_DIR_DEFAULT).expanduser().absolute()


def tell(folder: Path, running: Running) -> None:
    """Write broker.json, readable by its owner alone, whole or not at all."""
    write_private(folder / "broker.json", msgspec.json.format(msgspec.json.encode(running), indent=1).decode() + "\n")


def running(folder: Path) -> Running:
    """Return where the system of this folder is; a Misconfigured says what to start first."""
    path = folder / "broker.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Running)
    except FileNotFoundError:
        raise Misconfigured(
            f"{path} is not there: nothing runs with this data folder; start `cybersyn demo` or `cybersyn run all`, "
            "or name its folder with --data-dir"
        ) from None
    except (OSError, msgspec.DecodeError) as error:
        raise Misconfigured(f"{path}: {error}") from None


def broker_of(parsed: Namespace) -> BrokerUrl:
    """Return the broker of --broker, or else the running system's."""
    if parsed.broker is None:
        found = running(data_dir(parsed))
        return BrokerUrl(found.host, found.port, found.username or None, found.password or None)
    return broker_url(parsed.broker)


def broker_url(text: str) -> BrokerUrl:
    """Return the parts of a broker's URL.

    >>> broker_url("mqtt://ana:s%40l@localhost")
    BrokerUrl(host='localhost', port=1883, username='ana', password='s@l')
    """
    try:
        parts = urlsplit(text)
        port = parts.port or _MQTT_PORT
    except ValueError as error:
        raise Misconfigured(f"broker {text!r}: {error}") from None
    if parts.scheme != "mqtt" or not parts.hostname:
        raise Misconfigured(f"broker {text!r} is not mqtt://[user:password@]host[:port]")
    user, word = parts.username, parts.password
    return BrokerUrl(parts.hostname, port, unquote(user) if user else None, unquote(word) if word else None)


def as_json(thing: object) -> str:
    """Return indented JSON as commands print it; NaN and Infinity are our own mistake."""
    return json.dumps(thing, indent=1, ensure_ascii=False, allow_nan=False)
