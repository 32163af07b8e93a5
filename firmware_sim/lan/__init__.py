# SPDX-License-Identifier: AGPL-3.0-or-later
"""Printers that are brokers themselves: their listeners, their certificates, their frames."""
