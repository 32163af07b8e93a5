# SPDX-License-Identifier: Apache-2.0
"""Files to copy onto a device of one's own."""
