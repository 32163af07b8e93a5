# SPDX-License-Identifier: AGPL-3.0-or-later
"""Colours can be read, and what others wrote is what they wrote."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

import opsroom
from opsroom.theme import CYBERSYN, GREY, THEMES, Theme, contrast, css, theme

ASSETS = Path(opsroom.__file__).parent / "assets"
VENDOR = ASSETS / "vendor"
HASHES = dict(reversed(line.split("  ")) for line in (VENDOR / "SHA256SUMS").read_text("utf-8").splitlines())


@pytest.mark.parametrize("row", THEMES, ids=lambda row: row.name)
def test_every_ink_can_be_read_on_its_ground(row: Theme) -> None:
    pairs = [(ink, ground) for ink in (row.ink, row.muted) for ground in (row.ground, row.panel, row.sunk)]
    pairs += [(row.hazard_ink, row.hazard), (row.algedonic_ink, row.algedonic), (row.call_ink, row.call)]
    assert [pair for pair in pairs if contrast(*pair) < 4.5] == []


def test_an_unknown_theme_is_the_grey_one() -> None:
    assert (theme("nope"), theme(None), theme("cybersyn")) == (GREY, GREY, CYBERSYN)


def test_every_token_that_is_used_exists() -> None:
    told = "\n".join(path.read_text("utf-8") for path in (ASSETS / "room.css", *ASSETS.glob("*.js")))
    used = set(re.findall(r"var\(--([a-z-]+)", told)) | set(re.findall(r'token\("([a-z-]+)"\)', told))
    assert used - set(re.findall(r"--([a-z-]+):", css())) == {"own", "own-ink", "blink"}


def test_no_colour_stands_outside_the_themes() -> None:
    told = (ASSETS / "room.css").read_text("utf-8") + "".join(path.read_text("utf-8") for path in ASSETS.glob("*.js"))
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b|rgba?\(|hsla?\(", told) == []


@pytest.mark.parametrize("name", sorted(HASHES))
def test_vendored_files_are_as_published(name: str) -> None:
    assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == HASHES[name]


def test_every_vendored_file_has_a_hash_and_every_folder_a_licence() -> None:
    found = {str(path.relative_to(VENDOR)) for path in VENDOR.rglob("*") if path.is_file()} - {"SHA256SUMS"}
    assert found == set(HASHES)
    assert {Path(name).parent for name in found} == {Path(name).parent for name in found if name.endswith("LICENSE")}
