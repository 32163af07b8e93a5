# SPDX-License-Identifier: AGPL-3.0-or-later
"""Whom we believe to be a certain printer: its maker's authority, or the one certificate that was pinned."""

from __future__ import annotations

import hashlib
import socket
import ssl
from pathlib import Path
from typing import Any, Final

from collector.contract.errors import Misconfigured, Unavailable

TIMEOUT_S: Final = 5.0


class _AsSerial(ssl.SSLContext):
    """Asks for the serial number by name, whatever the address is that was dialled."""

    serial = ""

    def wrap_socket(self, sock: socket.socket, *rest: Any, **named: Any) -> ssl.SSLSocket:
        """Return the socket with TLS around it."""
        return super().wrap_socket(sock, *rest, **{**named, "server_hostname": self.serial})


def by_authority(serial: str, ca_file: Path) -> ssl.SSLContext:
    """Return a context that believes who shows a certificate of this authority for the serial number."""
    context = _AsSerial(ssl.PROTOCOL_TLS_CLIENT)
    context.serial = serial
    try:
        context.load_verify_locations(ca_file)
    except (OSError, ssl.SSLError) as error:
        raise Misconfigured(f"ca_file {ca_file}: {error}; a PEM file with the maker's authority works") from None
    return context


def by_fingerprint(serial: str, host: str, port: int, fingerprint: str) -> ssl.SSLContext:
    """Return a context that believes in one certificate alone, the one with this SHA-256.

    The certificate is fetched once without a word of ours; only if it is the pinned one it becomes the sole root of
    the context, so that no connection that bears a secret goes unverified.
    """
    shown = certificate(serial, host, port)
    wanted = fingerprint.replace(":", "").lower()
    if fingerprint_of(shown) != wanted:
        raise Misconfigured(
            f"its certificate has the fingerprint {fingerprint_of(shown)}, pinned is {wanted}: "
            "another printer, or one that was reset; nothing was sent to it"
        )
    context = _AsSerial(ssl.PROTOCOL_TLS_CLIENT)
    context.serial = serial
    context.check_hostname = False  # the certificate itself is known, its names add nothing
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=shown)
    return context


def certificate(serial: str, host: str, port: int) -> bytes:
    """Return the certificate (DER) that is shown there; nothing is said to who shows it. Raises Unavailable."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # it is only looked at
    try:
        with (
            socket.create_connection((host, port), timeout=TIMEOUT_S) as plain,
            context.wrap_socket(plain, server_hostname=serial) as secure,
        ):
            return secure.getpeercert(binary_form=True) or b""
    except OSError as error:
        raise Unavailable(str(error)) from None


def fingerprint_of(shown: bytes) -> str:
    """Return the SHA-256 of a certificate (DER), in hex."""
    return hashlib.sha256(shown).hexdigest()
