# SPDX-License-Identifier: AGPL-3.0-or-later
"""Every row of the failure table has a test of its number."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).parents[1]
ROWS: Final = range(1, 31)


def test_every_row_of_the_failure_table_has_a_test_of_its_number() -> None:
    names = {
        node.name
        for path in TESTS.rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    }
    assert [row for row in ROWS if not any(name.startswith(f"test_row_{row:02d}_") for name in names)] == []
