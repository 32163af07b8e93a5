# SPDX-License-Identifier: AGPL-3.0-or-later
"""Names for others."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from cyberfilter.outputs.words import device_word

DEVICES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}", fullmatch=True)


@given(DEVICES, DEVICES)
def test_two_devices_never_share_a_word_that_home_assistant_takes(one: str, other: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]+", device_word(one))
    assert (device_word(one) == device_word(other)) is (one == other)
