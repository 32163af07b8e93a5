# SPDX-License-Identifier: AGPL-3.0-or-later
"""`cybersyn backup`: all that lives on disk in one file, while the system runs."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from deploy.commands import Command
from deploy.where import add_data_dir, data_dir


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE.tar[.gz]", help="the archive to write; .gz compresses it")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="the settings in use: they and the plant are kept too"
    )
    add_data_dir(parser)


def _run(parsed: Namespace) -> int:
    from collector.contract.errors import Misconfigured
    from deploy import archive
    from deploy.settings import load

    file = parsed.file.expanduser().absolute()
    if not file.name.endswith((".tar", ".tar.gz", ".tgz")):
        raise Misconfigured(f"{parsed.file} ends neither in .tar nor in .tar.gz")
    if not file.parent.is_dir():
        raise Misconfigured(f"{file.parent} is not a folder")
    folder, extra = data_dir(parsed), {}
    if parsed.config is not None:
        settings = load(parsed.config, os.environ)
        folder = folder if parsed.data_dir is not None else settings.paths.data_dir
        extra["config.toml"] = parsed.config
        if settings.paths.plant is not None:
            extra["plant.toml"] = settings.paths.plant
    if not folder.is_dir():
        raise Misconfigured(f"{folder} is not a folder; name the data folder with --data-dir")
    if file.parent.is_relative_to(folder):
        raise Misconfigured(f"{file} lies inside the data folder {folder}; write it elsewhere")
    manifest = archive.write(file, folder, extra, lambda text: print(text, file=sys.stderr, flush=True))
    total = sum(kept.bytes for kept in manifest.files)
    print(f"{file}: {len(manifest.files)} files, {total} bytes, {file.stat().st_size} bytes packed")
    return 0


COMMAND = Command("backup", "all that lives on disk in one file, while the system runs", _arguments, _run)
