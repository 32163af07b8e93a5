# SPDX-License-Identifier: AGPL-3.0-or-later
"""Ways to a broker: inside one process, over MQTT, and the broker that we bring along."""
