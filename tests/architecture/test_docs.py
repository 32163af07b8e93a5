# SPDX-License-Identifier: AGPL-3.0-or-later
"""What people can set, type, publish and open is documented, and what is documented is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from collector.contract.topics import Kind
from collector.dialects import ladder
from deploy.cli import COMMANDS
from deploy.settings import SETTINGS
from opsroom.screens import SCREENS
from opsroom.words import LANGUAGES

ROOT: Final = Path(__file__).parents[2]
README: Final = ROOT / "README.md"
DOCUMENTS: Final = (README, ROOT / "CHANGELOG.md", *sorted(ROOT.glob("*/README.md")))
DECISIONS: Final = sorted((ROOT / "deploy/decisions").glob("*.md"))
DECISION_LINES_MAX: Final = 40
PARTS: Final = ["## Context", "## Decision", "## Consequences", "## What would show it wrong"]


def code(path: Path) -> set[str]:
    """Return everything that a document sets in backquotes."""
    return set(re.findall(r"`([^`\n]+)`", path.read_text(encoding="utf-8")))


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_every_setting_is_in_the_table_with_no_other() -> None:
    listed = {word for word in code(ROOT / "deploy/README.md") if re.fullmatch(r"[a-z]+\.[a-z_]+", word)}
    assert {row.name for row in SETTINGS} == {word for word in listed if word.partition(".")[2] not in {"toml", "lock"}}


def test_every_command_is_in_the_readme_and_no_other() -> None:
    assert {word.split()[1] for word in code(README) if word.startswith("cybersyn ")} == set(COMMANDS)


def test_every_kind_of_topic_is_in_the_readme() -> None:
    assert set(Kind) - code(README) == set()


def test_the_ladder_of_dialects_is_the_one_of_their_rows() -> None:
    assert ladder() in (ROOT / "collector/README.md").read_text(encoding="utf-8")


def test_every_screen_is_in_the_readme_by_its_english_name() -> None:
    text = README.read_text(encoding="utf-8")
    missing = [screen.name for screen in SCREENS if f"**{screen.name.capitalize()}**" not in text]
    assert missing == []


def test_every_language_is_offered_by_the_settings() -> None:
    row = next(row for row in SETTINGS if row.name == "opsroom.language")
    assert [language for language in LANGUAGES if row.accept(language) is not None] == []


@pytest.mark.parametrize("document", [*DOCUMENTS, *DECISIONS], ids=named)
def test_links_to_files_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_every_target_of_the_makefile_that_is_named_exists() -> None:
    targets = set(re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8")))
    told = {found for path in DOCUMENTS for word in code(path) for found in re.findall(r"^make ([a-z]+)", word)}
    assert told - targets == set()


@pytest.mark.parametrize("decision", DECISIONS, ids=named)
def test_decision_has_its_parts_and_fits_a_screen(decision: Path) -> None:
    lines = decision.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith(f"# {decision.name[:4]}. ")
    assert [line for line in lines if line.startswith("## ")] == PARTS
    assert len(lines) <= DECISION_LINES_MAX


def test_decisions_are_numbered_without_gaps() -> None:
    assert [path.name[:4] for path in DECISIONS] == [f"{n:04d}" for n in range(1, len(DECISIONS) + 1)]


def test_readme_says_that_it_controls_nothing() -> None:
    assert "It never controls a machine, and it is not a safety system." in README.read_text(encoding="utf-8")
