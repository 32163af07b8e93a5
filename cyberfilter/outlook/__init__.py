# SPDX-License-Identifier: AGPL-3.0-or-later
"""Looking further ahead than the next value: structural models, fitted offline."""

from cyberfilter.outlook.horizon import Outlook, outlook

__all__ = ["Outlook", "outlook"]
