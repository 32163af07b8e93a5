# SPDX-License-Identifier: AGPL-3.0-or-later
"""The file `attach.toml`: what machines want to hear from us before they talk. For its owner's eyes alone."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Final

import msgspec

from collector.contract.errors import Misconfigured
from collector.private import write_private

FILE: Final = "attach.toml"
_HEAD: Final = "# Secrets of machines that are dialled; `cybersyn machine add` writes it.\n"
_OTHERS: Final = 0o077


class Secret(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one machine wants: a Bambu printer its access code, PrusaLink an API key or a user with a password."""

    access_code: str | None = None
    api_key: str | None = None
    username: str | None = None
    password: str | None = None


def load(folder: Path) -> dict[str, Secret]:
    """Return the secrets by device; raises Misconfigured, which names file and key, and never a secret."""
    path = folder / FILE
    try:
        if path.stat().st_mode & _OTHERS:
            raise Misconfigured(f"{path} can be read by others: chmod 600 {path} closes it")
        parsed = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise Misconfigured(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise Misconfigured(f"{path} is no TOML file: a table [DEVICE] for each machine works") from None
    try:
        return msgspec.convert(parsed, dict[str, Secret])
    except msgspec.ValidationError as error:
        raise Misconfigured(f"{path}: {error}") from None


def secret_of(folder: Path, device: str) -> Secret:
    """Return a machine's secret; raises Misconfigured where there is none."""
    found = load(folder).get(device)
    if found is None:
        raise Misconfigured(f"{folder / FILE} has no [{device}]: `cybersyn machine add` asks for its secret")
    return found


def keep(folder: Path, device: str, secret: Secret | None) -> None:
    """Write a machine's secret, or take it out; the file is replaced in one step."""
    secrets = load(folder)
    if secret is not None:
        secrets[device] = secret
    elif secrets.pop(device, None) is None:
        return
    tables = [
        "\n".join([f"\n[{_quoted(name)}]", *(f"{key} = {_quoted(value)}" for key, value in row.items())])
        for name, row in sorted(msgspec.to_builtins(secrets).items())
    ]
    folder.mkdir(parents=True, exist_ok=True)
    write_private(folder / FILE, _HEAD + "\n".join(tables) + "\n")


def _quoted(text: str) -> str:
    """Return a TOML basic string: as JSON has it, but no surrogates are in it, and no DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
