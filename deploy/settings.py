# SPDX-License-Identifier: AGPL-3.0-or-later
"""Every setting of the services: name with unit, safe default, one line of help; read once, at start.

A setting `section.name` comes from the TOML file's `[section] name = …`, or from the environment's
`CYBERSYN_SECTION_NAME`, which wins. A secret may stand in a file of its own: `name_file = "path"`,
`CYBERSYN_SECTION_NAME_FILE=path`. An unknown name is refused, so that a typing error can't hide.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, NamedTuple

from collector.contract.errors import Misconfigured
from collector.historian.retention import Retention
from deploy.settings_table import (
    ENVIRON_PREFIX,
    SECTIONS,
    SETTINGS,
    Broker,
    Collector,
    Cyberfilter,
    Historian,
    Network,
    Opsroom,
    Outputs,
    Paths,
    Setting,
    Settings,
)

__all__ = [
    "SETTINGS",
    "Broker",
    "Collector",
    "Cyberfilter",
    "Historian",
    "Network",
    "Opsroom",
    "Outputs",
    "Paths",
    "Setting",
    "Settings",
    "check",
    "load",
    "retention",
    "sample",
    "shown",
]

_SECRET_BYTES_MAX: Final = 4096
_BY_NAME: Final = {row.name: row for row in SETTINGS}
_BY_VARIABLE: Final = {row.variable: row for row in SETTINGS}


class _Found(NamedTuple):
    """A value as it was written: by whom (for the error's text), and below which folder its paths stand."""

    value: Any
    by: str
    folder: Path


def load(config_path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Return the settings of file and environment, paths made absolute; Misconfigured names the key that cannot work.

    Reads the TOML file, and the files that hold secrets; nothing else.
    """
    found = dict(_in_file(config_path)) if config_path is not None else {}
    found.update(_in_environ(environ))
    for name in [name for name in found if name.endswith("_file") and name not in _BY_NAME]:
        plain, secret = name.removesuffix("_file"), found.pop(name)
        if plain in found and found[plain].by.startswith("environment") is secret.by.startswith("environment"):
            raise Misconfigured(f"{secret.by}: {plain} is given as a value and as a file; one of the two works")
        if plain not in found or secret.by.startswith("environment"):
            found[plain] = secret._replace(value=_read_secret(secret))
    sections: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    for row in SETTINGS:
        section, _, name = row.name.partition(".")
        if row.name in found:
            sections[section][name] = _value(row, found[row.name])
        elif isinstance(row.default, Path):
            sections[section][name] = row.default.expanduser()
    settings = Settings(**{section: kind(**sections[section]) for section, kind in SECTIONS.items()})
    check(settings)
    return settings


def check(settings: Settings) -> None:
    """Return when the settings work together, else raise Misconfigured: what listens, ports, and spans of time."""
    retention(settings)
    listening: dict[str, Collector | Cyberfilter | Opsroom]
    listening = {"collector": settings.collector, "cyberfilter": settings.cyberfilter, "opsroom": settings.opsroom}
    hosts = {f"{name}.host": part.host for name, part in listening.items()}
    if settings.broker.kind == "embedded":
        hosts["broker.host"] = settings.broker.host
    elif settings.broker.port == 0:
        raise Misconfigured("broker.port = 0: an external broker has a port; 1883 is the usual one")
    _check_certificate(settings.broker)
    if settings.network.listen == "loopback":
        for name, host in hosts.items():
            if not _is_loopback(host):
                raise Misconfigured(
                    f"{name} = {host!r} is not this machine alone; without accounts only 127.0.0.1 works "
                    '(in containers: network.listen = "container")'
                )
    taken: dict[tuple[str, int], str] = {}
    for name, part in listening.items():
        other = taken.setdefault((part.host, part.port), name)
        if other != name and settings.network.listen == "loopback":
            raise Misconfigured(f"{name}.port = {part.port} is also {other}.port; each service needs its own")


def retention(settings: Settings) -> Retention:
    """Return how long the historian keeps what; Misconfigured where what is coarser would go first."""
    chosen = settings.historian
    try:
        return Retention(chosen.raw_days, chosen.minute_days, chosen.hour_days)
    except Misconfigured as error:
        raise Misconfigured(f"historian.{error}") from None


def sample() -> str:
    """Return a TOML file that holds every setting with its help and its default, commented out."""
    lines = ["# Settings of cybersyn: cybersyn run all --config FILE. Each line shows the default.", ""]
    for section, kind in SECTIONS.items():
        lines += [f"[{section}]  # {(kind.__doc__ or '').splitlines()[0]}", ""]
        for row in SETTINGS:
            if row.name.startswith(f"{section}."):
                name = row.name.partition(".")[2]
                lines += [f"# {row.help}", f"# environment: {row.variable}" + (" or …_FILE" if row.secret else "")]
                lines += [f"#{name} = {_toml(row.default)}", ""]
    return "\n".join(lines)


def shown(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield (name, value as TOML) of every setting; of a secret only whether there is one."""
    for row in SETTINGS:
        section, _, name = row.name.partition(".")
        value = getattr(getattr(settings, section), name)
        yield row.name, _toml(("(hidden)" if value else "(none)") if row.secret else value)


def _in_file(path: Path) -> Iterator[tuple[str, _Found]]:
    try:
        parsed = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Misconfigured(f"config file {path}: {error}") from None
    for section, rows in parsed.items():
        if section not in SECTIONS or not isinstance(rows, dict):
            raise Misconfigured(f"config file {path}: no section [{section}]; {_near(section, SECTIONS)}")
        for key, value in rows.items():
            name = f"{section}.{key}"
            if name not in _BY_NAME and not _is_secret_file(name):
                raise Misconfigured(f"config file {path}: no setting {name}; {_near(name, _BY_NAME)}")
            yield name, _Found(value, f"config file {path}", path.parent)


def _in_environ(environ: Mapping[str, str]) -> Iterator[tuple[str, _Found]]:
    for variable, text in sorted(environ.items()):
        if variable.startswith(ENVIRON_PREFIX):
            row = _BY_VARIABLE.get(variable) or _BY_VARIABLE.get(variable.removesuffix("_FILE"))
            if row is None or (variable not in _BY_VARIABLE and not row.secret):
                raise Misconfigured(f"environment: no setting {variable}; {_near(variable, _BY_VARIABLE)}")
            name = row.name if variable in _BY_VARIABLE else f"{row.name}_file"
            yield name, _Found(_of_text(row, text), f"environment {variable}", Path())


def _of_text(row: Setting, text: str) -> str | int:
    """Return a number or a flag where the setting is one and the text says it, else the text."""
    if isinstance(row.default, bool):
        return {"true": True, "false": False}.get(text, text)
    return int(text) if isinstance(row.default, int) and text.isascii() and text.isdigit() else text


def _is_secret_file(name: str) -> bool:
    row = _BY_NAME.get(name.removesuffix("_file"))
    return name.endswith("_file") and row is not None and row.secret


def _read_secret(found: _Found) -> str:
    """Return the first line of a secret's file."""
    if not isinstance(found.value, str) or not found.value:
        raise Misconfigured(f"{found.by}: {found.value!r} is not the path of a file")
    path = found.folder / Path(found.value).expanduser()
    try:
        with path.open(encoding="utf-8") as file:
            return file.readline(_SECRET_BYTES_MAX).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{found.by}: the secret's file {path} can't be read: {error}") from None


def _value(row: Setting, found: _Found) -> Any:
    """Return the value as its field wants it, or raise Misconfigured: key, what was found, what would work."""
    if row.is_path and found.value == "":
        return row.default.expanduser() if isinstance(row.default, Path) else None
    wanted = row.accept(found.value)
    if wanted is not None:
        told = "(a secret)" if row.secret else repr(found.value)
        raise Misconfigured(f"{found.by}: {row.name} = {told}; {wanted} works")
    if row.is_path:
        return (found.folder / Path(found.value).expanduser()).absolute()
    return found.value


def _near(name: str, names: Mapping[str, object]) -> str:
    close = get_close_matches(name, names, n=1)
    return f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}"


def _check_certificate(broker: Broker) -> None:
    if (broker.cert_file is None) is not (broker.key_file is None):
        given, other = ("cert_file", "key_file") if broker.key_file is None else ("key_file", "cert_file")
        raise Misconfigured(f"broker.{given} is given without broker.{other}; both or neither works")
    if broker.cert_file is not None and broker.ca_file is None:
        raise Misconfigured("broker.cert_file is given without broker.ca_file; a certificate is shown over TLS alone")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _toml(value: str | int | Path | None) -> str:
    if isinstance(value, int):
        return str(value).lower()  # a flag is true or false there
    text = "" if value is None else str(value)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
