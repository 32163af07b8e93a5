# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the Cyberfilter produces: indices, forecasts, alerts."""
