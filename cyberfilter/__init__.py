# SPDX-License-Identifier: AGPL-3.0-or-later
"""Where facts become attention: indices, the Harrison-Stevens filter, and alerts."""
