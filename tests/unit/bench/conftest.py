# SPDX-License-Identifier: AGPL-3.0-or-later
"""The filter's bench is programs of a folder, not a package: here its modules are made importable."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "bench/filter"))
