# SPDX-License-Identifier: AGPL-3.0-or-later
"""TLS to a broker: whom we believe, and how we show who we are."""

from __future__ import annotations

from pathlib import Path

from paho.mqtt.client import Client

from collector.contract.errors import Misconfigured


def encrypt(client: Client, ca_file: Path, cert_file: Path | None, key_file: Path | None) -> None:
    """Let the client speak TLS alone, to a broker that this authority has certified under the name we connect to.

    Raises Misconfigured, with the files' names, where they cannot be read or do not belong together.
    """
    ours = [None if path is None else str(path) for path in (cert_file, key_file)]
    try:
        client.tls_set(str(ca_file), certfile=ours[0], keyfile=ours[1])
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        names = ", ".join(filter(None, [str(ca_file), *ours]))
        raise Misconfigured(f"TLS to the broker by {names}: {error}; PEM files that belong together work") from None
