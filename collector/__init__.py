# SPDX-License-Identifier: AGPL-3.0-or-later
"""Where facts enter: messages become numbered facts, kept on disk before anybody is told that they arrived."""
