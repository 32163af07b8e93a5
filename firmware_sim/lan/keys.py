# SPDX-License-Identifier: AGPL-3.0-or-later
"""Certificates as Bambu Lab's printers have them: one authority of the vendor, a printer's name is its serial number.

There is no subjectAltName, as in the real ones: whoever connects compares the common name. `openssl` makes them.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final, NamedTuple

from collector.contract.errors import Misconfigured, Unavailable

DAYS: Final = "3650"
_TIMEOUT_S: Final = 60.0
_KEY: Final = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-sha256", "-days", DAYS)


class KeyPair(NamedTuple):
    """Files of a certificate and its key."""

    certificate: Path
    key: Path


def vendor_authority(folder: Path) -> KeyPair:
    """Return the authority in `folder`, made where there is none; its certificate is what clients trust."""
    pair = KeyPair(folder / "vendor-ca.crt", folder / "vendor-ca.key")
    if not pair.key.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
        _openssl("req", "-x509", *_KEY, "-subj", "/CN=simulated printers", *usage, *_files(pair))
        pair.key.chmod(0o600)
    return pair


def printer_keys(folder: Path, serial: str) -> KeyPair:
    """Return a certificate of that serial number, signed by the authority in `folder`."""
    if not serial.isalnum():
        raise Misconfigured(f"serial = {serial!r}: letters and digits work")
    authority = vendor_authority(folder)
    pair = KeyPair(folder / f"{serial}.crt", folder / f"{serial}.key")
    if not pair.key.exists():
        signer = ("-CA", str(authority.certificate), "-CAkey", str(authority.key))
        limits = ("-addext", "basicConstraints=critical,CA:FALSE")
        _openssl("req", "-x509", *_KEY, "-subj", f"/CN={serial}", *signer, *limits, *_files(pair))
        pair.key.chmod(0o600)
    return pair


def _files(pair: KeyPair) -> tuple[str, ...]:
    return ("-keyout", str(pair.key), "-out", str(pair.certificate))


def _openssl(*arguments: str) -> None:
    program = shutil.which("openssl")
    if program is None:
        raise Misconfigured("no program openssl on PATH; apt install openssl brings it")
    done = subprocess.run(  # noqa: S603 - a fixed program, no shell
        [program, *arguments], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
    )
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()[-1:] or ["nothing"]
        raise Unavailable(f"openssl {arguments[0]} ended {done.returncode}: {said[0]}")
