# SPDX-License-Identifier: AGPL-3.0-or-later
"""Where samples are kept for reading back: in memory, in one file, or in InfluxDB."""
