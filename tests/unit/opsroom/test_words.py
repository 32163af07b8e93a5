# SPDX-License-Identifier: AGPL-3.0-or-later
"""Every sentence is in the catalogue, in every language, and nowhere else."""

from __future__ import annotations

import ast
import re
import string
from pathlib import Path

import pytest

import opsroom
from collector.contract.event import Outcome, State
from collector.contract.indicator import CATALOGUE as INDICATORS
from cyberfilter.contract.alert import Action, AlertClass, AlertState
from cyberfilter.contract.index import Verdict
from cyberfilter.indices.catalogue import CATALOGUE as INDICES
from opsroom.screens import SCREENS
from opsroom.theme import THEMES
from opsroom.views.index import ACTIONS, KINDS
from opsroom.views.intake import Standing
from opsroom.views.production import IN_RUNNING, LOSSES, PERIODS
from opsroom.words import LANGUAGES, catalogue, number

ROOM = Path(opsroom.__file__).parent
PYTHON = sorted(path for path in ROOM.rglob("*.py"))
SCRIPTS = sorted((ROOM / "assets").glob("*.js"))
TEXTS = catalogue("en").texts
# Families whose members are said by name: every member is there, and every entry is a member.
CLOSED = {
    "state": set(State),
    "class": set(AlertClass),
    "verdict": set(Verdict),
    "outcome": {*Outcome, "running"},
    "action": {*Action, "about"},
    "alert.state_told": set(AlertState),
    "alert.class": set(AlertClass),
    "index": set(INDICES),
    "indicator": set(INDICATORS),
    "language": set(LANGUAGES),
    "theme": {row.name for row in THEMES},
    "intake.standing": set(Standing),
    "production.period": {row.name for row in PERIODS},
    "belief.kind": set(KINDS),
    "tell.actions": set(ACTIONS),
    "production.loss": {"planned", "running", "effective", *LOSSES, *IN_RUNNING},
}
# Families with a fallback, whose members others decide.
OPEN = (
    "alert.kind.",
    "alert.shape.",
    "cause.",
    "model.",
    "account.",
    "screen.",
    "count.",
    "crier.many.",
    "phone.saved.",
    "phone.erased.",
    "error.",
    "refused.",
    "noticed.",
    "intake.",
    "production.",
    "belief.",
)
SENTENCE = re.compile(r"^[A-Z][a-z]+ [a-z]+|[a-z]{2,} [a-z]{2,} [a-z]{2,}")
ALLOWED = re.compile(r"sec-fetch-site|no lists to start from|default-src|^font-src|^frame-ancestors")


def sources() -> str:
    return "\n".join(path.read_text("utf-8") for path in (*PYTHON, *SCRIPTS))


def python_texts(path: Path) -> list[str]:
    tree = ast.parse(path.read_text("utf-8"))
    docs = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docs)
    return [node.value for node in constants if isinstance(node.value, str)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_same_keys_and_the_same_facts(language: str) -> None:
    def facts(text: str) -> set[str | None]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    texts = catalogue(language).texts
    assert texts.keys() == TEXTS.keys()
    assert {key for key, text in texts.items() if facts(text) != facts(TEXTS[key])} == set()


def test_spanish_is_translated() -> None:
    same = {key for key, text in catalogue("es").texts.items() if text == TEXTS[key]}
    assert {key for key in same if not key.startswith(("language.", "span."))} <= {
        "app.name",
        "app.title",
        "action.about",
        "alert.size_told",
        "belief.chance",
        "belief.much",
        "tell.unit",
        "alert.whose_own",
        "jobs.because",
        "intake.command",
        "production.bar",
        "production.oee_ratio",
        "production.percent",
    }


@pytest.mark.parametrize("family", CLOSED)
def test_a_family_has_a_sentence_for_each_member_and_no_other(family: str) -> None:
    found = {key.removeprefix(f"{family}.") for key in TEXTS if key.rpartition(".")[0] == family}
    assert found == {str(member) for member in CLOSED[family]}


def test_every_screen_has_a_name_and_a_question() -> None:
    wanted = {f"screen.{screen.name}.{part}" for screen in SCREENS for part in ("name", "question")}
    assert {key for key in TEXTS if key.startswith("screen.")} == wanted


def test_no_key_is_unused() -> None:
    told = sources()
    families = (*(f"{family}." for family in CLOSED), *OPEN)
    built = ("alert.", "legend.", "jobs.", "notice.")
    unused = {
        key
        for key in TEXTS
        if f'"{key}"' not in told and not key.startswith(families) and f'"{key.rpartition(".")[2]}"' not in told
    }
    assert {key for key in unused if not key.startswith(built)} == set()
    assert unused == set()


def test_no_key_is_missing() -> None:
    said = set(re.findall(r'(?<![\w.])say\(\s*"([a-z_0-9.]+)"', sources()))
    known = TEXTS.keys() | {key.removesuffix(".other") for key in TEXTS}
    assert {key for key in said if key not in known} == set()


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: str(path.relative_to(ROOM)))
def test_no_module_holds_a_sentence(path: Path) -> None:
    found = [text for text in python_texts(path) if SENTENCE.search(text) and not text.lstrip().startswith("<")]
    assert [text for text in found if not ALLOWED.search(text) and "html" not in text] == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_no_script_holds_a_sentence(path: Path) -> None:
    code = re.sub(r"^\s*(//|/\*\*|\*).*$", "", path.read_text("utf-8"), flags=re.MULTILINE)
    texts = re.findall(r'"([^"\n]*)"|`([^`\n]*)`', code)
    assert [text for pair in texts for text in pair if SENTENCE.search(text)] == []


@pytest.mark.parametrize(("language", "told"), [("en", "1,234 · 21.5 · 0.98"), ("es", "1.234 · 21,5 · 0,98")])
def test_numbers_are_written_as_the_language_writes_them(language: str, told: str) -> None:
    assert " · ".join(number(value, language) for value in (1234.0, 21.5, 0.98)) == told


def test_a_sentence_is_filled_with_its_facts() -> None:
    assert catalogue("es").say("trend.read_band", lo=1.5, hi=22.0) == "(esperado entre 1,50 y 22)"
