# SPDX-License-Identifier: AGPL-3.0-or-later
"""Machines that do not exist, and the truth about what happened to them."""
