# SPDX-License-Identifier: AGPL-3.0-or-later
"""Actuality, capability, potentiality into indices: which there are, how facts become their values, the triple."""
