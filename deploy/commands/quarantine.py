# SPDX-License-Identifier: AGPL-3.0-or-later
"""`cybersyn quarantine`: refused messages of the running system: see them, and have them decided again."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from deploy.commands import Command
from deploy.where import add_data_dir, data_dir, running


def _arguments(parser: ArgumentParser) -> None:
    parts = parser.add_subparsers(dest="part", required=True, metavar="list|replay")
    shown = parts.add_parser("list", help="what was refused, why, and when; newest first")
    shown.add_argument("--limit", type=int, default=20, metavar="N", help="how many (default 20)")
    again = parts.add_parser("replay", help="decide messages again, after the reason is gone")
    again.add_argument("id", nargs="+", metavar="ID", help="the number that `list` shows")
    for part in (shown, again):
        add_data_dir(part)


def _run(parsed: Namespace) -> int:
    from deploy.ask import ask

    api = running(data_dir(parsed))
    if parsed.part == "list":
        told = ask(api, "GET", f"/api/v1/quarantine?limit={parsed.limit}")
        for item in told["items"]:
            what = f"{item['reason']}: {item['detail']}" + ("" if item["replayable"] else " (not replayable)")
            print(f"{item['id']:>6}  {item['at']}  {item['bytes']:>7} B  {item['topic'] or '-'}  {what}")
        print(f"{told['total']} in quarantine")
        return 0
    for item in parsed.id:
        ask(api, "POST", f"/api/v1/quarantine/{item}/replay")
        print(f"{item}: taken")
    return 0


COMMAND = Command("quarantine", "refused messages: list them, or have them decided again", _arguments, _run)
