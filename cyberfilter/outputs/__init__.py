# SPDX-License-Identifier: AGPL-3.0-or-later
"""What others may read of us, in their own words: Home Assistant, a Unified Namespace, Sparkplug B."""
