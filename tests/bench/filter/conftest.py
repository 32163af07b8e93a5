# SPDX-License-Identifier: AGPL-3.0-or-later
"""The bench is programs of this folder, not a package: here they are made importable."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
