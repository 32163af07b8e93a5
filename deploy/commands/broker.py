# SPDX-License-Identifier: AGPL-3.0-or-later
"""`cybersyn broker`: certificates for TLS between machines and a Mosquitto."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from collector.contract.errors import Misconfigured
from deploy.commands import Command


def _arguments(parser: ArgumentParser) -> None:
    parts = parser.add_subparsers(dest="part", required=True, metavar="certificates")
    made = parts.add_parser(
        "certificates", help="make an authority of your own, the broker's certificate, and devices' certificates"
    )
    made.add_argument("--dir", type=Path, required=True, metavar="DIR", help="where they are kept, closed to others")
    made.add_argument(
        "--host", action="append", default=[], metavar="NAME", help="a name or address of the broker; may be repeated"
    )
    made.add_argument(
        "--device", action="append", default=[], metavar="ID", help="a device that gets one; may be repeated"
    )


def _run(parsed: Namespace) -> int:
    from deploy.certificates import make_device, make_server

    if not parsed.host and not parsed.device:
        raise Misconfigured("nothing to make: --host NAME for the broker, --device ID for a device")
    folder = parsed.dir.expanduser().absolute()
    if parsed.host:
        server = make_server(folder, parsed.host)
        print(f"the broker's files: {server}/server.crt, server.key, ca.crt; for {', '.join(parsed.host)}")
        print(f"machines trust it by {folder}/ca.crt; keep {folder}/ca.key for yourself")
    for device in parsed.device:
        certificate, key = make_device(folder, device)
        print(f"{device}: {certificate} and {key}, with {folder}/ca.crt; port 8884 asks no password for them")
    return 0


COMMAND = Command("broker", "make certificates for TLS between machines and a Mosquitto", _arguments, _run)
