# SPDX-License-Identifier: AGPL-3.0-or-later
"""`cybersyn restore`: an archive of `cybersyn backup` becomes the data folder; verified first, whole or not at all."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from deploy.commands import Command
from deploy.where import add_data_dir, data_dir


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE.tar[.gz]", help="the archive")
    parser.add_argument("--force", action="store_true", help="move aside what is in the data folder")
    add_data_dir(parser)


def _run(parsed: Namespace) -> int:
    from collector.contract.errors import Misconfigured
    from deploy import archive

    file, folder = parsed.file.expanduser().absolute(), data_dir(parsed)
    if not file.is_file():
        raise Misconfigured(f"{parsed.file} is not a file")
    say = lambda text: print(text, file=sys.stderr, flush=True)  # noqa: E731 - one line, one use
    aside = archive.restore(file, folder, say, force=parsed.force)
    print(f"{folder} holds what {file.name} held" + ("" if aside is None else f"; what was there is in {aside}"))
    return 0


COMMAND = Command("restore", "put an archive of `backup` in the data folder's place", _arguments, _run)
