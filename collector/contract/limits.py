# SPDX-License-Identifier: Apache-2.0
"""Every bound of the stack, with its unit."""

from __future__ import annotations

from typing import Final

PAYLOAD_BYTES_MAX: Final = 256 * 1024
"""Largest payload that is parsed (contract 3)."""
QUARANTINE_HEAD_BYTES: Final = 4 * 1024
"""What quarantine keeps of a larger payload."""
INDICATORS_PER_MESSAGE_MAX: Final = 256
SAMPLES_PER_MESSAGE_MAX: Final = 10_000
"""Time points in one message."""
JSON_DEPTH_MAX: Final = 32
"""Nesting of brackets in a payload, checked before parsing."""
NUMBER_CHARS_MAX: Final = 32
"""Longest text of a number in a payload, checked before parsing."""
NUMBER_ABS_MAX: Final = 1e15
"""Largest magnitude of a value that is stored."""
SEGMENTS_MAX: Final = 8
"""Segments of a place."""
TOPIC_BYTES_MAX: Final = 1024
BOOT_HEX_DIGITS_MIN: Final = 16
"""A boot with fewer digits identifies nothing: taken at least once."""
BOOT_CHARS_MAX: Final = 64
SEQ_MAX: Final = 2**53 - 1
TIME_S_MAX: Final = 4_102_444_800.0
"""2100-01-01: a stamp from then on, or before 1970, is no time of a machine."""
CLOCK_SET_S_MIN: Final = 946_684_800.0
"""2000-01-01: a stamp before then is that of a clock which was never set."""
AHEAD_S_MAX: Final = 300.0
"""A stamp that lies further in the future is refused."""
SERIES_PER_DEVICE_MAX: Final = 500
"""Names of indicators that one device may bring."""
SERIES_MAX: Final = 100_000
"""Series of a site: devices times their indicators."""
DURATION_S_MAX: Final = 1e9
"""Longest duration, and largest figure of a job, that is believed."""
JOB_TEXT_CHARS_MAX: Final = 256
"""File names, job ids, causes, notes."""
RECEIPT_EVENTS_MAX: Final = 256
PEOPLE_PRESENT_MAX: Final = 1_000
"""People that a place may count."""
PARTS_AT_ONCE_MAX: Final = 1_000_000
"""Parts that one count may tell."""
MATERIAL_G_MAX: Final = 1e6
"""Grams of one spool, or of what a person opens."""
EVENTS_PER_PERSON_MAX: Final = 10_000
"""Own events that a person's secret remembers; beyond, the oldest go."""
PEOPLES_EVENTS_MAX: Final = 1_000_000
"""Own events that are remembered of all people together."""
PERSON_CHARS_MIN: Final = 16
PERSON_CHARS_MAX: Final = 256
"""Length of a person's secret."""
RECEIPT_BOOT_AGE_S: Final = 7 * 86_400.0
MISSING_PER_RECEIPT_MAX: Final = 1024
"""Missing seqs that one receipt names; with more, it speaks only for what lies before the rest."""
BEYOND_PER_RECEIPT_MAX: Final = 64
"""Stored ranges that a receipt names behind what it could say in full."""
STAYS_PER_MACHINE_MAX: Final = 64
"""Places remembered where a device stood before; beyond, the oldest two become one."""
GAPS_PER_BOOT_MAX: Final = 4096
"""Gaps remembered of one boot; beyond, the oldest is given up as lost."""
BATCH_MESSAGES_MAX: Final = 1_000
"""Messages decided in one turn of the collector, and so in one fsync."""
FACTS_PAGE_MAX: Final = 2_000
BUS_QUEUE_MAX: Final = 20_000
"""Deliveries that wait in memory for the collector; beyond, the broker keeps them."""
PAGE_ITEMS_MAX: Final = 500
SERIES_POINTS_MAX: Final = 10_000
QUARANTINE_ITEMS_MAX: Final = 100_000
QUARANTINE_BYTES_MAX: Final = 256 * 1024**2
QUARANTINE_SHARES: Final = 4
"""One device may take one of so many parts of quarantine: an offender can't push out the others."""
SENDER_MEMORY_S: Final = 90 * 86_400.0
"""Boots and event ids not heard for so long (plant's time) are forgotten: the same again would count as new."""
READER_SILENT_S_MAX: Final = 7 * 86_400.0
"""A reader that has not asked for so long (of our own running time) holds the log back no longer."""
HISTORIAN_EVERY_S: Final = 5.0
"""Few facts wait for each other at most so long (real s) on their way into the historian: fewer fsyncs."""
HISTORIAN_BATCHES_AT_ONCE: Final = 500
"""So many waiting batches are written at once."""
RETRY_S_MAX: Final = 60.0
"""Longest wait (real s) for a historian that does not say itself when to come again."""
LOG_ROW_BYTES_MAX: Final = 1024 * 1024
"""Facts of one turn share a row of the log up to so many encoded bytes."""
