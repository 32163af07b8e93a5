# SPDX-License-Identifier: AGPL-3.0-or-later
"""Modules and functions fit a screen, files say their licence, and nothing is left for later."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
FOLDERS: Final = ("collector", "cyberfilter", "opsroom", "firmware_sim", "deploy", "tests", ".ci", ".github")
TOP: Final = ("Makefile", "docker-compose.yml", "pyproject.toml")
MODULE_LINES_MAX: Final = 300
FUNCTION_LINES_MAX: Final = 40
WAIVER: Final = re.compile(r"# tidy: \w{3,}")
COMMENTED: Final = {".py", ".js", ".css", ".toml", ".sh", ".yml", ".yaml", ".conf"}
"""Formats that have comments; of files without a suffix those named below."""
COMMENTED_NAMES: Final = {"Makefile", "Dockerfile", "acl", "run"}
APACHE: Final = ("collector/contract/", "firmware_sim/senders/")


def files() -> Iterator[Path]:
    """Every file of ours; what others wrote (`vendor`), caches and lock files are not."""
    yield from (ROOT / name for name in TOP)
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            parts = path.relative_to(ROOT).parts
            if path.is_file() and not {"__pycache__", "vendor", "cache"} & set(parts):
                yield path


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def modules() -> Iterator[tuple[str, list[str], ast.Module]]:
    """Every Python file of ours: its name, its lines, its tree."""
    for path in files():
        if path.suffix == ".py":
            text = path.read_text(encoding="utf-8")
            yield named(path), text.splitlines(), ast.parse(text)


def has_waiver(lines: list[str], first: int, last: int) -> bool:
    """Tell whether a comment among the lines `first` to `last` (from 1) says why the bound is exceeded."""
    return any(WAIVER.search(line) for line in lines[max(first - 1, 0) : last])


def test_module_has_at_most_300_lines() -> None:
    long = [
        f"{name}: {len(lines)} lines"
        for name, lines, _ in modules()
        if len(lines) > MODULE_LINES_MAX and not has_waiver(lines, 1, 3)
    ]
    assert long == []


def test_function_has_at_most_40_lines() -> None:
    long = [
        f"{name}:{node.lineno} {node.name}: {size} lines"
        for name, lines, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (size := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES_MAX
        and not has_waiver(lines, node.lineno - 1, node.body[0].lineno)
    ]
    assert long == []


def test_module_begins_with_its_caption() -> None:
    bare = [name for name, _, tree in modules() if not (ast.get_docstring(tree) or "").splitlines()[:1]]
    assert bare == []


def test_caption_is_one_line_that_ends() -> None:
    open_ended = [
        name for name, _, tree in modules() if (ast.get_docstring(tree) or ".").splitlines()[0][-1] not in ".:!?"
    ]
    assert open_ended == []


def test_file_says_its_licence_in_its_first_lines() -> None:
    silent = []
    for path in files():
        if path.suffix in COMMENTED or path.name in COMMENTED_NAMES:
            licence = "Apache-2.0" if named(path).startswith(APACHE) else "AGPL-3.0-or-later|CC0-1.0"
            head = "\n".join(path.read_text(encoding="utf-8").splitlines()[:3])
            if not re.search(rf"SPDX-License-Identifier: ({licence})", head):
                silent.append(named(path))
    assert silent == []


def test_file_without_comments_is_named_in_dep5() -> None:
    patterns = [
        pattern
        for line in (ROOT / ".reuse/dep5").read_text(encoding="utf-8").splitlines()
        if line.startswith("Files: ")
        for pattern in line.removeprefix("Files: ").split()
    ]
    forgotten = [
        named(path)
        for path in files()
        if path.suffix not in COMMENTED
        and path.name not in COMMENTED_NAMES
        and not path.name.startswith("LICENSE")
        and not any(re.fullmatch(re.escape(p).replace(r"\*", ".*"), named(path)) for p in patterns)
    ]
    assert forgotten == []


def test_nothing_is_left_for_later() -> None:
    later = re.compile(r"\b(TO" + "DO|FIX" + "ME|XX" + "X|HA" + r"CK)\b|NotImplemented" + "Error")
    found = [
        f"{named(path)}:{number}"
        for path in files()
        if path.suffix in COMMENTED or path.name in COMMENTED_NAMES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if later.search(line)
    ]
    assert found == []


def test_tests_are_no_package() -> None:
    assert [named(path) for path in files() if named(path).startswith("tests/") and path.name == "__init__.py"] == []
