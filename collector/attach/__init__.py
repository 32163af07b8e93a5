# SPDX-License-Identifier: AGPL-3.0-or-later
"""Machines that do not come to our broker: we dial them, listen, and put what they say onto it."""
