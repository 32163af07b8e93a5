# SPDX-License-Identifier: AGPL-3.0-or-later
"""How well a past was judged: what really happened against what was raised, and the forecasts against the values."""
