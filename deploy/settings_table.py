# SPDX-License-Identifier: AGPL-3.0-or-later
# tidy: the settings are one table
"""The settings as values and as one table of rows: name with unit, safe default, one line of help, bound."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar, cast
from urllib.parse import urlsplit

from collector.historian.retention import KEPT

ENVIRON_PREFIX: Final = "CYBERSYN_"
T = TypeVar("T")
Accept = Callable[[Any], str | None]
"""Says what would work where a value does not, else None."""


def _is_text(value: Any) -> str | None:
    return None if isinstance(value, str) else "a text"


def _is_some_text(value: Any) -> str | None:
    return None if isinstance(value, str) and value.strip() else "a text that is not empty"


def _is_url(value: Any) -> str | None:
    try:
        fine = isinstance(value, str) and urlsplit(value).scheme in {"http", "https"} and bool(urlsplit(value).hostname)
    except ValueError:
        fine = False
    return None if fine else "a URL such as http://127.0.0.1:8051"


def _is_root(value: Any) -> str | None:
    fine = isinstance(value, str) and value.replace("-", "").replace("_", "").isalnum() and value.isascii()
    return None if fine else "one topic level of letters, digits, - and _"


def _is_name(value: Any) -> str | None:
    return None if _is_root(value) is None else "a name of letters, digits, - and _"


def _is_address(value: Any) -> str | None:
    host, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    fine = value == "" or (bool(host) and port.isdecimal() and 0 < int(port) < 65_536)  # noqa: PLR2004 - ports end there
    return None if fine else "HOST:PORT, or empty"


def _is_topic(value: Any) -> str | None:
    fine = isinstance(value, str) and all(_is_root(level) is None for level in value.split("/"))
    return None if fine else "topic levels of letters, digits, - and _, with / between them"


def _is_topic_or_empty(value: Any) -> str | None:
    return None if value == "" else _is_topic(value)


def _is_flag(value: Any) -> str | None:
    return None if isinstance(value, bool) else "true or false"


def _is_one_of(*words: str) -> Accept:
    return lambda value: None if value in words else f"one of {', '.join(words)}"


def _is_between(least: int, most: int) -> Accept:
    def accept(value: Any) -> str | None:
        fine = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
        return None if fine else f"a whole number from {least} to {most}"

    return accept


def _row(default: T, text: str, accept: Accept = _is_text, *, secret: bool = False) -> T:
    """Return a dataclass field that carries its help, its bound, and whether it must be hidden."""
    return field(default=default, repr=not secret, metadata={"help": text, "accept": accept, "secret": secret})


_PORT: Final = _is_between(1, 65_535)
_DAYS: Final = _is_between(0, 36_500)


@dataclass(frozen=True)
class Network:
    """Whose network the services stand in."""

    listen: str = _row(
        "loopback",
        "loopback: nothing listens beyond this machine; container: services listen inside a network of containers, "
        "whose host publishes them on its own 127.0.0.1 (docker-compose.yml)",
        _is_one_of("loopback", "container"),
    )


@dataclass(frozen=True)
class Broker:
    """The MQTT broker that the machines speak to."""

    kind: str = _row(
        "embedded", "embedded: started and watched by us; external: your own", _is_one_of("embedded", "external")
    )
    host: str = _row("127.0.0.1", "where an external broker is, or where the embedded one listens", _is_some_text)
    port: int = _row(1883, "its MQTT port; 0, embedded only: a free one, kept for restarts", _is_between(0, 65_535))
    username: str = _row("", "the services' own user at an external broker; empty: none")
    password: str = _row("", "that user's password", secret=True)
    seen_as: str = _row(
        "",
        "HOST:PORT under which machines reach the broker, where that is another than ours; `machine add` prints it",
        _is_address,
    )
    ca_file: Path | None = _row(  # noqa: RUF009 - it returns a field
        None, "certificate of an external broker's authority; empty: no TLS"
    )
    cert_file: Path | None = _row(  # noqa: RUF009 - it returns a field
        None, "certificate of the services themselves, for a broker that asks for one; empty: none is shown"
    )
    key_file: Path | None = _row(None, "the key that belongs to it")  # noqa: RUF009 - it returns a field
    root: str = _row("cybersyn", "first level of every topic of ours", _is_root)
    store_bytes_max: int = _row(
        2 * 1024**3, "what the embedded broker may keep on disk", _is_between(16 * 1024**2, 2**50)
    )
    users_dir: Path | None = _row(  # noqa: RUF009 - it returns a field
        None, "folder into which devices' users and rights are written for an external Mosquitto; empty: none are"
    )
    reload_command: str = _row("", "command that makes that Mosquitto read them; empty: it watches them itself")
    log_file: Path | None = _row(  # noqa: RUF009 - it returns a field
        None, "an external Mosquitto's log, read for what it refused; empty: its topics $SYS/broker/log/# are"
    )


@dataclass(frozen=True)
class Collector:
    """The service that makes facts of messages."""

    host: str = _row("127.0.0.1", "where the collector's API listens", _is_some_text)
    port: int = _row(8051, "its port: intake, facts, machines, health, metrics", _PORT)
    name: str = _row(
        "collector", "its name among several collectors on one broker, each with its own data folder", _is_name
    )
    filters: str = _row(
        "", "topic filters, separated by spaces, that it hears instead of all: for several collectors, disjoint"
    )
    intake_login: str = _row(
        "auto",
        "whether POST readings and events ask for a device's credentials; auto: if something listens beyond loopback",
        _is_one_of("auto", "always", "never"),
    )
    calm_ms: int = _row(
        2_000,
        "how long (ms) readings of a calm workshop wait to share a write to disk; states, events and readings above 50 "
        "messages/s don't wait; 0: never",
        _is_between(0, 60_000),
    )
    newcomers: bool = _row(
        True,
        "whether machines that nobody registered are looked for on the broker, and offered on the screen Now",
        _is_flag,
    )
    ahead_s_max: int = _row(
        300, "how far a device's stamp may lie in the future; beyond, the message is refused", _is_between(1, 86_400)
    )
    device_messages_per_s_max: int = _row(
        5_000, "messages a second of one device, on average over 10 s; 0: as many as it likes", _is_between(0, 10**9)
    )
    device_bytes_per_s_max: int = _row(
        4 * 1024**2, "payload bytes a second of one device, on average over 10 s; 0: any", _is_between(0, 2**40)
    )
    log_bytes_max: int = _row(
        4 * 1024**3, "what the fact log may use on disk; beyond, no message is taken", _is_between(4 * 1024**2, 2**50)
    )
    disk_reserve_bytes: int = _row(
        256 * 1024**2, "free space of the disk below which no message is taken", _is_between(1024**2, 2**50)
    )
    reader_silent_days: int = _row(
        7,
        "a reader of the fact log (GET /api/v1/facts) that asks no more holds it back for so long",
        _is_between(1, 3_650),
    )


@dataclass(frozen=True)
class Historian:
    """Where samples are kept for reading back."""

    kind: str = _row(
        "embedded",
        "embedded: one SQLite file in the data folder; influx: an InfluxDB; memory: nothing survives",
        _is_one_of("embedded", "influx", "memory"),
    )
    url: str = _row("http://127.0.0.1:8086", "the InfluxDB's address", _is_url)
    token: str = _row("", 'an API token, or "user:password" for InfluxDB 1.8', secret=True)
    org: str = _row("cybersyn", "InfluxDB 2's organisation", _is_some_text)
    bucket: str = _row("cybersyn", "InfluxDB 2's bucket, InfluxDB 1's database", _is_some_text)
    raw_days: int = _row(
        KEPT.raw_days,
        "days that samples are kept; 0: for ever; InfluxDB 1 gets it when we create its database, a bucket has its own",
        _DAYS,
    )
    minute_days: int = _row(
        KEPT.minute_days, "days that minutes (least, mean, most) are kept by embedded; 0: for ever", _DAYS
    )
    hour_days: int = _row(KEPT.hour_days, "days that hours are kept by embedded; 0: for ever", _DAYS)


@dataclass(frozen=True)
class Cyberfilter:
    """The service that makes attention of facts."""

    host: str = _row("127.0.0.1", "where the cyberfilter's API listens", _is_some_text)
    port: int = _row(8052, "its port: indices, alerts, health, metrics", _PORT)
    collector_url: str = _row(
        "http://127.0.0.1:8051", "where it reads the facts when it runs as a process of its own", _is_url
    )
    production_days: int = _row(
        730, "days that the production book keeps states, jobs, parts and meters' minutes; 0: for ever", _DAYS
    )


@dataclass(frozen=True)
class Outputs:
    """What other programs may read of us, beside our own topics; each is off until it is wanted."""

    home_assistant: bool = _row(False, "announce every machine to Home Assistant (MQTT discovery)", _is_flag)
    home_assistant_prefix: str = _row("homeassistant", "Home Assistant's discovery prefix", _is_topic)
    uns: bool = _row(False, "mirror indices, states, progress and parts into a Unified Namespace", _is_flag)
    uns_root: str = _row("umh/v1", "first levels of that namespace", _is_topic)
    uns_above: str = _row(
        "", "levels in front of every place there, as enterprise or enterprise/site", _is_topic_or_empty
    )
    sparkplug: bool = _row(False, "be an edge node of Sparkplug B, each machine a device of it", _is_flag)
    sparkplug_group: str = _row("cybersyn", "the node's group id", _is_name)
    sparkplug_node: str = _row("plant", "the node's own id, one for each Cybersyn in a group", _is_name)


@dataclass(frozen=True)
class Opsroom:
    """The room where people see and decide."""

    host: str = _row("127.0.0.1", "where the room listens", _is_some_text)
    port: int = _row(8050, "its port: pages and the whole API", _PORT)
    collector_url: str = _row("http://127.0.0.1:8051", "the collector that it asks", _is_url)
    cyberfilter_url: str = _row("http://127.0.0.1:8052", "the cyberfilter that it asks", _is_url)
    language: str = _row("en", "what a visitor reads who chose nothing, nor whose browser did", _is_one_of("en", "es"))
    source_url: str = _row("", "where visitors find the source of what you run (AGPL, section 13)")


@dataclass(frozen=True)
class Paths:
    """Where files are."""

    data_dir: Path = _row(  # noqa: RUF009 - it returns a field
        Path("~/.local/share/cybersyn"), "where the running system keeps its files; --data-dir wins", _is_some_text
    )
    plant: Path | None = _row(  # noqa: RUF009 - it returns a field
        None, "the TOML file of units and machines; empty: plant.toml in the data folder"
    )
    plant_sample: Path | None = _row(  # noqa: RUF009 - it returns a field
        None, "a plant file that is copied to where there is none yet, at the first start"
    )


@dataclass(frozen=True)
class Settings:
    """All sections; every field has a default that is safe on a laptop."""

    network: Network = field(default_factory=Network)
    broker: Broker = field(default_factory=Broker)
    collector: Collector = field(default_factory=Collector)
    historian: Historian = field(default_factory=Historian)
    cyberfilter: Cyberfilter = field(default_factory=Cyberfilter)
    outputs: Outputs = field(default_factory=Outputs)
    opsroom: Opsroom = field(default_factory=Opsroom)
    paths: Paths = field(default_factory=Paths)


SECTIONS: Final[Mapping[str, type[Any]]] = {
    "network": Network,
    "broker": Broker,
    "collector": Collector,
    "historian": Historian,
    "cyberfilter": Cyberfilter,
    "outputs": Outputs,
    "opsroom": Opsroom,
    "paths": Paths,
}


class Setting(NamedTuple):
    """One row of the table: `name` is `section.field`; `is_path` values are files and folders, "" for None."""

    name: str
    default: str | int | Path | None
    help: str
    accept: Accept
    secret: bool
    is_path: bool

    @property
    def variable(self) -> str:
        """The environment's name for it."""
        return ENVIRON_PREFIX + self.name.replace(".", "_").upper()


SETTINGS: Final = tuple(
    Setting(
        f"{section}.{row.name}",
        cast("str | int | Path | None", row.default),
        row.metadata["help"],
        row.metadata["accept"],
        row.metadata["secret"],
        "Path" in str(row.type),
    )
    for section, kind in SECTIONS.items()
    for row in fields(kind)
)
