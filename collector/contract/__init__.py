# SPDX-License-Identifier: Apache-2.0
"""What the collector produces, and what every package may build on."""
