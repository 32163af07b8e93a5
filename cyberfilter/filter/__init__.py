# SPDX-License-Identifier: AGPL-3.0-or-later
"""The Cyberfilter: what is expected of an index, and what its newest value says. Arrays in, arrays out, nothing else.

>>> bank = Bank(1, prior=Prior(level=(100, 4), slope=(0, 1), noise=(1, 5)), filter="classic", commission=0)
>>> [bank.update([0], [t], [y]).verdict[0].item() for t, y in enumerate((100, 110, 110, 110))]
['steady', 'unsure', 'steady', 'step']
"""

from cyberfilter.filter.bank import Bank, check_filter
from cyberfilter.filter.belief import Belief
from cyberfilter.filter.learned import Learned
from cyberfilter.filter.model import PROFILES, STATES, Prior, Profile
from cyberfilter.filter.pool import pool
from cyberfilter.filter.rows import Forecasts, Verdicts
from cyberfilter.filter.transform import TRANSFORMS

__all__ = [
    "PROFILES",
    "STATES",
    "TRANSFORMS",
    "Bank",
    "Belief",
    "Forecasts",
    "Learned",
    "Prior",
    "Profile",
    "Verdicts",
    "check_filter",
    "pool",
]
