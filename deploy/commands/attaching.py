# SPDX-License-Identifier: AGPL-3.0-or-later
"""What `machine add` asks for a machine that we dial: where it is, how we know it, and its secret."""

from __future__ import annotations

import getpass
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from collector.contract.errors import Misconfigured
from collector.contract.tree import ATTACH_PORTS

if TYPE_CHECKING:
    from collector.attach.credentials import Secret

_SECRET_CHARS_MAX: Final = 256


def add_arguments(parser: ArgumentParser) -> None:
    """Give `machine add` what a dialled machine needs."""
    group = parser.add_argument_group("a machine that we dial (bambu, prusalink); its secret is asked on stdin")
    group.add_argument("--attach", metavar="HOST[:PORT]", help="where it listens in the local network")
    group.add_argument("--serial", metavar="S", help="bambu: its serial number")
    group.add_argument("--ca-file", metavar="FILE", help="bambu: the maker's authority (PEM) that vouches for it")
    group.add_argument("--fingerprint", metavar="HEX", help="bambu: the SHA-256 of its certificate, which is pinned")
    group.add_argument("--trust-first", action="store_true", help="bambu: pin the certificate that it shows now")
    group.add_argument("--user", metavar="NAME", help="prusalink: the user of a password; without it, an API key")
    group.add_argument("--poll", type=float, default=None, metavar="S", help="prusalink: how often it is asked (3)")
    group.add_argument("--secret-file", type=Path, metavar="FILE", help="read access code, password or key from it")


def attach_of(parsed: Namespace) -> dict[str, Any] | None:
    """Return the plant file's `attach` of what was typed, None for a machine that comes by itself."""
    if parsed.attach is None:
        return None
    if parsed.dialect not in ATTACH_PORTS:
        raise Misconfigured(f"--attach with --dialect {parsed.dialect}: {' and '.join(ATTACH_PORTS)} are dialled")
    host, port = _address(parsed.attach)
    found: dict[str, Any] = {"kind": parsed.dialect, "host": host}
    if port is not None:
        found["port"] = port
    if parsed.poll is not None:
        found["poll_s"] = parsed.poll
    if parsed.dialect == "bambu":
        found.update(_known_by(parsed, host, port or ATTACH_PORTS["bambu"]))
    return found


def prefix_of(parsed: Namespace) -> str | None:
    """Return the topic prefix: that of the serial number, where one was given."""
    if parsed.attach is not None and parsed.dialect == "bambu" and parsed.serial is None and parsed.prefix is None:
        raise Misconfigured("--serial is missing: the printer's menu and the label at its back show it")
    return f"device/{parsed.serial}" if parsed.serial is not None else parsed.prefix


@contextmanager
def secret_kept(folder: Path, device: str, parsed: Namespace) -> Iterator[None]:
    """Keep the secret while the block registers the machine; where that fails, all is as before."""
    from collector.attach.credentials import keep, load

    if parsed.attach is None:
        yield
        return
    before = load(folder).get(device)
    keep(folder, device, _secret(parsed))
    try:
        yield
    except BaseException:
        keep(folder, device, before)
        raise


def _address(text: str) -> tuple[str, int | None]:
    if text.count(":") != 1:  # a bare IPv6 address has more
        return text.strip("[]"), None
    host, _, port = text.partition(":")
    if not port.isdigit():
        raise Misconfigured(f"--attach {text}: {port!r} is no port; HOST or HOST:PORT works")
    return host, int(port)


def _known_by(parsed: Namespace, host: str, port: int) -> dict[str, str]:
    from collector.attach.tls import certificate, fingerprint_of

    if parsed.ca_file is not None:
        return {"ca_file": str(Path(parsed.ca_file).expanduser().absolute())}
    if parsed.fingerprint is not None:
        return {"fingerprint": parsed.fingerprint}
    if not parsed.trust_first:
        raise Misconfigured(
            "how do we know that it is this printer? --ca-file FILE (the maker's authority), --fingerprint HEX, or "
            "--trust-first, which pins the certificate that it shows now"
        )
    shown = fingerprint_of(certificate(parsed.serial or "", host, port))
    print(f"{host}:{port} shows a certificate with SHA-256 {shown}: it is pinned")
    return {"fingerprint": shown}


def _secret(parsed: Namespace) -> Secret:
    from collector.attach.credentials import Secret

    if parsed.dialect == "bambu":
        return Secret(access_code=_read(parsed, "access code"))
    if parsed.user is not None:
        return Secret(username=parsed.user, password=_read(parsed, f"password of {parsed.user}"))
    return Secret(api_key=_read(parsed, "API key"))


def _read(parsed: Namespace, what: str) -> str:
    if parsed.secret_file is not None:
        try:
            found = Path(parsed.secret_file).read_text(encoding="utf-8")
        except OSError as error:
            raise Misconfigured(f"--secret-file {parsed.secret_file}: {error.strerror}") from None
    elif sys.stdin.isatty():
        found = getpass.getpass(f"{what}: ")
    else:
        found = sys.stdin.readline()
    found = found.strip()
    if not 0 < len(found) <= _SECRET_CHARS_MAX or not (found.isascii() and found.isprintable()):
        raise Misconfigured(f"the {what} has {len(found)} characters; 1 to {_SECRET_CHARS_MAX} of ASCII work")
    return found
