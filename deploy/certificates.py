# SPDX-License-Identifier: AGPL-3.0-or-later
"""A small authority of one's own for TLS at the broker: made once, it signs the broker's and the devices' certificates.

The program `openssl` makes them: RSA of 2048 bits, which the TLS libraries of small devices take. Keys are readable by
their owner alone, but for the broker's own, which a broker of another user has to read: it stands in a folder that is
closed to everybody else.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from collector.contract.errors import Misconfigured, Refusal, Unavailable
from collector.contract.place import check_device
from collector.keys import user_name

DAYS: Final = 3_650
"""How long they hold; a workshop's machines outlive a year, and nobody renews them."""
NAME_CHARS_MAX: Final = 64
"""The longest common name that X.509 allows."""
_TIMEOUT_S: Final = 60.0
_NEW_KEY: Final = ("-newkey", "rsa:2048", "-nodes", "-sha256")


def make_server(folder: Path, hosts: Sequence[str]) -> Path:
    """Return the folder of the broker's files `ca.crt server.crt server.key`, for these host names and addresses.

    The authority in `folder` is made where there is none; the broker's certificate is made anew.
    """
    if not hosts:
        raise Misconfigured("a broker's certificate names the hosts by which machines reach it: one or more work")
    _authority(folder)
    server = folder / "server"
    server.mkdir(exist_ok=True)
    server.chmod(0o755)
    names = ",".join(_alternative(host) for host in hosts)
    _sign(folder, server / "server", hosts[0], f"subjectAltName={names}\nextendedKeyUsage=serverAuth\n")
    shutil.copyfile(folder / "ca.crt", server / "ca.crt")
    for path in server.iterdir():
        path.chmod(0o444)
    return server


def make_device(folder: Path, device: str) -> tuple[Path, Path]:
    """Return the files of a device's certificate and key; its user name at the broker is in it."""
    try:
        user = user_name(check_device(device))
    except Refusal as refusal:
        raise Misconfigured(refusal.detail) from None
    if not (folder / "ca.key").exists():
        raise Misconfigured(f"{folder} has no authority yet: the broker's certificate comes first (--host NAME)")
    devices = folder / "devices"
    devices.mkdir(exist_ok=True, mode=0o700)
    _sign(folder, devices / user, user, "extendedKeyUsage=clientAuth\n")
    return devices / f"{user}.crt", devices / f"{user}.key"


def _authority(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    if (folder / "ca.key").exists():
        return
    with _workplace(folder) as work:
        made = Path(work)
        extensions = [
            "-addext",
            "basicConstraints=critical,CA:TRUE",
            "-addext",
            "keyUsage=critical,keyCertSign,cRLSign",
        ]
        subject = ["-subj", "/CN=cybersyn broker authority", "-days", str(DAYS), *extensions]
        _openssl(["req", "-x509", *_NEW_KEY, *subject, "-keyout", str(made / "ca.key"), "-out", str(made / "ca.crt")])
        (made / "ca.crt").replace(folder / "ca.crt")
        _keep(made / "ca.key", folder / "ca.key")


def _sign(folder: Path, stem: Path, name: str, extensions: str) -> None:
    """Make a key and its certificate, signed by the authority, as `stem`.key and `stem`.crt."""
    if not 0 < len(name) <= NAME_CHARS_MAX or set(name) & set("/+=\\\n"):
        raise Misconfigured(f"name {name[:80]!r} in a certificate: 1 to {NAME_CHARS_MAX} characters without / + = work")
    with _workplace(folder) as work:
        made = Path(work)
        (made / "extensions").write_text(f"basicConstraints=critical,CA:FALSE\n{extensions}", encoding="utf-8")
        _openssl(["req", *_NEW_KEY, "-subj", f"/CN={name}", "-keyout", str(made / "key"), "-out", str(made / "csr")])
        signing = ["-CA", str(folder / "ca.crt"), "-CAkey", str(folder / "ca.key"), "-CAcreateserial"]
        signing += ["-CAserial", str(made / "serial"), "-days", str(DAYS), "-sha256"]
        signing += ["-extfile", str(made / "extensions"), "-in", str(made / "csr"), "-out", str(made / "crt")]
        _openssl(["x509", "-req", *signing])
        (made / "crt").replace(stem.with_name(stem.name + ".crt"))
        _keep(made / "key", stem.with_name(stem.name + ".key"))


def _workplace(folder: Path) -> tempfile.TemporaryDirectory[str]:
    """Return a folder of the owner alone beside where the files go, so that they get there in one step."""
    return tempfile.TemporaryDirectory(prefix=".new-", dir=folder)


def _keep(made: Path, path: Path) -> None:
    made.chmod(0o600)
    made.replace(path)


def _alternative(host: str) -> str:
    try:
        return f"IP:{ip_address(host)}"
    except ValueError:
        if not host or set(host) & set(",:= \n\t"):
            raise Misconfigured(f"host {host!r} is neither a name nor an address") from None
        return f"DNS:{host}"


def _openssl(arguments: Sequence[str]) -> None:
    program = shutil.which("openssl")
    if program is None:
        raise Misconfigured("no program openssl on PATH; apt install openssl brings it")
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program, no shell
            [program, *arguments], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"openssl {arguments[0]} did not end within {_TIMEOUT_S:.0f} s") from None
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()[-1:] or ["nothing"]
        raise Unavailable(f"openssl {arguments[0]} ended {done.returncode}: {said[0]}")
