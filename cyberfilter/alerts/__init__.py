# SPDX-License-Identifier: AGPL-3.0-or-later
"""When a person is asked, who, and how an alert lives and ends. Pure: facts, values and the time come in."""
