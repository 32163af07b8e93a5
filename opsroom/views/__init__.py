# SPDX-License-Identifier: AGPL-3.0-or-later
"""What to show, without Dash: pure functions from the picture to view models."""
