# SPDX-License-Identifier: AGPL-3.0-or-later
"""Production indicators: what states, jobs, parts, meters and the shift calendar say of a unit's time and yield."""
