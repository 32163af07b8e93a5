# SPDX-License-Identifier: AGPL-3.0-or-later
"""How machines say what they know: one module a dialect, bytes written by hand."""
